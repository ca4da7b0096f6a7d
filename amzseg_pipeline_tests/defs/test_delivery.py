"""The optional asset delivered_segments: after publishing, after a failure, and alone."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from amzseg_pipeline.definitions import defs as published_defs
from amzseg_pipeline.defs.assets.delivery import delivered_segments
from amzseg_pipeline.storage.serving.delivery import URL_VARIABLE, delivered_name, delivery_url
from amzseg_pipeline.storage.snapshots import read_latest
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.defs.runs import deliver, evaluated_schedule, schedule_result, skip_reason
from amzseg_pipeline_tests.reliability.processes import PROJECT, environment


@pytest.fixture
def database(tmp_path_factory, monkeypatch):
    """The file of a DuckDB database that AMZSEG_DELIVER_URL names."""
    path = tmp_path_factory.mktemp("database") / "segments.duckdb"
    monkeypatch.setenv(URL_VARIABLE, f"duckdb:///{path}")
    return path


def delivering_run(data_root, **config):
    """The result of a run with the definitions as they are where a database is named."""
    job = dg.Definitions.merge(scenario.defs, dg.Definitions(assets=[delivered_segments])).resolve_job_def(
        "segment_users"
    )
    only = [dg.AssetKey("delivered_segments")] if config.pop("only", False) else None
    run_config = {"root": str(data_root.root), "settings": dict(scenario.QUICK), **config}
    with scenario.quick_instance() as instance:
        result = job.execute_in_process(
            run_config=run_config, instance=instance, asset_selection=only, raise_on_error=False
        )
        return result, instance.get_run_by_id(result.run_id).tags


def test_asset_is_hidden_without_a_database():
    assert dg.AssetKey("delivered_segments") not in published_defs.resolve_asset_graph().get_all_asset_keys()


def test_failed_delivery_unpublishes_nothing_and_the_next_run_delivers(one_export, database):
    with duckdb.connect(database) as others:
        others.execute("CREATE TABLE orders (id BIGINT)")
    result, _ = delivering_run(one_export, force=True)
    assert not result.success
    assert "tables of others (orders)" in scenario.failure(result)
    assert read_latest(one_export.root).sequence == 2

    database.unlink()
    requested = evaluated_schedule(one_export)
    assert requested.tags["amzseg/changes"] == "snapshot 2 is not delivered yet"
    assert requested.asset_selection == [dg.AssetKey("delivered_segments")]
    result, tags = delivering_run(one_export, only=True)
    assert result.success
    assert tags["amzseg/outcome"] == f"delivered snapshot 2 to duckdb:///{database}"
    assert read_latest(one_export.root).sequence == 2
    assert delivered_name(delivery_url()) == read_latest(one_export.root).path.name
    assert "nothing changed since snapshot 2" in skip_reason(one_export)


@pytest.mark.usefixtures("database")
def test_a_missed_delivery_does_not_wait_for_exports(one_export):
    for export in one_export.landing.iterdir():
        export.unlink()
    assert evaluated_schedule(one_export).asset_selection == [dg.AssetKey("delivered_segments")]


@pytest.mark.usefixtures("database")
def test_a_missed_delivery_does_not_wait_for_a_refused_export(one_export):
    deliver(one_export, broken=b"nonsense\n")
    delivery, complete = schedule_result(one_export)
    assert delivery.asset_selection == [dg.AssetKey("delivered_segments")]
    assert delivery.tags["amzseg/changes"] == "snapshot 1 is not delivered yet"
    assert (complete.asset_selection, "broken.csv" in complete.tags["amzseg/changes"]) == (None, True)


def test_delivery_follows_publishing():
    graph = dg.Definitions.merge(scenario.defs, dg.Definitions(assets=[delivered_segments])).resolve_asset_graph()
    parents = graph.get(delivered_segments.key).parent_keys
    assert parents == {dg.AssetKey("published_segments")}


def test_unreachable_database_starts_a_run_whose_failure_is_reported(one_export, monkeypatch):
    monkeypatch.setenv(URL_VARIABLE, "postgresql://me:secret@127.0.0.1:1/x")
    requested = evaluated_schedule(one_export)
    assert requested.tags["amzseg/changes"].startswith("it is unknown which snapshot is delivered")
    result, tags = delivering_run(one_export, only=True)
    assert not result.success
    assert "secret" not in scenario.failure(result) + str(tags)


@pytest.mark.slow
def test_amzseg_run_delivers_what_is_published_already(one_export, tmp_path_factory):
    path = tmp_path_factory.mktemp("database") / "segments.duckdb"
    command = [sys.executable, "-m", "amzseg_pipeline", "run"]
    variables = environment(one_export, **{URL_VARIABLE: f"duckdb:///{path}"})
    run = subprocess.run(command, env=variables, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "Nothing changed since snapshot 1" in run.stdout
    assert "delivered_segments" in run.stdout
    assert Path(path).exists()
