"""Publishing: a complete snapshot appears under its name, then the pointer moves to it. And rollback."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from amzseg_pipeline.contracts.errors import SnapshotError
from amzseg_pipeline.contracts.publish import (
    MANIFEST_FILE,
    PUBLISHED_FILES,
    PUBLISHED_TABLES,
    Provenance,
)
from amzseg_pipeline.contracts.schema import Table
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.fs.atomic_writes import files_below, sha256_of, sync
from amzseg_pipeline.storage.parquet.arrow_schema import frictionless_schema
from amzseg_pipeline.storage.snapshots.backends import Backend, publishing
from amzseg_pipeline.storage.snapshots.layout import (
    SNAPSHOTS_FOLDER,
    Pointer,
    SnapshotName,
    is_run_id,
    pointer_of,
    snapshot_names,
)
from amzseg_pipeline.storage.snapshots.manifest import manifest_document
from amzseg_pipeline.storage.snapshots.retention import expired_snapshots
from amzseg_pipeline.storage.snapshots.snapshot import Snapshot, pointer_to, snapshot_at
from amzseg_pipeline.storage.snapshots.table_file import write_table_file

_MEDIA_TYPES = {
    ".parquet": "application/vnd.apache.parquet",
    ".json": "application/json",
    ".joblib": "application/octet-stream",
}


def publish(
    published: Path,
    provenance: Provenance,
    *,
    tables: Mapping[Table, Iterable[pa.RecordBatch]],
    files: Mapping[str, bytes],
    settings: Settings,
) -> Snapshot:
    """Publishes `tables` and `files` as the next snapshot, removes expired ones, and returns the new one.

    If the run has published the same bytes before, only the pointer moves. Whatever happens, even if the process is
    killed, LATEST.json names a complete snapshot, the old or the new one.

    Args:
        published: The folder published/ of the data root.
        provenance: The run, the versions and the inputs.
        tables: Each of PUBLISHED_TABLES as record batches sorted by its key, which are streamed.
        files: The content of each of PUBLISHED_FILES.
        settings: The limits of retention; their hash goes into the manifest.

    Raises:
        TableError: Rows break their contract.
        SnapshotError: The run has published other bytes, another process publishes for more than ten minutes, or
            writing fails.
    """
    _check_request(published, provenance, tables, files)
    with publishing(published) as backend:
        created = provenance.created.replace(microsecond=0)
        name = SnapshotName(next_sequence(published), created, provenance.run_id[:8])
        draft = backend.staging / str(name)
        draft.mkdir()
        resources = [_table_resource(draft, table, tables[table]) for table in PUBLISHED_TABLES]
        resources += [_file_resource(draft, file_name, files[file_name]) for file_name in PUBLISHED_FILES]
        pointer = _pointer_of_run(published, provenance.run_id)
        if pointer is not None:
            _check_same(snapshot_at(published, pointer), resources)
        else:
            document = manifest_document(
                provenance, name.sequence, settings_hash=settings.result_hash, resources=resources
            )
            _write(draft / MANIFEST_FILE, (json.dumps(document, indent=2, allow_nan=False) + "\n").encode())
            pointer = Pointer(name, provenance.run_id, sha256_of(draft / MANIFEST_FILE))
            sync(draft)
            backend.add(draft)
        backend.move_pointer(pointer)
        _remove_expired(published, backend, pointer.name, now=provenance.created, settings=settings)
        return snapshot_at(published, pointer)


def repoint(published: Path, sequence: int) -> Snapshot:
    """Rollback: makes the snapshot `sequence` the latest, after checking its files. Raises SnapshotError.

    The next snapshot is still numbered after the highest one; the pointer records the snapshot rolled back from.
    """
    with publishing(published) as backend:
        highest = _last_sequence(published)
        pointer = pointer_to(published, sequence)
        pointer = replace(pointer, rolled_back_from=highest if highest > sequence else None)
        snapshot = snapshot_at(published, pointer)
        snapshot.verify()
        backend.move_pointer(pointer)
    return snapshot


def next_sequence(published: Path) -> int:
    """The sequence of the next snapshot."""
    return _last_sequence(published) + 1


def _check_request(
    published: Path, provenance: Provenance, tables: Mapping[Table, Any], files: Mapping[str, bytes]
) -> None:
    if set(tables) != set(PUBLISHED_TABLES) or set(files) != set(PUBLISHED_FILES):
        wanted = [*(table.name for table in PUBLISHED_TABLES), *PUBLISHED_FILES]
        given = [*(table.name for table in tables), *files]
        raise SnapshotError(f"{published}: a snapshot has {', '.join(wanted)}, not {', '.join(given)}.")
    if not is_run_id(provenance.run_id):
        raise SnapshotError(f"{published}: {provenance.run_id!r} is not a run id; give letters, digits, - and _.")
    if provenance.created.tzinfo is None:
        raise SnapshotError(f"{published}: the time of run {provenance.run_id} has no time zone; give it in UTC.")


def _last_sequence(published: Path) -> int:
    """The highest sequence so far. A damaged pointer is ignored: the next snapshot replaces it."""
    last = max((name.sequence for name in snapshot_names(published)), default=0)
    try:
        pointer = pointer_of(published)
    except SnapshotError:
        return last
    return last if pointer is None else max(last, pointer.name.sequence)


def _table_resource(draft: Path, table: Table, batches: Iterable[pa.RecordBatch]) -> dict[str, Any]:
    path = draft / f"{table.name}.parquet"
    rows = write_table_file(path, table, batches=batches)
    sync(path)
    resource = _resource(path, name=table.name, description=table.description)
    return resource | {"rows": rows, "schema": frictionless_schema(table)}


def _file_resource(draft: Path, file_name: str, content: bytes) -> dict[str, Any]:
    path = draft / file_name
    _write(path, content)
    return _resource(path, name=file_name, description=PUBLISHED_FILES[file_name])


def _resource(path: Path, *, name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "path": path.name,
        "description": description,
        "format": path.suffix.removeprefix("."),
        "mediatype": _MEDIA_TYPES[path.suffix],
        "bytes": path.stat().st_size,
        "hash": f"sha256:{sha256_of(path)}",
    }


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    sync(path)


def _pointer_of_run(published: Path, run_id: str) -> Pointer | None:
    """A pointer to the snapshot that the run has published before, if any."""
    for name in snapshot_names(published):
        if name.run == run_id[:8]:
            pointer = pointer_to(published, name.sequence)
            if pointer.run_id == run_id:
                return pointer
    return None


def _check_same(snapshot: Snapshot, resources: list[dict[str, Any]]) -> None:
    published = {resource["path"]: resource["hash"] for resource in snapshot.manifest["resources"]}
    drafted = {resource["path"]: resource["hash"] for resource in resources}
    differing = sorted(path for path in published | drafted if published.get(path) != drafted.get(path))
    if differing:
        raise SnapshotError(
            f"{snapshot.path}: run {snapshot.run_id} has published this before, and {', '.join(differing)} would now "
            "differ. Published files never change; start a new run."
        )
    snapshot.verify()


def _remove_expired(
    published: Path, backend: Backend, latest: SnapshotName, *, now: datetime, settings: Settings
) -> None:
    folder = published / SNAPSHOTS_FOLDER
    sizes_bytes = {name: _bytes_in(folder / str(name)) for name in snapshot_names(published)}
    for name in expired_snapshots(sizes_bytes, latest, now=now, settings=settings):
        backend.remove(folder / str(name))


def _bytes_in(folder: Path) -> int:
    return sum(state.size_bytes for state in files_below(folder).values())
