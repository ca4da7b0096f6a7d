"""The run that published the latest snapshot: its snapshot, its model, and the state it carries over.

The latest snapshot is the only state of the pipeline.
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
    """The latest snapshot, its model (the champion) and its promotion state; empty before the first run.

    `first_segment_number` is the number of the first segment of a run without a champion: it is above the numbers that
    a sample model used, whose ids are never given to segments of real users.
    """

    snapshot: Snapshot | None = None
    champion: Model | None = None
    promotion_state: PromotionState = field(default_factory=PromotionState)
    first_segment_number: int = 1

    def table(self, table: Table) -> Path | None:
        """The file of a table, checked against its hash; None before the first run."""
        if self.snapshot is None:
            return None
        self.snapshot.verify(f"{table.name}.parquet")
        return self.snapshot.table_path(table.name)


def previous_run(data_root: DataRoot) -> PreviousRun:
    """The run that published the latest snapshot.

    It has no snapshot and no champion if the latest snapshot has sample data only and this run reads real exports.
    After a rollback, segment ids of the snapshot rolled back from are not reused, and if its model was another one, the
    next promotion needs approval. Raises SnapshotError and ModelError where the snapshot is damaged.
    """
    if not has_snapshot(data_root.root):
        return PreviousRun()
    snapshot = read_latest(data_root.root, verify=False)
    snapshot.verify(MODEL_FILE, RUN_FILE)
    champion, promotion_state = _champion(snapshot), _promotion_state(snapshot)
    pointer = pointer_of(data_root.published)
    if pointer is not None and pointer.rolled_back_from is not None:
        champion, promotion_state = _after_rollback(data_root.published, pointer, snapshot, champion, promotion_state)
    if _only_samples(snapshot.inputs) and not _only_samples(_inputs_of_this_run(data_root)):
        return PreviousRun(first_segment_number=next_segment_number(champion))
    return PreviousRun(snapshot, champion, promotion_state)


def _inputs_of_this_run(data_root: DataRoot) -> list[Mapping[str, Any]]:
    """The batches in the index of raw_reviews; empty before the first run and without a warehouse."""
    path = document_path(data_root.warehouse, RAW_REVIEWS.name)
    if not path.exists():
        return []
    return [batch.identity for batch in read_document(path, raw_reviews_from_document).batches]


def _only_samples(inputs: Iterable[Mapping[str, Any]]) -> bool:
    return all(is_sample(batch["path"]) for batch in inputs)


def _after_rollback(
    published: Path, pointer: Pointer, snapshot: Snapshot, champion: Model, promotion_state: PromotionState
) -> tuple[Model, PromotionState]:
    """The champion with segment numbers above all used so far, and the promotion state that may require approval."""
    try:
        abandoned = _champion(snapshot_at(published, pointer_to(published, pointer.rolled_back_from or 0)))
    except (SnapshotError, ModelError):
        abandoned = None  # it has expired, or its damage was the reason for the rollback
    if abandoned is not None:
        number = max(next_segment_number(champion), next_segment_number(abandoned))
        champion = replace(champion, next_segment_number=number)
    if abandoned is None or abandoned.version != champion.version:
        reason = f"rolled back from snapshot {pointer.rolled_back_from} to {snapshot.sequence}"
        promotion_state = replace(promotion_state, approval_needed=f"{reason}: the next model needs approval")
    return champion, promotion_state


def _champion(snapshot: Snapshot) -> Model:
    return model_from_document(snapshot.model_document(), location=str(snapshot.path / MODEL_FILE))


def _promotion_state(snapshot: Snapshot) -> PromotionState:
    location = f"{snapshot.path / RUN_FILE}: {PROMOTION_STATE_KEY}"
    return from_document(snapshot.run().get(PROMOTION_STATE_KEY), PromotionState, location=location)
