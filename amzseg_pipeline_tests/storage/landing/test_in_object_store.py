"""Exports in an object store give the batches that they give in a folder, and each is transferred once."""

import gzip
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.data_root import DataRoot, data_root_at
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.erasure.search import search_exports
from amzseg_pipeline.storage.fs.atomic_writes import files_below
from amzseg_pipeline.storage.landing import Batch, RawReviews, known_contents, landing_listing, raw_reviews_frame
from amzseg_pipeline.storage.landing.ingest.raw_reviews import raw_reviews
from amzseg_pipeline.storage.landing.inspection import inspection_lines
from amzseg_pipeline_tests.frames import rows_of
from amzseg_pipeline_tests.object_store import Store
from amzseg_pipeline_tests.storage.landing.synthetic_exports import (
    canonical_csv,
    csv_of,
    item_2023,
    json_lines,
    landing_zone,
    parquet,
    review_2018,
    review_2023,
    reviews_read,
    xlsx_of,
)

TABLE = [{"Customer": f"U{n}", "Article": "I1", "Stars": "4", "Amount": "12.50"} for n in range(3)]
MAPPING = (
    b'currency = "USD"\n[columns]\nuser_id = "Customer"\nitem_id = "Article"\nrating = "Stars"\npaid_price = "Amount"\n'
)
CANONICAL = canonical_csv([{}, {"rating": "x"}])


@lru_cache
def exports() -> dict[str, bytes]:
    return {
        "2023/reviews[1].parquet": parquet([review_2023(number) for number in range(5)]),
        "2023/items.jsonl": json_lines([item_2023(1), item_2023(2)]),
        "2018/reviews.json.gz": gzip.compress(json_lines([review_2018(1), b"{", review_2018(3)])),
        "2018/reviews.json.zst": pa.compress(json_lines([review_2018(4)]), codec="zstd", asbytes=True),
        "canonical.csv": CANONICAL,
        "canonical.csv.sha256": hashlib.sha256(CANONICAL).hexdigest().encode(),
        "canonical.csv.rows": b"2\n",
        "copy of canonical.csv": CANONICAL,
        "book.xlsx": xlsx_of([{"user_id": "X", "item_id": "I", "rating": "5", "paid_price": "1", "currency": "USD"}]),
        "shop/table.csv": csv_of(TABLE),
        "shop/columns.toml": MAPPING,
        "_old/a.csv": CANONICAL,
        ".hidden.csv": CANONICAL,
        "b.csv.part": CANONICAL,
        "README.md": b"text",
    }


def delivered(data_root: DataRoot, exports: dict[str, bytes]) -> DataRoot:
    for path, content in exports.items():
        key = cast(Any, data_root.landing / path)
        key.fs.pipe_file(key.path, content)
    return data_root


def without_location(batch: Batch) -> Batch:
    return replace(batch, modified_ns=0, etag="", parquet_path=Path())


def rows(raw: RawReviews, data_root: DataRoot, scratch: Path) -> list[dict[str, Any]]:
    store = getattr(data_root.root, "fs", None)
    engine = Engine(Settings(threads=1, memory_limit_mib=200), temporary=scratch, store=store)
    try:
        return rows_of(raw_reviews_frame(raw.reviews, engine), "source_file", "row_number")
    finally:
        engine.close()


def test_reads_what_a_folder_gives(store: Store, tmp_path: Path) -> None:
    folder = landing_zone(tmp_path / "folder", exports())
    data_root = delivered(data_root_at(store.address), exports())
    cast(Any, data_root.root).fs.pipe_file(f"{store.bucket}/team/segments/landing/2023/", b"")  # as consoles do

    expected, raw = reviews_read(folder), reviews_read(data_root)
    assert (raw.skipped, raw.refused) == (expected.skipped, expected.refused)
    assert [without_location(each) for each in raw.batches] == [without_location(each) for each in expected.batches]
    assert len(raw.batches) == 7
    assert rows(raw, data_root, tmp_path / "spill") == rows(expected, folder, tmp_path / "spill")
    items = [pq.read_table(pa.BufferReader(each.items[0].parquet_path.read_bytes())) for each in (raw, expected)]
    assert items[0].equals(items[1], check_metadata=False)
    assert files_below(data_root.local) == {}

    listing = landing_listing(data_root.landing, now=time.time(), settle_seconds=None)
    known = known_contents(data_root, listing, without_refused=False)
    assert known == {path: batch.sha256 for batch in raw.batches for path in (batch.path, *batch.also_at)}
    young = landing_listing(data_root.landing, now=time.time(), settle_seconds=600)
    assert young.files == () and {file.path for file in young.skipped if file.is_settling} == set(known)

    store.read_bytes.clear()
    store.writes.clear()
    delivered(data_root, {"canonical.csv": CANONICAL})  # uploaded again: the ETag is the same
    store.writes.clear()
    assert reviews_read(data_root).batches == replace_time(raw.batches, landing_listing_times(data_root))
    landing = {key for key in store.read_bytes if "/landing/" in key}
    assert landing == {f"team/segments/landing/canonical.csv.{ending}" for ending in ("sha256", "rows")}
    assert store.writes == []


def landing_listing_times(data_root: DataRoot) -> dict[str, int]:
    listing = landing_listing(data_root.landing, now=0, settle_seconds=None)
    return {file.path: file.modified_ns for file in listing.files}


def replace_time(batches: tuple[Batch, ...], times: dict[str, int]) -> tuple[Batch, ...]:
    return tuple(replace(batch, modified_ns=times[batch.path]) for batch in batches)


def test_rows_name_the_first_path_of_equal_objects_whatever_their_etags(store: Store) -> None:
    content = json_lines([review_2018(1)])
    data_root = delivered(data_root_at(store.address), {"a.json": content})
    upload_in_parts(data_root.landing / "b.json", content)
    first, second = landing_listing(data_root.landing, now=0, settle_seconds=None).files
    assert (first.size_bytes, first.path) == (second.size_bytes, "a.json")
    assert first.etag != second.etag

    def last_first(tasks: Sequence[Callable[[Settings], Any]]) -> list[tuple[int, Any]]:
        return [(position, task(Settings())) for position, task in reversed([*enumerate(tasks)])]

    raw = raw_reviews(data_root, Settings(), now=time.time(), skip_settling=False, run=last_first)
    [batch] = raw.batches
    with batch.parquet_path.open("rb") as stream:
        assert pq.read_table(stream)["source_file"].unique().to_pylist() == ["a.json"]


def upload_in_parts(path: Path, content: bytes) -> None:
    store, (bucket, key) = cast(Any, path).fs, cast(Any, path).path.split("/", 1)
    key_of_object = {"Bucket": bucket, "Key": key}
    upload = key_of_object | {"UploadId": store.call_s3("create_multipart_upload", **key_of_object)["UploadId"]}
    part = store.call_s3("upload_part", **upload, PartNumber=1, Body=content)
    parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
    store.call_s3("complete_multipart_upload", **upload, MultipartUpload={"Parts": parts})


@pytest.mark.parametrize(
    ("path", "content", "transfers"),
    [
        ("a.jsonl", lambda: json_lines([review_2023(n, text="x" * 12_000) for n in range(2_500)]), 1.5),
        ("a.csv", lambda: canonical_csv([{"category": "x" * 1_200}] * 25_000), 1.5),
        # DuckDB reads smaller files at once to see whether it can open them.
        ("a.parquet", lambda: parquet([review_2023(n, text=f"{n}" * 10_000) for n in range(2_500)]), 1.5),
    ],
    ids=["JSON Lines", "CSV", "Parquet"],
)
@pytest.mark.slow
def test_a_large_object_is_transferred_once(
    store: Store, path: str, content: Callable[[], bytes], transfers: float
) -> None:
    data_root = delivered(data_root_at(store.address), {path: content()})
    [file] = landing_listing(data_root.landing, now=0, settle_seconds=None).files
    reviews_read(data_root)
    assert store.read_bytes[f"team/segments/landing/{path}"] < transfers * file.size_bytes


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        ({"a.csv.sha256": b"0" * 64}, "says '0000"),
        ({"a.csv.rows": b"3"}, "says '3' but the file has 2"),
        ({"b.parquet": b"PAR1 and no footer"}, "b.parquet: the parquet file is damaged or cut"),
        ({"b.jsonl.gz": gzip.compress(b"{}\n" * 99)[:-9]}, "b.jsonl.gz: .*end is missing"),
        ({"b.zip": b"PK\x03\x04 no archive"}, "b.zip: the workbook .or zip file. is damaged"),
        ({"b.csv": b""}, "b.csv: the file is empty"),
    ],
)
def test_refuses_what_a_folder_refuses(store: Store, tmp_path: Path, refused: dict[str, bytes], message: str) -> None:
    files = {"a.csv": CANONICAL, **refused}
    data_root = delivered(data_root_at(store.address), files)
    with pytest.raises(RefusedInput, match=message) as found:
        reviews_read(data_root)
    with pytest.raises(RefusedInput) as expected:
        reviews_read(landing_zone(tmp_path / "folder", files))
    assert str(found.value).splitlines()[1:] == str(expected.value).splitlines()[1:]
    assert files_below(data_root.local) == {}


def test_an_object_that_changes_while_read_is_refused(store: Store) -> None:
    data_root = delivered(data_root_at(store.address), {"a.jsonl": json_lines([review_2023()])})
    replaced = json_lines([review_2023(2)])
    store.before_read["a.jsonl"] = lambda: delivered(data_root, {"a.jsonl": replaced})
    with pytest.raises(RefusedInput, match=r"a\.jsonl: it (cannot be read|changed while)"):
        reviews_read(data_root)
    assert [path.name for path in files_below(data_root.warehouse / "raw_reviews")] == []


def test_searches_and_inspects_exports_in_the_store(store: Store, tmp_path: Path) -> None:
    names = ("2018/reviews.json.gz", "2023/reviews[1].parquet", "canonical.csv", "shop/table.csv", "shop/columns.toml")
    some = {name: exports()[name] for name in names}
    data_root = delivered(data_root_at(store.address), some)
    folder = landing_zone(tmp_path / "folder", some)
    for user_id, is_there in (("U2", True), ("nobody", False)):
        found, expected = (search_exports(each.landing, user_id, Settings()) for each in (data_root, folder))
        found_in = [str(path).removeprefix(f"{data_root.landing}/") for path in found.containing]
        assert found_in == [path.relative_to(folder.landing).as_posix() for path in expected.containing]
        assert (bool(found_in), found.unreadable_records) == (is_there, expected.unreadable_records)
    lines = inspection_lines(data_root.landing / "shop/table.csv", Settings(), now=time.time())
    assert lines[0] == "table.csv: mapped columns"
    assert files_below(data_root.local) == {}
