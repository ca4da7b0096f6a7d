"""Tables of the warehouse: types of the contract, written atomically."""

import pandas as pd
import pyarrow.parquet as pq
import pytest

from amzseg_pipeline.contracts.errors import TableError
from amzseg_pipeline.contracts.schema import Column, Table
from amzseg_pipeline.storage.parquet import tables

TABLE = Table(
    "pets", "One row per pet.", (Column("name", "string", "name"), Column("legs", "int64", "legs", nullable=True))
)


def test_writes_frames_as_one_file_with_contract_types(tmp_path):
    path = tables.table_path(tmp_path, "pets")
    frames = [pd.DataFrame({"name": ["cat"], "legs": [4]}), pd.DataFrame({"name": ["snake"], "legs": [None]})]
    tables.write_frames(frames, TABLE, path)
    written = pq.read_table(tables.existing_table(path))
    assert [str(field.type) for field in written.schema] == ["string", "int64"]
    assert written.to_pylist() == [{"name": "cat", "legs": 4}, {"name": "snake", "legs": None}]
    assert tables.row_count(path) == 2
    assert sum(batch.num_rows for batch in tables.record_batches(path)) == 2


@pytest.mark.parametrize("bad", [pd.DataFrame({"name": ["cat"]}), pd.DataFrame({"name": ["cat"], "legs": ["four"]})])
def test_keeps_the_old_table_when_a_frame_does_not_match(tmp_path, bad):
    path = tables.table_path(tmp_path, "pets")
    good = pd.DataFrame({"name": ["cat"], "legs": [4]})
    tables.write_frames([good], TABLE, path)
    with pytest.raises(TableError, match=r"pets\.parquet: rows do not match the contract of pets"):
        tables.write_frames([good, bad], TABLE, path)
    assert tables.row_count(path) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["pets.parquet"]


def test_errors_for_missing_and_damaged_tables_name_the_fix(tmp_path):
    path = tables.table_path(tmp_path, "pets")
    with pytest.raises(TableError, match="materialise pets first"):
        tables.existing_table(path)
    path.write_bytes(b"PAR1 this is not parquet")
    with pytest.raises(TableError, match="materialise pets again"):
        tables.existing_table(path)
