"""Prune deletes what is old, except what the UI and the snapshots need."""

import os
from datetime import UTC, datetime, timedelta

import dagster as dg

from amzseg_pipeline import read_latest
from amzseg_pipeline.definitions import defs
from amzseg_pipeline.storage.fs.disk_usage import disk_use_bytes
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.storage.landing.synthetic_exports import sales_csv

LONG_AFTER = datetime.now(UTC) + timedelta(days=400)


def prune(data_root, instance, now):
    config = {"resources": {"pipeline": {"config": {"root": str(data_root.root), "run_at": now.isoformat()}}}}
    return defs.resolve_job_def("prune").execute_in_process(run_config=config, instance=instance)


def plots_of(data_root, run_id):
    """A folder of plots as a run leaves it."""
    folder = data_root.artifacts / run_id
    folder.mkdir(parents=True)
    (folder / "plots.json").write_text("{}")
    return folder


def test_deletes_old_runs_except_those_the_ui_shows(tmp_path):
    data_root = scenario.data_root_with(tmp_path, export=sales_csv([{}] * 12))
    with scenario.quick_instance() as instance:
        job = defs.resolve_job_def("segment_users")
        config = {"root": str(data_root.root), "settings": dict(scenario.QUICK), "force": True}
        training = job.execute_in_process(run_config=config, instance=instance).run_id
        unneeded = scenario.run(data_root, instance=instance, force=True, only=["raw_reviews"]).run_id
        last = scenario.run(data_root, instance=instance, force=True).run_id
        prune(data_root, instance, datetime.now(UTC))
        assert {training, unneeded, last} <= {run.run_id for run in instance.get_runs()}
        pruned = prune(data_root, instance, LONG_AFTER)
        runs = {run.run_id for run in instance.get_runs(dg.RunsFilter(job_name="segment_users"))}
        assert runs == {training, last}
        outcome = instance.get_run_by_id(pruned.run_id).tags["amzseg/outcome"]
        assert outcome.startswith("deleted runs: 2, folders of plots: 0; disk use: landing 0.0 MB, ")
        latest = {
            name: instance.get_latest_materialization_event(dg.AssetKey(name)).run_id
            for name in ("algorithm_comparison", "published_segments")
        }
        assert latest == {"algorithm_comparison": training, "published_segments": last}


def test_keeps_plots_of_kept_snapshots_and_recent_runs(one_export):
    data_root, published = one_export, read_latest(one_export.root).run_id
    kept, gone, young = (plots_of(data_root, run_id) for run_id in (published, "0" * 36, "1" * 36))
    for folder in (kept, gone):
        os.utime(folder, (0, 0))
    with scenario.quick_instance() as instance:
        assert prune(data_root, instance, datetime.now(UTC)).success
    assert (kept.exists(), gone.exists(), young.exists()) == (True, False, True)


def test_disk_use_counts_every_directory(tmp_path):
    data_root = scenario.data_root_with(tmp_path, export=b"12345")
    assert disk_use_bytes(data_root) | {"free": 0} == {
        "landing": 5,
        "warehouse": 0,
        "artifacts": 0,
        "published": 0,
        "dagster": 0,
        "free": 0,
    }
