"""Users taken out of kept snapshots: the one thing for which a published snapshot is written again.

Only rows go: what a night counted, drew and decided stays as it was. The manifest tells how many users are missing.
"""

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from amzseg_pipeline.contracts.errors import SnapshotError
from amzseg_pipeline.contracts.publish import MANIFEST_FILE
from amzseg_pipeline.storage.fs.atomic_writes import sha256_of, sync
from amzseg_pipeline.storage.fs.object_store import footer, parquet_file
from amzseg_pipeline.storage.snapshots.backends import Place, sole_publisher
from amzseg_pipeline.storage.snapshots.layout import Pointer, pointer_of, snapshot_names
from amzseg_pipeline.storage.snapshots.snapshot import Snapshot, pointer_to, snapshot_at

ERASED_KEY = "erased_users"
"""Where the manifest counts the users that were erased from a snapshot after its night."""

_USER_COLUMN = "user_id"


@dataclass(frozen=True)
class ErasedSnapshot:
    """A snapshot that was written again as `sequence`: as it was, or a new number where it was the latest."""

    was: int
    sequence: int
    users: int


def erase_users(published: Path, ids_in: Callable[[Snapshot], Collection[str]]) -> tuple[ErasedSnapshot, ...]:
    """Writes every snapshot again that holds a user whose id is in `ids_in(snapshot)`, without that user.

    Readers see the old or the new files of the latest, whole, at any time: it gets a new number, the pointer moves, and
    the old folder goes. Others keep their number. If the process is killed, the next one ends or repeats what it began.
    Raises SnapshotError where a snapshot is damaged, of an unknown contract, or one that readers were taken back to.
    """
    erased = []
    with sole_publisher(published) as place:
        latest = pointer_of(published)
        for name in snapshot_names(published):
            snapshot = snapshot_at(published, pointer_to(published, name.sequence))
            ids = pa.array(sorted(ids_in(snapshot)), pa.string())
            if not _holds(snapshot, ids):
                continue
            snapshot.verify()
            if latest is not None and latest.name == name:
                erased.append(_latest_erased(published, place, snapshot, latest, ids))
            else:
                users = _draft(place.staging / "draft", snapshot, ids, sequence=name.sequence)
                place.replace(snapshot.path, place.staging / "draft")
                erased.append(ErasedSnapshot(name.sequence, name.sequence, users))
    return tuple(erased)


def _latest_erased(published: Path, place: Place, snapshot: Snapshot, latest: Pointer, ids: pa.Array) -> ErasedSnapshot:
    if latest.rolled_back_from is not None:
        raise SnapshotError(
            f"{snapshot.path}: readers were taken back to this snapshot and the next night must still learn of it; "
            "run the pipeline first, then forget again."
        )
    sequence = max(name.sequence for name in snapshot_names(published)) + 1
    name = replace(latest.name, sequence=sequence)
    draft = place.staging / str(name)
    users = _draft(draft, snapshot, ids, sequence=sequence)
    pointer = Pointer(name, latest.run_id, sha256_of(draft / MANIFEST_FILE))
    place.show(draft)
    place.move_pointer(pointer)
    place.take_away(snapshot.path)
    return ErasedSnapshot(latest.name.sequence, sequence, users)


def _draft(draft: Path, snapshot: Snapshot, ids: pa.Array, *, sequence: int) -> int:
    """Writes the snapshot's files without these users to the new folder `draft`; returns how many users went."""
    draft.mkdir()
    manifest = json.loads(json.dumps(snapshot.manifest))
    erased = 0
    for resource in manifest["resources"]:
        source, target = snapshot.path / resource["path"], draft / resource["path"]
        if _has_users(source):
            rows = _copied_without(ids, source, target)
            erased += resource["rows"] - rows
            resource |= {"rows": rows, "bytes": target.stat().st_size, "hash": f"sha256:{sha256_of(target)}"}
        else:
            target.write_bytes(source.read_bytes())
        sync(target)
    manifest |= {"sequence": sequence, ERASED_KEY: manifest.get(ERASED_KEY, 0) + erased}
    path = draft / MANIFEST_FILE
    path.write_text(json.dumps(manifest, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    sync(path)
    sync(draft)
    return erased


def _copied_without(ids: pa.Array, source: Path, target: Path) -> int:
    """Copies a table of users, row group by row group, and returns the rows that stayed."""
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
                kept = _without(ids, file.read_row_group(group))
                writer.write_table(kept)
                rows += kept.num_rows
    return rows


def _without(ids: pa.Array, table: pa.Table) -> pa.Table:
    return table.filter(pc.invert(pc.is_in(table[_USER_COLUMN], value_set=ids)))


def _holds(snapshot: Snapshot, ids: pa.Array) -> bool:
    return any(
        pc.any(pc.is_in(batch.column(0), value_set=ids), min_count=0).as_py()
        for path in _tables_of_users(snapshot)
        for batch in _batches_of_ids(path)
    )


def _tables_of_users(snapshot: Snapshot) -> Iterator[Path]:
    paths = (snapshot.path / resource["path"] for resource in snapshot.manifest["resources"])
    return (path for path in paths if _has_users(path))


def _has_users(path: Path) -> bool:
    return path.suffix == ".parquet" and _USER_COLUMN in footer(path).schema.names


def _batches_of_ids(path: Path) -> Iterator[pa.RecordBatch]:
    with parquet_file(path) as file:
        yield from file.iter_batches(columns=[_USER_COLUMN])
