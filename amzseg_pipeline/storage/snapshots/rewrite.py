"""Removes users from kept snapshots: each is replaced by a new revision, a new snapshot without their rows.

Only rows are removed: counts, plots and decisions of the run stay as they were. The manifest counts the users removed.
"""

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from amzseg_pipeline.contracts.publish import MANIFEST_FILE
from amzseg_pipeline.storage.fs.atomic_writes import sha256_of, sync
from amzseg_pipeline.storage.fs.object_store import footer, parquet_file
from amzseg_pipeline.storage.snapshots.backends import Backend, publishing
from amzseg_pipeline.storage.snapshots.layout import Pointer, SnapshotName, pointer_of, snapshot_names
from amzseg_pipeline.storage.snapshots.snapshot import Snapshot, pointer_to, snapshot_at

ERASED_USERS_KEY = "erased_users"
"""The key of the manifest with the number of users that were erased from the snapshot."""

_USER_COLUMN = "user_id"


@dataclass(frozen=True)
class ErasedSnapshot:
    """A snapshot that was replaced by its next revision, and the number of users that this one has no more."""

    sequence: int
    revision: int
    users: int


def erase_users(published: Path, ids_in: Callable[[Snapshot], Collection[str]]) -> tuple[ErasedSnapshot, ...]:
    """Replaces every snapshot that has a user whose id is in `ids_in(snapshot)` by a revision without that user.

    A revision is a new folder with the same sequence; the folder before is removed, after the pointer moved if it was
    the latest. Readers see one or the other, complete. If the process is killed, the next one that publishes or erases
    completes it. Raises SnapshotError where a snapshot is damaged or of an unknown contract.
    """
    erased = []
    with publishing(published) as backend:
        latest = pointer_of(published)
        for name in snapshot_names(published):
            snapshot = snapshot_at(published, pointer_to(published, name.sequence))
            ids = pa.array(sorted(ids_in(snapshot)), pa.string())
            if _contains(snapshot, ids):
                snapshot.verify()
                erased.append(_revise(backend, snapshot, name, ids=ids, latest=latest))
    return tuple(erased)


def _revise(
    backend: Backend, snapshot: Snapshot, name: SnapshotName, *, ids: pa.Array, latest: Pointer | None
) -> ErasedSnapshot:
    revision = replace(name, revision=name.revision + 1)
    draft = backend.staging / str(revision)
    users = _write_without(ids, snapshot, draft, revision=revision.revision)
    sha256 = sha256_of(draft / MANIFEST_FILE)
    backend.add(draft)
    if latest is not None and latest.name == name:
        backend.move_pointer(replace(latest, name=revision, sha256=sha256))
    backend.remove(snapshot.path)
    return ErasedSnapshot(name.sequence, revision.revision, users)


def _write_without(ids: pa.Array, snapshot: Snapshot, draft: Path, *, revision: int) -> int:
    """Writes the snapshot's files without these users to the new folder `draft`; returns the number of users."""
    draft.mkdir()
    manifest = json.loads(json.dumps(snapshot.manifest))
    erased = 0
    for resource in manifest["resources"]:
        source, target = snapshot.path / resource["path"], draft / resource["path"]
        if _has_user_column(source):
            rows = _copy_without(ids, source, target)
            erased += resource["rows"] - rows
            resource |= {"rows": rows, "bytes": target.stat().st_size, "hash": f"sha256:{sha256_of(target)}"}
        else:
            target.write_bytes(source.read_bytes())
        sync(target)
    manifest |= {"revision": revision, ERASED_USERS_KEY: manifest.get(ERASED_USERS_KEY, 0) + erased}
    path = draft / MANIFEST_FILE
    path.write_text(json.dumps(manifest, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    sync(path)
    sync(draft)
    return erased


def _copy_without(ids: pa.Array, source: Path, target: Path) -> int:
    """Copies a table of users, row group by row group, and returns the number of rows copied."""
    rows = 0
    with parquet_file(source) as file:
        schema = file.schema_arrow
        with pq.ParquetWriter(
            target,
            schema,
            compression="zstd",
            use_dictionary=[name for name in schema.names if name != _USER_COLUMN],
            sorting_columns=pq.SortingColumn.from_ordering(schema, [(_USER_COLUMN, "ascending")]),
        ) as writer:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group)
                kept = table.filter(pc.invert(pc.is_in(table[_USER_COLUMN], value_set=ids)))
                writer.write_table(kept)
                rows += kept.num_rows
    return rows


def _contains(snapshot: Snapshot, ids: pa.Array) -> bool:
    paths = (snapshot.path / resource["path"] for resource in snapshot.manifest["resources"])
    return any(
        pc.any(pc.is_in(batch.column(0), value_set=ids), min_count=0).as_py()
        for path in paths
        if _has_user_column(path)
        for batch in _user_ids(path)
    )


def _has_user_column(path: Path) -> bool:
    return path.suffix == ".parquet" and _USER_COLUMN in footer(path).schema.names


def _user_ids(path: Path) -> Iterator[pa.RecordBatch]:
    with parquet_file(path) as file:
        yield from file.iter_batches(columns=[_USER_COLUMN])
