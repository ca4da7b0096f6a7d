"""The engine scans, caches and writes tables, hands out chunks and stays within its memory limit."""

import narwhals as nw
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amzseg_pipeline.contracts.errors import SettingsError
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.engines import Engine, ExportFile, batch_folder, bucket_folder
from amzseg_pipeline.storage.engines.open_engine import opened_engine
from amzseg_pipeline.storage.parquet.user_hash import user_hashes
from amzseg_pipeline_tests.storage.engines.synthetic import duckdb_engine


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with duckdb_engine(tmp_path_factory.mktemp("engine")) as opened:
        yield opened


def parquet(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


def test_scans_files_as_one_frame_and_writes_it(engine, tmp_path):
    files = [parquet(tmp_path / f"{n}.parquet", n=[n, n + 10]) for n in range(3)]
    engine.write(engine.scan(files).filter(nw.col("n") > 1), tmp_path / "out.parquet")
    assert sorted(pq.read_table(tmp_path / "out.parquet")["n"].to_pylist()) == [2, 10, 11, 12]


def test_writes_an_empty_frame_with_its_columns(engine, tmp_path):
    empty = engine.scan([parquet(tmp_path / "n.parquet", n=[1], text=["a"])]).filter(nw.col("n") > 1)
    engine.write(empty, tmp_path / "out.parquet")
    written = pq.read_table(tmp_path / "out.parquet")
    assert (written.num_rows, written.column_names) == (0, ["n", "text"])


def test_computes_a_cached_frame_once(engine, tmp_path):
    path = parquet(tmp_path / "n.parquet", n=[1, 2])
    cached = engine.cached(engine.scan([path]))
    path.unlink()
    assert cached.select(nw.col("n").sum()).collect("pyarrow").item() == 3


def test_dictionary_encoded_columns_are_joined_as_their_texts(engine, tmp_path):
    texts = ["Toys & Games", None, 'it\'s "odd"', "", "Toys & Games"]
    columns = {"id": list(range(5)), "a text": texts, "none": pa.nulls(5, pa.string())}
    encoded = engine.dictionary_encoded(engine.scan([parquet(tmp_path / "few.parquet", **columns)]), ["a text", "none"])
    many = engine.scan([parquet(tmp_path / "many.parquet", id=[4, 3, 2, 1, 0, 9])])
    joined = many.join(encoded, on="id", how="left").with_columns(
        found=nw.coalesce(nw.lit(None, dtype=nw.String()), "a text"), missing=nw.coalesce("none", nw.lit("-"))
    )
    engine.write(joined.select("id", "found", "missing"), tmp_path / "out.parquet")
    written = pq.read_table(tmp_path / "out.parquet")
    assert written.schema.field("found").type == pa.string()
    rows = {row["id"]: (row["found"], row["missing"]) for row in written.to_pylist()}
    assert rows == {**{n: (text, "-") for n, text in enumerate(texts)}, 9: (None, "-")}


def test_keeps_the_order_of_a_sorted_frame(engine, tmp_path):
    numbers = [(n * 7_919) % 300_007 for n in range(300_007)]
    frame = engine.scan([parquet(tmp_path / "n.parquet", n=numbers)]).sort("n")
    engine.write(frame, tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet")["n"].to_pylist() == sorted(numbers)
    chunks = list(engine.pandas_chunks(frame, chunk_rows=100_000))
    assert [n for chunk in chunks for n in chunk["n"]] == sorted(numbers)
    assert max(map(len, chunks)) <= 100_000


@pytest.mark.parametrize("buckets", [1, 2, 8])
def test_buckets_are_the_leading_bits_of_the_hash(engine, tmp_path, buckets):
    hashes = [0, 1, 2**31 - 1, 2**31, 2**32 - 1]
    batches = {"one": hashes, "other": hashes[:2]}
    rows = {"user_hash": [*hashes, *hashes[:2]], "n": range(7), "batch": ["one"] * 5 + ["other"] * 2}
    frame = engine.scan([parquet(tmp_path / "n.parquet", **rows)])
    out = tmp_path / "out"
    out.mkdir()
    engine.write_buckets(frame, out, buckets=buckets)
    for batch, expected in batches.items():
        found = {}
        for number in range(buckets):
            for path in sorted(bucket_folder(batch_folder(out, batch), number).glob("*.parquet")):
                with pq.ParquetFile(path) as file:
                    rows = file.read()
                assert rows.column_names == ["user_hash", "n"]
                found |= dict.fromkeys(rows["user_hash"].to_pylist(), number)
        assert found == {value: value * buckets // 2**32 for value in expected}
        # A bucket without rows has no folder.
        assert {path.name for path in batch_folder(out, batch).iterdir()} == {f"bucket={n}" for n in found.values()}
    assert {path.name for path in out.iterdir()} == {"batch=one", "batch=other"}


def test_scans_exports_with_the_source_of_each_row(engine, tmp_path):
    users = ["A", "B", None, "Ä"]
    files = [
        ExportFile(parquet(tmp_path / f"{n}.parquet", user=users, other=[n] * 4), f"it's {n}\\.parquet", f"batch{n}")
        for n in range(2)
    ]
    rows = engine.scan_exports(files, columns=("user",), user_id="user").collect("pyarrow").to_native().to_pylist()
    expected = [
        {
            "user": user,
            "source_file": file.source_file,
            "batch": file.batch,
            "row_number": number,
            "user_hash": user_hash,
        }
        for file in files
        for number, (user, user_hash) in enumerate(
            zip(users, user_hashes(pa.array(users)).to_pylist(), strict=True), start=1
        )
    ]
    assert sorted(rows, key=lambda row: (row["batch"], row["row_number"])) == expected


def test_reports_its_usage(engine):
    usage = engine.usage()
    assert usage.memory_mib > 50
    assert usage.temporary_mib >= 0


def test_spills_beyond_the_memory_limit_and_deletes_the_spill(tmp_path):
    spill = tmp_path / "spill"
    engine = Engine(Settings(threads=1, memory_limit_mib=60), temporary=spill)
    path = parquet(tmp_path / "n.parquet", n=list(range(3_000_000)))
    cached = engine.cached(engine.scan([path]).with_columns(m=nw.col("n") * 3, o=nw.col("n") * 5, p=nw.col("n") * 7))
    engine.write(cached.sort("p", descending=True).select("n", "m", "o", "p"), tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet", columns=["n"])["n"][0].as_py() == 2_999_999
    assert engine.usage().temporary_mib > 0
    engine.close()
    assert not spill.exists()


def test_data_roots_do_not_share_a_temporary_folder(tmp_path):
    foreign = tmp_path / "scratch" / "foreign.txt"
    foreign.parent.mkdir()
    foreign.touch()
    settings = Settings(threads=1, memory_limit_mib=60, temporary_folder=str(foreign.parent))
    first, second = (opened_engine(DataRoot(tmp_path / name), settings) for name in ("a", "b"))
    assert len(list(foreign.parent.iterdir())) == 3
    first.close()
    second.close()
    assert list(foreign.parent.iterdir()) == [foreign]


def test_temporary_folder_stays_below_the_data_root(tmp_path):
    data_root = DataRoot(tmp_path / "data")
    for name, parent in (("", "warehouse"), ("spill", "spill")):
        opened_engine(data_root, Settings(threads=1, temporary_folder=name)).close()
        assert [path.name for path in (data_root.root / parent).iterdir()] == []
    (tmp_path / "elsewhere").mkdir()
    (data_root.root / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingsError, match="leaves the data root through a link"):
        opened_engine(data_root, Settings(temporary_folder="link"))
    opened_engine(data_root, Settings(threads=1, temporary_folder=str(tmp_path / "elsewhere"))).close()
    assert (tmp_path / "elsewhere").is_dir()
