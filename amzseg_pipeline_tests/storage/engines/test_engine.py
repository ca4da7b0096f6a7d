"""Each engine reads, stages, writes and hands on batches; DuckDB does so within its limits."""

import narwhals as nw
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amzseg_pipeline.contracts.errors import SettingsError
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.engines import ExportFile, batch_folder, bucket_folder
from amzseg_pipeline.storage.engines.duckdb import DuckDBEngine
from amzseg_pipeline.storage.engines.open_engine import opened_engine
from amzseg_pipeline.storage.parquet.user_hash import user_hashes
from amzseg_pipeline_tests.storage.engines.engine_types import ENGINE_TYPES, engine_of


@pytest.fixture(scope="module", params=ENGINE_TYPES)
def engine(request, tmp_path_factory):
    with engine_of(request.param, tmp_path_factory.mktemp("engine")) as opened:
        yield opened


def parquet(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


def test_files_are_read_as_one_frame_and_written_back(engine, tmp_path):
    parts = [parquet(tmp_path / f"{n}.parquet", n=[n, n + 10]) for n in range(3)]
    engine.write(engine.scan(parts).filter(nw.col("n") > 1), tmp_path / "out.parquet")
    assert sorted(pq.read_table(tmp_path / "out.parquet")["n"].to_pylist()) == [2, 10, 11, 12]


def test_a_frame_without_rows_is_written_with_its_columns(engine, tmp_path):
    nothing = engine.scan([parquet(tmp_path / "n.parquet", n=[1], text=["a"])]).filter(nw.col("n") > 1)
    engine.write(nothing, tmp_path / "out.parquet")
    engine.write_parts(nothing, tmp_path / "parts")
    for path in (tmp_path / "out.parquet", *(tmp_path / "parts").glob("*.parquet")):
        written = pq.read_table(path)
        assert (written.num_rows, written.column_names) == (0, ["n", "text"])
    assert list((tmp_path / "parts").glob("*.parquet"))


def test_a_staged_frame_is_computed_once(engine, tmp_path):
    path = parquet(tmp_path / "n.parquet", n=[1, 2])
    staged = engine.staged(engine.scan([path]))
    path.unlink()
    assert staged.select(nw.col("n").sum()).collect("pyarrow").item() == 3


def test_columns_coded_for_a_join_come_out_of_it_as_their_texts(engine, tmp_path):
    texts = ["Toys & Games", None, 'it\'s "odd"', "", "Toys & Games"]
    columns = {"id": list(range(5)), "a text": texts, "none": pa.nulls(5, pa.string())}
    dictionary_encoded = engine.dictionary_encoded(
        engine.scan([parquet(tmp_path / "few.parquet", **columns)]), ["a text", "none"]
    )
    many = engine.scan([parquet(tmp_path / "many.parquet", id=[4, 3, 2, 1, 0, 9])])
    joined = many.join(dictionary_encoded, on="id", how="left").with_columns(
        found=nw.coalesce(nw.lit(None, dtype=nw.String()), "a text"), missing=nw.coalesce("none", nw.lit("-"))
    )
    engine.write(joined.select("id", "found", "missing"), tmp_path / "out.parquet")
    written = pq.read_table(tmp_path / "out.parquet")
    assert written.schema.field("found").type == pa.string()
    rows = {row["id"]: (row["found"], row["missing"]) for row in written.to_pylist()}
    assert rows == {**{n: (text, "-") for n, text in enumerate(texts)}, 9: (None, "-")}


def test_a_sorted_frame_stays_sorted_in_file_and_batches(engine, tmp_path):
    numbers = [(n * 7_919) % 300_007 for n in range(300_007)]
    frame = engine.scan([parquet(tmp_path / "n.parquet", n=numbers)]).sort("n")
    engine.write(frame, tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet")["n"].to_pylist() == sorted(numbers)
    batches = list(engine.batches(frame, rows=100_000))
    assert [n for batch in batches for n in batch["n"]] == sorted(numbers)
    assert max(map(len, batches)) <= 100_000


@pytest.mark.parametrize("buckets", [1, 2, 8])
def test_buckets_are_the_first_bits_of_the_hash_and_empty_ones_have_no_folder(engine, tmp_path, buckets):
    hashes = [0, 1, 2**31 - 1, 2**31, 2**32 - 1]
    batches = {"one": hashes, "other": hashes[:2]}
    rows = {"user_hash": [*hashes, *hashes[:2]], "n": range(7), "batch": ["one"] * 5 + ["other"] * 2}
    frame = engine.scan([parquet(tmp_path / "n.parquet", **rows)])
    out = tmp_path / "out"
    out.mkdir()
    engine.write_buckets(frame, out, buckets=buckets)
    for batch, own in batches.items():
        found = {}
        for number in range(buckets):
            for path in sorted(bucket_folder(batch_folder(out, batch), number).glob("*.parquet")):
                with pq.ParquetFile(path) as file:
                    rows = file.read()
                assert rows.column_names == ["user_hash", "n"]
                found |= dict.fromkeys(rows["user_hash"].to_pylist(), number)
        assert found == {value: value * buckets // 2**32 for value in own}
        occupied = {path.name for path in batch_folder(out, batch).iterdir()}
        assert occupied == {f"bucket={number}" for number in found.values()}
    assert {path.name for path in out.iterdir()} == {"batch=one", "batch=other"}


def test_exports_are_scanned_with_where_each_row_comes_from(engine, tmp_path):
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


def test_an_engine_tells_what_it_uses(engine):
    use = engine.use()
    assert use.memory_mib > 50
    assert use.temporary_mib >= 0


def test_more_than_the_memory_limit_is_spilled_and_the_spill_is_taken_away(tmp_path):
    spill = tmp_path / "spill"
    engine = DuckDBEngine(Settings(threads=1, memory_limit_mib=60), temporary=spill)
    path = parquet(tmp_path / "n.parquet", n=list(range(3_000_000)))
    staged = engine.staged(engine.scan([path]).with_columns(m=nw.col("n") * 3, o=nw.col("n") * 5, p=nw.col("n") * 7))
    in_order = staged.sort("p", descending=True).select("n", "m", "o", "p")
    engine.write(in_order, tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet", columns=["n"])["n"][0].as_py() == 2_999_999
    assert engine.use().temporary_mib > 0
    engine.close()
    assert not spill.exists()


def test_another_temporary_folder_is_shared_with_nobody(tmp_path):
    mine = tmp_path / "scratch" / "mine.txt"
    mine.parent.mkdir()
    mine.touch()
    settings = Settings(threads=1, memory_limit_mib=60, temporary_folder=str(mine.parent))
    first, second = (opened_engine(DataRoot(tmp_path / name), settings) for name in ("a", "b"))
    assert len(list(mine.parent.iterdir())) == 3
    first.close()
    second.close()
    assert list(mine.parent.iterdir()) == [mine]


def test_what_memory_does_not_hold_goes_to_a_folder_of_its_own_below_the_data_root(tmp_path):
    data_root = DataRoot(tmp_path / "home")
    for name, kept in (("", "warehouse"), ("spill", "spill")):
        opened_engine(data_root, Settings(threads=1, temporary_folder=name)).close()
        assert [path.name for path in (data_root.root / kept).iterdir()] == []
    (tmp_path / "elsewhere").mkdir()
    (data_root.root / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingsError, match="leads outside the data root by a link"):
        opened_engine(data_root, Settings(temporary_folder="link"))
    opened_engine(data_root, Settings(threads=1, temporary_folder=str(tmp_path / "elsewhere"))).close()
    assert (tmp_path / "elsewhere").is_dir()
