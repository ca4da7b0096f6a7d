"""A run checks the parts that no earlier run has checked with the same code, and weekly all parts."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amzseg_pipeline.contracts.reviews import ITEMS
from amzseg_pipeline.defs.checks import parts_contract_check
from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.storage.parquet.arrow_schema import arrow_schema
from amzseg_pipeline.storage.parquet.partitions import TableParts
from amzseg_pipeline.storage.warehouse import checked_parts
from amzseg_pipeline.storage.warehouse.checked_parts import parts_to_check
from amzseg_pipeline_tests.storage.engines.synthetic import (
    built_tables,
    data_root_of,
    duckdb_engine,
    review_batch,
    sorted_rows,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)
FIRST, SECOND, THIRD = (review_batch(first, first + 1_000) for first in (0, 1_000, 2_000))


@pytest.fixture
def engine(tmp_path):
    with duckdb_engine(tmp_path / "engine") as opened:
        yield opened


def parts_of(folder, *names, rows=3):
    """A table of items whose parts need not exist."""
    return TableParts(folder / "items", names, rows=rows, file="items.parquet")


def chosen(folder, parts, *, now=NOW, check_all=False):
    return parts_to_check(parts, ITEMS, warehouse=folder, now=now, check_all=check_all)


def names(to_check):
    return [part.name for part in to_check.changed]


def test_only_parts_without_a_record_are_checked(tmp_path):
    first = chosen(tmp_path, parts_of(tmp_path, "a", "b"))
    assert (names(first), first.is_complete) == (["a", "b"], True)
    assert names(chosen(tmp_path, parts_of(tmp_path, "a", "b"))) == ["a", "b"]  # not saved: its check may have failed
    first.save()
    assert names(chosen(tmp_path, parts_of(tmp_path, "a", "b"))) == []
    added = chosen(tmp_path, parts_of(tmp_path, "a", "c"))
    assert (names(added), added.summary) == (["c"], "1 of 2 parts; the others were checked by earlier runs")
    added.save()
    assert names(chosen(tmp_path, parts_of(tmp_path, "a", "b", "c"))) == ["b"]


@pytest.mark.parametrize(("days", "is_complete"), [(6.9, False), (7, True), (-1, True)])
def test_all_parts_are_checked_weekly_from_the_last_complete_check(tmp_path, days, is_complete):
    chosen(tmp_path, parts_of(tmp_path, "a")).save()
    chosen(tmp_path, parts_of(tmp_path, "a", "b"), now=NOW + timedelta(days=3)).save()
    later = chosen(tmp_path, parts_of(tmp_path, "a", "b"), now=NOW + timedelta(days=days))
    assert later.is_complete == is_complete
    assert names(later) == (["a", "b"] if is_complete else [])


def test_a_record_without_a_time_zone_is_read(tmp_path):
    first = chosen(tmp_path, parts_of(tmp_path, "a"))
    first.save()
    first.record.write_text(first.record.read_text().replace("+00:00", ""))
    assert names(chosen(tmp_path, parts_of(tmp_path, "a", "b"), now=NOW + timedelta(days=2))) == ["b"]


@pytest.mark.parametrize("change", ["request", "code", "damaged record", "record of another version"])
def test_all_parts_are_checked_when_the_record_does_not_hold(tmp_path, monkeypatch, change):
    first = chosen(tmp_path, parts_of(tmp_path, "a"))
    first.save()
    if change == "code":
        monkeypatch.setattr(checked_parts, "code_hash", lambda: "other")
    elif change == "damaged record":
        first.record.write_bytes(b'{"code": ')
    elif change == "record of another version":
        first.record.write_text("[]")
    assert chosen(tmp_path, parts_of(tmp_path, "a"), check_all=change == "request").is_complete


def test_the_parts_contain_every_review(tmp_path, engine):
    data_root = data_root_of(tmp_path / "data", a=FIRST, b=SECOND)
    before = built_tables(data_root, engine, bucket_rows=1_000).cleaned
    data_root_of(tmp_path / "data", a=FIRST, b=SECOND, c=THIRD.slice(0, 300))
    cleaned = built_tables(data_root, engine, bucket_rows=1_000).cleaned
    every_row = sorted_rows(cleaned.rows_of_parts(engine, cleaned.parts))
    missing = [row for row in sorted_rows(cleaned.frame(engine)) if row not in every_row]
    assert missing == []
    new = set(cleaned.parts) - set(before.parts)
    assert 300 <= len(sorted_rows(cleaned.rows_of_parts(engine, new))) < 500
    states = {part for part in new if part.parent.name == "bucket_states"}
    assert 0 < len(sorted_rows(cleaned.rows_of_parts(engine, states))) < 200
    assert len(new) == len(states) + 1


def checked(parts, engine, root, **options):
    """The result of the check of items in a run with these options."""
    pipeline = PipelineResource(root=str(root), run_at=NOW.isoformat(), **options)
    check = parts_contract_check(ITEMS, TableParts)
    return check(parts=parts, engine=engine, pipeline=pipeline)


def write_items(parts, name, rows):
    path = parts.folder / name / parts.file
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, path)


def item_rows(**values):
    schema = arrow_schema(ITEMS)
    row = {"item_id": "A1", "duplicate_count": 0} | values
    return pa.Table.from_pylist([{name: row.get(name) for name in schema.names}], schema=schema)


def test_a_run_fails_until_a_new_part_meets_the_contract(tmp_path, engine):
    root = tmp_path / "data"
    parts = parts_of(root / "warehouse", "good", "new", rows=2)
    (root / "warehouse").mkdir(parents=True)
    write_items(parts, "good", item_rows())
    write_items(parts, "new", item_rows(duplicate_count=-1))
    for _ in range(2):
        result = checked(parts, engine, root)
        assert (result.passed, result.description) == (False, "duplicate_count below 0: 1 rows")
    write_items(parts, "new", item_rows())
    assert checked(parts, engine, root).description == "every row meets the contract; checked: all 2 parts"
    # Parts never change; one that did is found by a requested run and by the weekly check.
    write_items(parts, "good", item_rows(duplicate_count=-1))
    assert checked(parts, engine, root).passed
    assert not checked(parts, engine, root, force=True).passed
    assert not checked(TableParts(parts.folder, parts.names, rows=0, file=parts.file), engine, root).passed
