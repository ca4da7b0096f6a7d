"""The job publishes the same on Spark as on DuckDB."""

from datetime import UTC, datetime

import pytest

from amzseg_pipeline import read_latest
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.storage.engines.engine_types import NEEDS_SPARK
from amzseg_pipeline_tests.storage.landing.exports import sales_csv

NOW = datetime(2026, 6, 1, tzinfo=UTC)
EXPORT = sales_csv([{"user_id": f"U{n},U{n + 1}", "review_id": f"R{n},R{n + 500}"} for n in range(40)])


@NEEDS_SPARK
@pytest.mark.timeout(600)
def test_spark_publishes_the_same_tables_as_duckdb(tmp_path):
    snapshots = {}
    for engine in ("duckdb", "spark"):
        data_root = scenario.data_root_with(tmp_path / engine, export=EXPORT)
        limits = {"engine": engine, "threads": 2, "memory_limit_mib": 1_000, "plots": "off"}
        result = scenario.run(data_root, settings={**scenario.QUICK, **limits}, now=NOW)
        assert result.success, scenario.failure(result)
        snapshots[engine] = read_latest(data_root.root)
    for table in ("segment_assignments", "segment_profiles"):
        ours, theirs = (snapshots[engine].table_path(table).read_bytes() for engine in ("duckdb", "spark"))
        assert ours == theirs
