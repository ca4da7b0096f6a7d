"""Runs on real files: no work twice, no partial snapshot, no lost export."""

import shutil
import threading
import time

from amzseg_pipeline import has_snapshot, read_latest
from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.defs.runs import EXPORT, MORE, OTHER, changes, deliver, skip_reason
from amzseg_pipeline_tests.storage.landing.synthetic_exports import sales_csv

SKIP = {**scenario.QUICK, "on_refused_file": "skip"}


def inputs(data_root):
    """The paths of the batches in the latest snapshot."""
    return [batch["path"] for batch in read_latest(data_root.root).inputs]


def features(data_root):
    """The features and the segment of every user in the latest snapshot."""
    users = read_latest(data_root.root).segment_assignments().set_index("user_id")
    return users[["segment_id", *FEATURES]]


def state_of(folder):
    """Every file below the folder with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def failed_checks(result):
    return [check.check_name for check in result.get_asset_check_evaluations() if not check.passed]


def test_run_without_changes_materializes_and_checks_nothing(one_export):
    snapshots, warehouse = state_of(one_export.published), state_of(one_export.warehouse)
    with scenario.quick_instance() as instance:
        result = scenario.run(one_export, instance=instance)
        tags = instance.get_run_by_id(result.run_id).tags
    assert result.success
    assert scenario.materialised(result) == set()
    assert result.get_asset_check_evaluations() == []
    assert state_of(one_export.published) == snapshots
    assert state_of(one_export.warehouse) == warehouse
    assert tags["amzseg/outcome"] == "nothing changed since snapshot 1"
    assert skip_reason(one_export) == "nothing changed since snapshot 1"  # without any history of runs
    skipped = {event.step_key for event in result.all_events if event.is_step_skipped}
    assert skipped == {event.step_key for event in result.all_events if event.step_key} - {"raw_reviews"}


def test_removed_export_is_removed_and_a_restored_one_returns(data_root):
    before = features(data_root)
    (data_root.landing / "other.csv").unlink()
    scenario.run(data_root, skip_settling=True)
    assert inputs(data_root) == ["export.csv"]
    assert not set("ABCD") & set(features(data_root).index)
    deliver(data_root, other=OTHER)
    scenario.run(data_root, skip_settling=True)
    assert features(data_root).equals(before)


def test_scheduled_run_skips_settling_file_and_manual_run_reads_it(one_export):
    deliver(one_export, more=MORE)
    deliver(one_export, young=OTHER, age_seconds=5)
    scenario.run(one_export, skip_settling=True)
    assert inputs(one_export) == ["export.csv", "more.csv"]
    assert [file["path"] for file in read_latest(one_export.root).run()["skipped"]] == ["young.csv"]
    [raw] = scenario.run(one_export, only=["raw_reviews"]).asset_materializations_for_node("raw_reviews")
    assert (raw.metadata["files_read"].value, raw.metadata["files_new"].value) == (3, 1)


def test_run_waits_while_a_file_is_being_replaced(data_root):
    deliver(data_root, other=OTHER.replace(b"A,C", b"A,E"), age_seconds=5)
    assert scenario.materialised(scenario.run(data_root, skip_settling=True)) == set()
    assert inputs(data_root) == ["export.csv", "other.csv"]


def test_file_that_arrives_during_a_run_is_in_the_next_one(tmp_path):
    data_root = deliver(DataRoot(tmp_path), export=EXPORT)
    read = data_root.warehouse / "raw_reviews.json"

    def arrive():
        while not read.exists():
            time.sleep(0.005)
        deliver(data_root, more=MORE)

    sender = threading.Thread(target=arrive)
    sender.start()
    assert scenario.run(data_root, skip_settling=True).success
    sender.join()
    assert inputs(data_root) == ["export.csv"]
    assert changes(data_root) == "new: more.csv"


def test_schedule_retries_failed_run_without_new_data(one_export):
    deliver(one_export, broken=b"nonsense\n")
    for _ in range(2):
        assert changes(one_export) == "new: broken.csv"
        assert not scenario.run(one_export, skip_settling=True).success
    deliver(one_export, broken=MORE)
    assert scenario.run(one_export, skip_settling=True).success
    assert inputs(one_export) == ["broken.csv", "export.csv"]


def test_skipped_refused_file_is_read_once_it_is_fixed(one_export):
    deliver(one_export, more=MORE)
    scenario.run(one_export, settings=SKIP, skip_settling=True)
    deliver(one_export, broken=b"nonsense\n", odd=b"more nonsense\n")
    assert changes(one_export, on_refused_file="skip") == "new: broken.csv, odd.csv"
    assert scenario.materialised(scenario.run(one_export, settings=SKIP, skip_settling=True)) == set()
    refused = "refused and skipped: broken.csv, odd.csv"
    assert skip_reason(one_export, on_refused_file="skip") == f"nothing changed since snapshot 2; {refused}"
    deliver(one_export, broken=OTHER)
    assert changes(one_export, on_refused_file="skip") == "new: broken.csv"
    scenario.run(one_export, settings=SKIP, skip_settling=True)
    assert inputs(one_export) == ["broken.csv", "export.csv", "more.csv"]
    assert [file["path"] for file in read_latest(one_export.root).run()["refused"]] == ["odd.csv"]
    deliver(one_export, broken=b"nonsense\n")
    assert changes(one_export).endswith("; the settings differ")
    assert "broken.csv" in scenario.failure(scenario.run(one_export, skip_settling=True))


def test_rebuilds_lost_warehouse_without_force(one_export):
    before = features(one_export)
    shutil.rmtree(one_export.warehouse)
    assert scenario.run(one_export, skip_settling=True).success
    assert read_latest(one_export.root).sequence == 2
    assert features(one_export).equals(before)
    assert skip_reason(one_export) == "nothing changed since snapshot 2"


def test_rebuilds_lost_published_folder(one_export):
    first = read_latest(one_export.root)
    shutil.rmtree(one_export.published)
    assert scenario.run(one_export, skip_settling=True).success
    assert read_latest(one_export.root).manifest["inputs"] == first.manifest["inputs"]
    assert skip_reason(one_export) == "nothing changed since snapshot 1"


def test_fails_if_review_count_halves_or_doubles(one_export):
    deliver(one_export, much=sales_csv([{"user_id": f"N{n},M{n}", "review_id": f"Q{n},P{n}"} for n in range(13)]))
    result = scenario.run(one_export, skip_settling=True)
    assert failed_checks(result) == ["row_count_in_range"]
    assert "user_features" not in scenario.materialised(result)
    assert read_latest(one_export.root).sequence == 1
    assert changes(one_export) == "new: much.csv"
    [failed] = [check for check in result.get_asset_check_evaluations() if not check.passed]
    assert failed.description.startswith("50 cleaned reviews, 24 in the previous snapshot; accepted range 12 to 48")
    assert scenario.run(one_export, settings={**scenario.QUICK, "max_rows_share": 3}).success
    assert skip_reason(one_export) == "nothing changed since snapshot 2"
    (one_export.landing / "much.csv").unlink()
    assert failed_checks(scenario.run(one_export, skip_settling=True)) == ["row_count_in_range"]


def test_refuses_to_publish_tables_of_different_runs(one_export):
    deliver(one_export, export=EXPORT.replace("₹399".encode(), "₹299".encode()))
    reviews = ["raw_reviews", "cleaned_reviews", "rejected_reviews", "row_reconciliation"]
    assert scenario.run(one_export, only=reviews).success
    result = scenario.run(one_export, only=["published_segments"])
    assert not result.success
    assert "this run did not materialize " in scenario.failure(result)
    assert "segment_assignments, " in scenario.failure(result)
    assert "or materialize user_features+" in scenario.failure(result)
    assert set(read_latest(one_export.root).segment_assignments()["avg_spend"]) == {399.0}
    assert scenario.run(one_export).success
    assert set(read_latest(one_export.root).segment_assignments()["avg_spend"]) == {299.0}


def test_metadata_lists_new_skipped_and_published(data_root):
    deliver(data_root, more=MORE, more_again=MORE, **{"<b>[x](javascript:y)": b"nonsense\n"})
    with scenario.quick_instance() as instance:
        result = scenario.run(data_root, instance=instance, settings=SKIP, skip_settling=True)
        tags = instance.get_run_by_id(result.run_id).tags
    assert tags["amzseg/changes"] == "new: more.csv; the settings differ"
    assert tags["amzseg/outcome"] == "snapshot 2 published"
    metadata = {
        event.asset_key.to_user_string(): event.step_materialization_data.materialization.metadata
        for event in result.get_asset_materialization_events()
    }
    raw, published = metadata["raw_reviews"], metadata["published_segments"]
    names = ("files_read", "files_new", "files_refused", "files_skipped", "records")
    counts = {name: raw[name].value for name in names}
    files = {record.data["file"]: record.data for record in raw["files"].value.records}
    assert counts == {"files_read": 3, "files_new": 1, "files_refused": 1, "files_skipped": 1, "records": 17}
    assert {"file": "more.csv", "content": "new"}.items() <= files["more.csv"].items()
    assert files["export.csv"]["content"] == "unchanged"
    assert r"- \<b\>\[x\]\(javascript\:y\)\.csv\: it is CSV of no known format" in raw["refused"].value
    assert r"more\_again\.csv\: same content as more\.csv" in raw["skipped"].value
    assert published["snapshot"].value == 2
    assert published["row_reconciliation"].value == "34 raw rows = 34 cleaned + 0 duplicates + 0 rejected"
    assert published["rejected_share"].value == 0
    assert (published["files_refused"].value, published["files_skipped"].value) == (1, 1)
    assert published["snapshots_kept"].value == 2
    assert published["disk: landing MB"].value < published["disk: free MB"].value
    assert published["segments"].value.records[0].data["segment"] == "S0001"


def test_invalid_settings_fail_before_anything_is_written(tmp_path):
    data_root = deliver(DataRoot(tmp_path), export=EXPORT)
    (data_root.root / "settings.toml").write_text("sede = 3\n")
    result = scenario.run(data_root, skip_settling=True)
    assert not result.success
    assert not has_snapshot(data_root.root)
    assert not (data_root.warehouse / "raw_reviews.json").exists()
