"""What differs from the last published snapshot: the one question of schedule, sensor and run.

What counts as a difference stands in steps/changes.py. The snapshot is the only memory; the warehouse is a cache.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from amzseg_pipeline.contracts.publish import PUBLISHED_TABLES
from amzseg_pipeline.defs.code_versions import CODE_VERSION
from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.steps.changes import changes_since, unfinished_delivery
from amzseg_pipeline.storage import snapshots
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.parquet.tables import table_path


@dataclass(frozen=True)
class Comparison:
    """What differs, in words; and why to leave it for later all the same, empty where there is no reason to.

    `snapshot` is the sequence of the snapshot compared with, None where nothing is published; `known_batches` are the
    sha256 of the batches in it.
    """

    snapshot: int | None
    known_batches: frozenset[str]
    changes: tuple[str, ...]
    wait: str

    @property
    def reason_to_skip(self) -> str:
        """Why no run is needed; empty where one is."""
        return self.wait or ("" if self.changes else f"nothing changed since snapshot {self.snapshot}")

    @property
    def words(self) -> str:
        """The changes on one line."""
        return "; ".join(self.changes)


def comparison(
    pipeline: PipelineResource, *, batches: Mapping[str, str | None], settling: Collection[str]
) -> Comparison:
    """The landing zone, code and settings compared with the last snapshot; `batches` and `settling` as in steps."""
    data_root = pipeline.data_root
    manifest = snapshots.latest_manifest(data_root.published)
    if manifest is not None and not _warehouse_is_there(data_root):
        changes: tuple[str, ...] = (f"{data_root.warehouse} is gone or not whole, so it is built again",)
    elif manifest is None and _warehouse_is_there(data_root):
        changes = (
            f"{data_root.published} holds no snapshot though a run was here: it is lost, or the run did not publish",
        )
    else:
        changes = changes_since(
            manifest,
            batches=batches,
            code_version=CODE_VERSION,
            settings_hash=pipeline.values.result_hash,
            user_key_id=pipeline.user_key.id if pipeline.user_key else None,
        )
    return Comparison(
        snapshot=None if manifest is None else int(manifest["sequence"]),
        known_batches=frozenset(batch["sha256"] for batch in manifest["inputs"]) if manifest else frozenset(),
        changes=changes,
        wait=unfinished_delivery(manifest, batches=batches, settling=settling),
    )


def _warehouse_is_there(data_root: DataRoot) -> bool:
    ends = [data_root.warehouse / "raw_reviews.json"]
    ends += [table_path(data_root.warehouse, table.name) for table in PUBLISHED_TABLES]
    return all(path.exists() for path in ends)
