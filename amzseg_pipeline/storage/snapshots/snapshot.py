"""One snapshot: its folder, its manifest and its files, each checked against its hash."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from amzseg_pipeline.contracts.errors import SnapshotError
from amzseg_pipeline.contracts.history import SEGMENT_HISTORY, SEGMENT_MIGRATIONS
from amzseg_pipeline.contracts.publish import MANIFEST_FILE, MODEL_FILE, POINTER_FILE, RUN_FILE
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS, SEGMENT_PROFILES
from amzseg_pipeline.storage.fs.atomic_writes import sha256_of
from amzseg_pipeline.storage.fs.object_store import access_errors, content_of, is_link, parquet_file
from amzseg_pipeline.storage.snapshots.layout import (
    REPAIR_ADVICE,
    SNAPSHOTS_FOLDER,
    Pointer,
    snapshot_names,
    unreadable,
)
from amzseg_pipeline.storage.snapshots.manifest import manifest_from


@dataclass(frozen=True)
class Snapshot:
    """A published snapshot: its folder and its manifest. It never changes; read_latest() returns the newest one."""

    path: Path
    manifest: dict[str, Any] = field(repr=False, compare=False)

    @property
    def sequence(self) -> int:
        """The number of the snapshot, higher than that of all snapshots before."""
        return int(self.manifest["sequence"])

    @property
    def predecessor(self) -> int | None:
        """The sequence of the snapshot that this one continued from; None if it is not comparable with any other."""
        predecessor: int | None = self.manifest["predecessor"]
        return predecessor

    @property
    def run_id(self) -> str:
        """The run that published it."""
        return str(self.manifest["run_id"])

    @property
    def created(self) -> datetime:
        """When it was published, in UTC."""
        return datetime.fromisoformat(self.manifest["created"])

    @property
    def contract_version(self) -> str:
        """The version of the contract, `major.minor`."""
        return str(self.manifest["contract_version"])

    @property
    def model_version(self) -> str:
        """The version of the model that scored the users."""
        return str(self.manifest["model_version"])

    @property
    def currency(self) -> str | None:
        """ISO 4217 code of avg_spend, None when no item has a price."""
        currency: str | None = self.manifest["currency"]
        return currency

    @property
    def user_key_id(self) -> str | None:
        """The id of the key that pseudonymised user ids; None if they are those of the source."""
        user_key_id: str | None = self.manifest["user_key_id"]
        return user_key_id

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """The batches of the landing zone that it was made from."""
        return list(self.manifest["inputs"])

    def rows(self, name: str) -> int:
        """The number of rows of the table `name`."""
        return int(self._resource(f"{name}.parquet")["rows"])

    def table_path(self, name: str) -> Path:
        """The Parquet file of the table `name`."""
        return self._file(f"{name}.parquet")

    def table(self, name: str) -> pd.DataFrame:
        """The table `name`; its dtypes are str, int64, float64 (NaN for null), bool and datetime64 for dates."""
        path = self.table_path(name)
        try:
            with parquet_file(path) as file:
                frame: pd.DataFrame = file.read().to_pandas(date_as_object=False)
        except FileNotFoundError:
            raise _missing(path) from None
        except (pa.ArrowException, OSError):
            raise _changed(path) from None
        return frame

    def segment_assignments(self) -> pd.DataFrame:
        """Every user's segment, one row per user_id."""
        return self.table(SEGMENT_ASSIGNMENTS.name)

    def segment_profiles(self) -> pd.DataFrame:
        """One row per segment: size, means and strategy."""
        return self.table(SEGMENT_PROFILES.name)

    def segment_migrations(self) -> pd.DataFrame:
        """Moves of users since the snapshot before: one row per pair of segments and cause."""
        return self.table(SEGMENT_MIGRATIONS.name)

    def segment_history(self) -> pd.DataFrame:
        """One row per published snapshot and segment."""
        return self.table(SEGMENT_HISTORY.name)

    def model_document(self) -> dict[str, Any]:
        """The content of model.json."""
        return self._document(MODEL_FILE)

    def run(self) -> dict[str, Any]:
        """The content of run.json: checks and decisions of the run."""
        return self._document(RUN_FILE)

    def verify(self, *file_names: str) -> None:
        """Checks the named files, or all files, against the manifest.

        Raises SnapshotError naming the first file that is missing or has other bytes than were published.
        """
        for resource in map(self._resource, file_names) if file_names else self.manifest["resources"]:
            path = self._file(resource["path"])
            try:
                is_complete = (
                    path.stat().st_size == resource["bytes"] and f"sha256:{sha256_of(path)}" == resource["hash"]
                )
            except FileNotFoundError:
                raise _missing(path) from None
            except access_errors() as error:
                raise unreadable(path, error) from error
            if not is_complete:
                raise _changed(path)

    def _resource(self, file_name: str) -> dict[str, Any]:
        resources: dict[str, dict[str, Any]] = {entry["path"]: entry for entry in self.manifest["resources"]}
        if file_name not in resources:
            names = ", ".join(resources)
            raise SnapshotError(f"{self.path}: there is no {file_name} in this snapshot; it has {names}.")
        return resources[file_name]

    def _file(self, file_name: str) -> Path:
        return _require_no_link(self.path / self._resource(file_name)["path"])

    def _document(self, file_name: str) -> dict[str, Any]:
        path = self._file(file_name)
        try:
            document: dict[str, Any] = json.loads(_content(path))
        except ValueError:
            raise _changed(path) from None
        return document


def snapshot_at(published: Path, pointer: Pointer) -> Snapshot:
    """The snapshot that `pointer` names, its manifest checked. Raises SnapshotError."""
    path = published / pointer.manifest
    _require_no_link(published / SNAPSHOTS_FOLDER)
    _require_no_link(path.parent)
    content = _content(_require_no_link(path))
    if hashlib.sha256(content).hexdigest() != pointer.sha256:
        raise SnapshotError(
            f"{path}: its sha256 is not the one in {POINTER_FILE}, one of the two files is damaged; {REPAIR_ADVICE}."
        )
    return Snapshot(path.parent, manifest_from(content, pointer, path=path))


def pointer_to(published: Path, sequence: int) -> Pointer:
    """A pointer to the newest revision of the snapshot `sequence`. Raises SnapshotError when it cannot be read."""
    names = {name.sequence: name for name in snapshot_names(published)}
    if sequence not in names:
        known = ", ".join(map(str, names.values())) or "none"
        raise SnapshotError(f"{published}: there is no snapshot {sequence}; there are {known}.")
    path = published / SNAPSHOTS_FOLDER / str(names[sequence]) / MANIFEST_FILE
    content = _content(_require_no_link(path))
    try:
        run_id = str(json.loads(content)["run_id"])
    except (ValueError, RecursionError, KeyError, TypeError):
        raise _changed(path) from None
    return Pointer(names[sequence], run_id, hashlib.sha256(content).hexdigest())


def _content(path: Path) -> bytes:
    try:
        return content_of(path)
    except FileNotFoundError:
        raise _missing(path) from None
    except access_errors() as error:
        raise unreadable(path, error) from error


def _require_no_link(path: Path) -> Path:
    try:
        linked = is_link(path)
    except OSError as error:
        raise unreadable(path, error) from error
    if linked:
        raise SnapshotError(f"{path}: this is a link, which is not followed; {REPAIR_ADVICE}.")
    return path


def _missing(path: Path) -> SnapshotError:
    return SnapshotError(
        f"{path}: this file of the snapshot is missing. If the snapshot is old, read_latest() returns the newest; "
        f"otherwise {REPAIR_ADVICE}."
    )


def _changed(path: Path) -> SnapshotError:
    return SnapshotError(
        f"{path}: its bytes differ from those that were published (another sha256). Do not use it; {REPAIR_ADVICE}."
    )
