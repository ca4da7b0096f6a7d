"""Parts of tables: a table in parts is all of its parts, or an error."""

from pathlib import Path

import pytest

from amzseg_pipeline.contracts.errors import TableError
from amzseg_pipeline.storage.parquet.partitions import TableParts, write_part


@pytest.fixture
def table(tmp_path: Path) -> TableParts:
    parts = TableParts(tmp_path / "table", ("a-1", "b-2"), rows=2, file="rows.txt")
    for part in parts.parts:
        write_part(part, lambda folder: (folder / "rows.txt").write_text("1", encoding="utf-8") and None)
    return parts


def test_names_the_file_of_each_part(table: TableParts) -> None:
    assert table.paths == tuple(part / "rows.txt" for part in table.parts)


@pytest.mark.parametrize("damage", [["rows.txt"], ["files.json"], ["rows.txt", "files.json"]])
def test_a_part_without_its_files_is_refused(table: TableParts, damage: list[str]) -> None:
    for name in damage:
        (table.parts[1] / name).unlink()
    with pytest.raises(TableError, match=r"table/b-2: the part is damaged .*run again with the warehouse deleted"):
        _ = table.paths
