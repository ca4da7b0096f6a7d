import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from amzseg_pipeline.contracts.errors import SnapshotError
from amzseg_pipeline.contracts.history import SEGMENT_HISTORY
from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.promotion import PendingModel, PromotionReport, PromotionState
from amzseg_pipeline.contracts.publish import MODEL_EXPORT_FILE, MODEL_FILE, RUN_FILE
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.run_document import PROMOTION_STATE_KEY
from amzseg_pipeline.steps.segments import document, model_document
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.landing import Batch, RawReviews, raw_reviews_document
from amzseg_pipeline.storage.landing.formats.detection import FORMATS
from amzseg_pipeline.storage.previous_run import PreviousRun, previous_run
from amzseg_pipeline.storage.snapshots import publish, read_latest, repoint
from amzseg_pipeline_tests.steps.segments.users import untrained_model
from amzseg_pipeline_tests.storage.snapshots.runs import provenance_of, segment_assignments, small_tables

FIRST = replace(untrained_model(3), next_segment_number=4)
SECOND = replace(untrained_model(2), next_segment_number=9)


def publish_model(
    data_root: DataRoot,
    run_day: int,
    model: Model,
    promotion_state: PromotionState | None = None,
    *,
    export: str = "amazon.csv",
) -> None:
    """Publishes a run with this model and promotion state."""
    run = {PROMOTION_STATE_KEY: document(promotion_state or PromotionState())}
    publish(
        data_root.published,
        replace(provenance_of(run_day), inputs=({"path": export},)),
        tables={SEGMENT_ASSIGNMENTS: segment_assignments(run_day, users=3).to_batches(), **small_tables(run_day)},
        files={
            RUN_FILE: json.dumps(run).encode(),
            MODEL_FILE: json.dumps(model_document(model)).encode(),
            MODEL_EXPORT_FILE: b"",
        },
        settings=Settings(),
    )


@pytest.fixture
def data_root(tmp_path: Path) -> DataRoot:
    return DataRoot(tmp_path)


def test_no_champion_before_the_first_run(data_root: DataRoot) -> None:
    found = previous_run(data_root)
    assert found == PreviousRun()
    assert found.table(SEGMENT_ASSIGNMENTS) is None


def test_returns_model_promotion_state_and_tables(data_root: DataRoot) -> None:
    pending = PendingModel(SECOND, PromotionReport("HOLD", "moved_share", FIRST.version, SECOND.version, ()))
    promotion_state = PromotionState(pending, "2026-01-01T02:00:00+00:00", "abc", "rolled back")
    publish_model(data_root, 1, FIRST, promotion_state)
    found = previous_run(data_root)
    assert (found.champion, found.promotion_state) == (FIRST, promotion_state)
    assert found.table(SEGMENT_HISTORY).name == "segment_history.parquet"


@pytest.mark.parametrize("name", ["model.json", "run.json"])
def test_detects_a_damaged_document(data_root: DataRoot, name: str) -> None:
    publish_model(data_root, 1, FIRST)
    path = read_latest(data_root.root).path / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(SnapshotError, match=name):
        previous_run(data_root)


def test_detects_a_damaged_table_when_it_is_read(data_root: DataRoot) -> None:
    publish_model(data_root, 1, FIRST)
    path = read_latest(data_root.root).table_path("segment_assignments")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    found = previous_run(data_root)
    with pytest.raises(SnapshotError, match=r"segment_assignments\.parquet"):
        found.table(SEGMENT_ASSIGNMENTS)


def test_a_rollback_between_models_requires_approval(data_root: DataRoot) -> None:
    publish_model(data_root, 1, FIRST)
    publish_model(data_root, 2, SECOND)
    repoint(data_root.published, 1)
    found = previous_run(data_root)
    assert replace(found.champion, next_segment_number=4) == FIRST
    assert found.champion.next_segment_number == 9
    assert found.promotion_state.approval_needed.startswith("rolled back from snapshot 2 to 1")
    repoint(data_root.published, 2)
    assert previous_run(data_root).promotion_state.approval_needed == ""


def test_a_rollback_within_a_model_needs_no_approval(data_root: DataRoot) -> None:
    publish_model(data_root, 1, FIRST)
    publish_model(data_root, 2, replace(FIRST, next_segment_number=7))
    repoint(data_root.published, 1)
    assert previous_run(data_root).promotion_state.approval_needed == ""
    assert previous_run(data_root).champion.next_segment_number == 7


def test_a_rollback_from_a_missing_snapshot_requires_approval(data_root: DataRoot) -> None:
    publish_model(data_root, 1, FIRST)
    publish_model(data_root, 2, FIRST)
    given_up = read_latest(data_root.root).path
    repoint(data_root.published, 1)
    shutil.rmtree(given_up)
    assert previous_run(data_root).promotion_state.approval_needed


def test_the_run_after_a_rollback_resets_the_pointer(data_root: DataRoot) -> None:
    publish_model(data_root, 1, FIRST)
    publish_model(data_root, 2, SECOND)
    repoint(data_root.published, 1)
    publish_model(data_root, 3, FIRST, PromotionState(approval_needed="asked"))
    assert read_latest(data_root.root).sequence == 3
    assert previous_run(data_root).promotion_state.approval_needed == "asked"


def test_the_pointer_records_the_rollback_until_the_next_run(data_root: DataRoot) -> None:
    for run_day in (1, 2, 3):
        publish_model(data_root, run_day, FIRST)
    pointer = data_root.published / "LATEST.json"
    assert "rolled_back_from" not in json.loads(pointer.read_bytes())
    repoint(data_root.published, 2)
    repoint(data_root.published, 1)
    assert json.loads(pointer.read_bytes())["rolled_back_from"] == 3
    publish_model(data_root, 4, FIRST)
    assert "rolled_back_from" not in json.loads(pointer.read_bytes())


@pytest.mark.parametrize("value", ["2", 1, 0, True, 1.5])
def test_rejects_an_invalid_rolled_back_from(data_root: DataRoot, value: object) -> None:
    publish_model(data_root, 1, FIRST)
    pointer = data_root.published / "LATEST.json"
    pointer.write_text(json.dumps({**json.loads(pointer.read_bytes()), "rolled_back_from": value}))
    with pytest.raises(SnapshotError, match=r"LATEST\.json: this is not a pointer"):
        read_latest(data_root.root)


def read_exports(data_root: DataRoot, *paths: str) -> None:
    """Writes the index of raw_reviews, as a run does that reads these exports."""
    batches = tuple(
        Batch(path, (), 1, 1, "0" * 64, FORMATS[0].name, 1, 1, 0, None, Path(f"part-{n}"))
        for n, path in enumerate(paths)
    )
    data_root.warehouse.mkdir(exist_ok=True)
    index = data_root.warehouse / "raw_reviews.json"
    index.write_text(json.dumps(raw_reviews_document(RawReviews(batches, (), ()))))


def test_a_sample_is_not_compared_with_real_exports_and_its_ids_are_not_reused(data_root: DataRoot) -> None:
    publish_model(data_root, 1, FIRST, export="sample_amazon.csv")
    read_exports(data_root, "sample_amazon.csv")
    assert previous_run(data_root).champion == FIRST
    read_exports(data_root, "mine.csv")
    assert previous_run(data_root) == PreviousRun(first_segment_number=4)
    publish_model(data_root, 2, SECOND)
    repoint(data_root.published, 1)
    assert previous_run(data_root) == PreviousRun(first_segment_number=9)
