"""The published tables depend neither on the order of rows nor on how they are split into exports."""

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from amzseg_pipeline import Snapshot, read_latest
from amzseg_pipeline_tests import scenario

NOW = datetime(2026, 1, 1, 2, tzinfo=UTC)
HEAD, *ROWS = csv.reader(io.StringIO(scenario.SAMPLE.read_bytes().decode("utf-8"), newline=""))
TABLES = ("segment_assignments", "segment_profiles", "segment_migrations", "segment_history")


def export(rows: list[list[str]]) -> bytes:
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([HEAD, *rows])
    return stream.getvalue().encode()


def published(root: Path, **exports: bytes) -> Snapshot:
    data_root = scenario.data_root_with(root, **exports)
    result = scenario.run(data_root, now=NOW, settings={**scenario.QUICK, "transform": "log", "k_max": 3})
    assert result.success, scenario.failure(result)
    return read_latest(data_root.root)


def test_published_bytes_do_not_depend_on_row_order_or_file_split(tmp_path: Path) -> None:
    in_order = published(tmp_path / "in_order", a=export(ROWS))
    shuffled = [ROWS[i] for i in np.random.default_rng(2).permutation(len(ROWS))]
    snapshot = published(tmp_path / "other", a=export(shuffled[:300]), b=export(shuffled[200:]))
    assert snapshot.model_document() == in_order.model_document()
    for table in TABLES:
        assert snapshot.table_path(table).read_bytes() == in_order.table_path(table).read_bytes(), table
