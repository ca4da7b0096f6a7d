"""The last published night as tonight's run needs it: its model, the champion, and what it wanted remembered.

Nothing is decided here and nothing is written; the last published snapshot is the only state there is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from amzseg_pipeline.contracts.errors import ModelError, SnapshotError
from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.promotion import PromotionState
from amzseg_pipeline.contracts.publish import MODEL_FILE, RUN_FILE
from amzseg_pipeline.contracts.reviews import RAW_REVIEWS
from amzseg_pipeline.contracts.schema import Table
from amzseg_pipeline.steps.run_document import PROMOTION_STATE_KEY
from amzseg_pipeline.steps.segments import from_document, model_from_document, next_segment_number
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.landing import is_sample, raw_reviews_from_document
from amzseg_pipeline.storage.snapshots import Snapshot, has_snapshot, read_latest
from amzseg_pipeline.storage.snapshots.layout import Pointer, pointer_of
from amzseg_pipeline.storage.snapshots.snapshot import pointer_to, snapshot_at
from amzseg_pipeline.storage.warehouse.catalog import document_path, read_document


@dataclass(frozen=True)
class PreviousRun:
    """The previous snapshot, its model (the champion) and its promotion state; before the first run there is none."""

    snapshot: Snapshot | None = None
    champion: Model | None = None
    promotion_state: PromotionState = field(default_factory=PromotionState)

    def table(self, table: Table) -> Path | None:
        """The file of a table, its hash checked; None where there is no snapshot, or it has no such table yet."""
        file_name = f"{table.name}.parquet"
        if self.snapshot is None or not self.snapshot.holds(file_name):
            return None
        self.snapshot.verify(file_name)
        return self.snapshot.table_path(table.name)


def previous_run(data_root: DataRoot) -> PreviousRun:
    """The night that published the latest snapshot.

    A snapshot of samples alone is no night before one of real exports: it showed what the pipeline does, and its model
    is no champion of anybody's users. After a rollback ids of segments that only the snapshot given up had are not
    given again, and where it had another model, a person is asked before the next promotion. Raises SnapshotError and
    ModelError where it is damaged.
    """
    if not has_snapshot(data_root.root):
        return PreviousRun()
    snapshot = read_latest(data_root.root, verify=False)
    if _of_samples(snapshot.inputs) and not _of_samples(_inputs_tonight(data_root)):
        return PreviousRun()
    snapshot.verify(MODEL_FILE, RUN_FILE)
    champion, promotion_state = _champion(snapshot), _promotion_state(snapshot)
    pointer = pointer_of(data_root.published)
    if pointer is not None and pointer.rolled_back_from is not None:
        champion, promotion_state = _after_rollback(data_root.published, pointer, snapshot, champion, promotion_state)
    return PreviousRun(snapshot, champion, promotion_state)


def _inputs_tonight(data_root: DataRoot) -> list[Mapping[str, Any]]:
    """The batches that raw_reviews read last; empty before the first run, and once the warehouse was deleted."""
    path = document_path(data_root.warehouse, RAW_REVIEWS.name)
    if not path.exists():
        return []
    return [batch.identity for batch in read_document(path, raw_reviews_from_document).batches]


def _of_samples(inputs: Iterable[Mapping[str, Any]]) -> bool:
    return all(is_sample(batch["path"]) for batch in inputs)


def _after_rollback(
    published: Path, pointer: Pointer, snapshot: Snapshot, champion: Model, promotion_state: PromotionState
) -> tuple[Model, PromotionState]:
    try:
        given_up = snapshot_at(published, pointer_to(published, pointer.rolled_back_from or 0))
        abandoned = _champion(given_up)
    except (SnapshotError, ModelError):
        # It may be gone, or be the very damage that was fled from: then a person is asked, and ids go on from here.
        abandoned = None
    if abandoned is not None:
        number = max(next_segment_number(champion), next_segment_number(abandoned))
        champion = replace(champion, next_segment_number=number)
    if abandoned is None or abandoned.version != champion.version:
        promise = f"somebody went back from snapshot {pointer.rolled_back_from} to {snapshot.sequence}"
        promotion_state = replace(promotion_state, approval_needed=f"{promise}: a person has to approve the next model")
    return champion, promotion_state


def _champion(snapshot: Snapshot) -> Model:
    return model_from_document(snapshot.model_document(), location=str(snapshot.path / MODEL_FILE))


def _promotion_state(snapshot: Snapshot) -> PromotionState:
    location = f"{snapshot.path / RUN_FILE}: {PROMOTION_STATE_KEY}"
    return from_document(snapshot.run().get(PROMOTION_STATE_KEY), PromotionState, location=location)
