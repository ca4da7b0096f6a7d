"""The rows of all batches as one frame: batch files and exports read in place give the same rows."""

import hashlib
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from amzseg_pipeline.contracts.errors import RefusedForNow, RefusedInput
from amzseg_pipeline.contracts.reviews import RAW_ITEMS, RAW_REVIEWS
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps import reviews
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.landing import (
    RawReviews,
    raw_items_frame,
    raw_reviews_document,
    raw_reviews_frame,
    raw_reviews_from_document,
    refuse_damaged_exports,
)
from amzseg_pipeline_tests.frames import rows_of
from amzseg_pipeline_tests.storage.landing.synthetic_exports import (
    item_2023,
    json_lines,
    landing_zone,
    parquet,
    review_2018,
    review_2023,
    reviews_read,
    sales_csv,
)


@pytest.fixture
def engine(tmp_path: Path) -> Any:
    engine = Engine(Settings(threads=2, memory_limit_mib=200), temporary=tmp_path / "spill")
    yield engine
    engine.close()


def rows(raw: RawReviews, engine: Engine) -> list[dict[str, Any]]:
    return rows_of(raw_reviews_frame(raw.reviews, engine), "source_file", "row_number")


def test_reads_parquet_in_place(tmp_path: Path, engine: Engine) -> None:
    data_root = landing_zone(tmp_path, {"2023/a'b.parquet": parquet([review_2023(1), review_2023(2)])})
    raw = reviews_read(data_root)
    [batch] = raw.batches
    assert batch.parquet_path == data_root.landing / "2023/a'b.parquet"
    assert (batch.rows, batch.records, batch.read_errors, raw.rows, raw.currency) == (2, 2, 0, 2, None)
    assert not list(data_root.warehouse.rglob("*.parquet"))
    first, second = rows(raw, engine)
    assert first == dict.fromkeys(RAW_REVIEWS.column_names) | {
        "source_file": "2023/a'b.parquet",
        "batch": batch.sha256[:16],
        "row_number": 1,
        "user_id": "A1",
        "user_hash": int(hashlib.md5(b"A1").hexdigest()[:8], 16),
        "item_id": "B000000001",
        "review_id": "B000000001@1588687728924",
        "rating": 5.0,
        "reviewed_at": 1_588_687_728_924,
    }
    assert second["row_number"] == 2


RECORDS = [
    review_2023(n, rating=rating, timestamp=timestamp, user_id=user, parent_asin=item)
    for n, (rating, timestamp, user, item) in enumerate(
        [
            *((rating, 1_588_687_728_923, "U", "P") for rating in (1.0, 4.5, 5.0, 4.2, 0.0, 6.0, 4.25, -1.0, None)),
            *((5.0, timestamp, "U", "P") for timestamp in (0, 99_999_999_999_999, 10**14, -1, None)),
            *((5.0, 7, user, item) for user, item in ((None, "P"), ("U", None), ("", "P"), ("U", ""), ("é🙂", "P"))),
            *((random.Random(7).choice([1.0, 5.0]), 9, "U", "P") for _ in range(3)),
        ]
    )
]


@pytest.mark.parametrize("rating", [pa.float64(), pa.float32()])
@pytest.mark.parametrize("text", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_parquet_in_place_equals_json_lines(
    tmp_path: Path, engine: Engine, rating: pa.DataType, text: pa.DataType
) -> None:
    tables = []
    for name, content in {
        "a.jsonl": json_lines(RECORDS),
        "a.parquet": parquet(RECORDS, {"rating": rating, "user_id": text, "parent_asin": text}),
    }.items():
        data_root = landing_zone(tmp_path / name, {name: content})
        checked = reviews.validated_reviews(raw_reviews_frame(reviews_read(data_root).reviews, engine))
        rejected = rows_of(reviews.rejected_reviews(checked).drop("batch", "source_file", "rating"), "row_number")
        tables.append((rows_of(reviews.cleaned_reviews(checked), "user_id", "review_id"), rejected))
    assert tables[0] == tables[1]
    assert len(tables[0][1]) == 5


def test_mixed_formats_are_one_frame_of_text(tmp_path: Path, engine: Engine) -> None:
    data_root = landing_zone(
        tmp_path,
        {
            "a.parquet": parquet([review_2023(1)]),
            "b.parquet": parquet([review_2023(2, rating=4, timestamp=5)], {"rating": pa.int32()}),
            "c.csv": sales_csv([{}]),
            "d.json": json_lines([review_2018()]),
        },
    )
    raw = reviews_read(data_root)
    found = rows(raw, engine)
    assert [(row["source_file"], row["rating"]) for row in found] == [
        ("a.parquet", "5.0"),
        ("b.parquet", "4.0"),
        ("c.csv", "4.2"),
        ("c.csv", "4.2"),
        ("d.json", "5.0"),
    ]
    assert len({row["batch"] for row in found}) == 4


def test_many_shards_are_one_scan(tmp_path: Path, engine: Engine) -> None:
    shards = {f"{n:03}.parquet": parquet([review_2023(n), review_2023(n + 1000)]) for n in range(300)}
    raw = reviews_read(landing_zone(tmp_path, shards))
    found = rows(raw, engine)
    assert len(found) == 600
    assert all(
        row["user_id"] in (f"A{int(row['source_file'][:3])}", f"A{int(row['source_file'][:3]) + 1000}") for row in found
    )
    batch = {batch.path: batch.sha256[:16] for batch in raw.batches}
    assert all(row["batch"] == batch[row["source_file"]] for row in found)


def test_file_names_with_special_characters_are_plain_names(tmp_path: Path, engine: Engine) -> None:
    name = "rating=3/user_id=Z/a[1]*?'.parquet"
    [row] = rows(reviews_read(landing_zone(tmp_path, {name: parquet([review_2023()])})), engine)
    assert (row["source_file"], row["rating"], row["user_id"]) == (name, 5.0, "A1")


def test_reads_item_rows(tmp_path: Path, engine: Engine) -> None:
    data_root = landing_zone(
        tmp_path, {"a.jsonl": json_lines([review_2023()]), "b.jsonl": json_lines([item_2023(), b"{"])}
    )
    raw = reviews_read(data_root)
    assert (raw.rows, raw.item_rows, raw.records, raw.read_errors, raw.currency) == (1, 2, 3, 1, "USD")
    item, fault = rows_of(raw_items_frame(raw.reviews, raw.items, engine), "row_number")
    assert (item["item_id"], item["price"], item["source_file"]) == ("B000000001", "12.99", "b.jsonl")
    assert fault["read_error"]
    assert fault["row_number"] == 2


@pytest.mark.parametrize("content", [sales_csv([{}]), parquet([review_2023()])])
def test_without_items_the_frame_is_empty(tmp_path: Path, engine: Engine, content: bytes) -> None:
    raw = reviews_read(landing_zone(tmp_path, {"a": content}))
    none = raw_items_frame(raw.reviews, raw.items, engine)
    assert tuple(none.collect_schema().names()) == RAW_ITEMS.column_names
    assert rows_of(none, "row_number") == []


@pytest.mark.parametrize("on_refused_file", ["fail", "skip"])
def test_refuses_items_without_reviews(tmp_path: Path, on_refused_file: str) -> None:
    data_root = landing_zone(tmp_path, {"meta.jsonl": json_lines([item_2023()])})
    with pytest.raises(
        RefusedInput, match=r"item metadata but no reviews; add the reviews .*\n  meta.jsonl: Amazon Reviews 2023"
    ):
        reviews_read(data_root, on_refused_file=on_refused_file)


def test_refuses_items_in_another_currency_than_reviews(tmp_path: Path) -> None:
    exports = {"a.csv": sales_csv([{}]), "meta.jsonl": json_lines([item_2023()])}
    with pytest.raises(RefusedInput, match=r"different currencies.*\n  a.csv: INR\n  meta.jsonl: USD"):
        reviews_read(landing_zone(tmp_path, exports))


def test_refuses_an_export_changed_after_it_was_listed(tmp_path: Path, engine: Engine) -> None:
    data_root = landing_zone(tmp_path, {"a.parquet": parquet([review_2023(1)])})
    raw = reviews_read(data_root)
    landing_zone(tmp_path, {"a.parquet": parquet([review_2023(1), review_2023(2)])})
    with pytest.raises(RefusedForNow, match=r"a.parquet: it changed after .*materialise raw_reviews again"):
        raw_reviews_frame(raw.reviews, engine)
    (data_root.landing / "a.parquet").unlink()
    with pytest.raises(RefusedForNow, match="deleted while"):
        raw_reviews_frame(raw.reviews, engine)


def test_refuses_damaged_pages_naming_the_export(tmp_path: Path, engine: Engine) -> None:
    content = bytearray(parquet([review_2023(n) for n in range(3_000)]))
    content[100:2_000] = b"\xff" * 1_900
    data_root = landing_zone(tmp_path, {"a.parquet": bytes(content)})
    [batch] = reviews_read(data_root).batches
    with (
        pytest.raises(RefusedInput, match=r"^a.parquet: the parquet file is damaged or cut \("),
        refuse_damaged_exports([batch]),
    ):
        rows_of(raw_reviews_frame([batch], engine), "row_number")


@pytest.mark.parametrize("error", [ZeroDivisionError, RefusedForNow])
@pytest.mark.parametrize("content", [sales_csv([{}]), parquet([review_2023()])])
def test_passes_on_any_other_error(tmp_path: Path, content: bytes, error: type[Exception]) -> None:
    [batch] = reviews_read(landing_zone(tmp_path, {"a": content})).batches
    with pytest.raises(error, match=r"^mine$"), refuse_damaged_exports([batch]):
        raise error("mine")


def test_the_document_round_trips_with_paths(tmp_path: Path) -> None:
    data_root = landing_zone(tmp_path, {"x/a.parquet": parquet([review_2023(1)]), "b.csv": sales_csv([{}])})
    raw = reviews_read(data_root)
    document = raw_reviews_document(raw)
    assert raw_reviews_from_document(document, location=str(data_root.warehouse / "raw_reviews.json")) == raw
    moved = raw_reviews_from_document(document, location="/elsewhere/warehouse/raw_reviews.json")
    assert [str(batch.parquet_path)[:19] for batch in moved.batches] == ["/elsewhere/warehous", "/elsewhere/landing/"]
