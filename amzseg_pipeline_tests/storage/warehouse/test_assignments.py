"""Scoring by parts: previous segments are found whatever the number of buckets."""

from pathlib import Path
from typing import Any

import pytest

from amzseg_pipeline.storage.warehouse import assignments
from amzseg_pipeline_tests.workers.builds import parquet, tables_of


def test_previous_segments_do_not_depend_on_buckets(tmp_path: Path) -> None:
    scored = tables_of(tmp_path / "first")["segment_assignments"]
    previous = tmp_path / "previous.parquet"
    previous.write_bytes(parquet(scored.slice(10)))
    one, four = (
        tables_of(tmp_path / str(rows), bucket_rows=rows, previous=previous)["segment_assignments"]
        for rows in (10_000, 150)
    )
    assert four.equals(one)
    assert four["previous_segment_id"].to_pylist() == [None] * 10 + scored["segment_id"].to_pylist()[10:]
    assert not list((tmp_path / "150/warehouse").glob("previous*"))
    assert len(list((tmp_path / "150/warehouse/segment_assignments").iterdir())) == 4


def test_a_failed_task_leaves_no_copy_of_previous_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    previous = tmp_path / "previous.parquet"
    previous.write_bytes(parquet(tables_of(tmp_path)["segment_assignments"]))
    copies = []

    def refuse(*_: Any, **__: Any) -> None:
        copies.extend((tmp_path / "warehouse").glob("previous*"))
        raise RuntimeError("full")

    monkeypatch.setattr(assignments, "write_frames", refuse)
    with pytest.raises(RuntimeError, match="full"):
        tables_of(tmp_path, previous=previous, has_exports=False)
    assert copies
    assert not list((tmp_path / "warehouse").glob("previous*"))
