"""Names in published/: snapshot folders, staging, and LATEST.json, the pointer to the latest snapshot."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from amzseg_pipeline.contracts.documents import parsed_json
from amzseg_pipeline.contracts.errors import SnapshotError, UnknownContract
from amzseg_pipeline.contracts.publish import MANIFEST_FILE, POINTER_FILE, POINTER_FORMAT
from amzseg_pipeline.storage.fs.atomic_writes import files_below
from amzseg_pipeline.storage.fs.object_store import access_errors, content_of, is_link, store_of

SNAPSHOTS_FOLDER = "snapshots"
STAGING_FOLDER = ".staging"
LOCK_FILE = ".lock"

REPAIR_ADVICE = (
    "restore it from a backup, go back to an earlier snapshot with python -m amzseg_pipeline rollback, "
    f"or delete {POINTER_FILE} and run the pipeline again"
)

_TIME_FORMAT = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"([0-9]{6,})-([0-9]{8}T[0-9]{6}Z)-([0-9A-Za-z_-]{1,8})(?:\.([1-9][0-9]*))?")
_RUN_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]*")


def is_run_id(text: str) -> bool:
    """Whether `text` can be the id of a run, which is part of folder names in published/ and artifacts/."""
    return _RUN_ID.fullmatch(text) is not None


@dataclass(frozen=True)
class SnapshotName:
    """The name of a snapshot's folder: `<sequence>-<utc time>-<first 8 characters of the run id>`.

    A snapshot that replaces one from which users were erased ends in `.<revision>`; other snapshots are revision 0.
    """

    sequence: int
    created: datetime
    run: str
    revision: int = 0

    def __str__(self) -> str:
        suffix = f".{self.revision}" if self.revision else ""
        return f"{self.sequence:06d}-{self.created.astimezone(UTC):{_TIME_FORMAT}}-{self.run}{suffix}"


def snapshot_name_from(text: str) -> SnapshotName | None:
    """The SnapshotName of a folder name, None for other names."""
    parts = _NAME.fullmatch(text)
    if parts is None:
        return None
    try:
        created = datetime.strptime(parts[2], _TIME_FORMAT).replace(tzinfo=UTC)
        name = SnapshotName(int(parts[1]), created, parts[3], int(parts[4] or 0))
    except ValueError:
        return None
    return name if str(name) == text else None


def snapshot_names(published: Path) -> list[SnapshotName]:
    """The newest revision of every snapshot, in order of sequence; folders with other names are ignored."""
    newest = {name.sequence: name for name in _revisions(published)}
    return list(newest.values())


def superseded_names(published: Path) -> list[SnapshotName]:
    """The revisions of snapshots of which there is a newer one: a killed erasure left them."""
    return sorted(set(_revisions(published)) - set(snapshot_names(published)), key=str)


def _revisions(published: Path) -> list[SnapshotName]:
    folder = published / SNAPSHOTS_FOLDER
    if store_of(folder) is not None:
        # A manifest is uploaded last: files without one are leftovers of a killed publisher.
        folders = {path.parent.name for path in files_below(folder) if path.name == MANIFEST_FILE}
    else:
        folders = {path.name for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else set()
    names = map(snapshot_name_from, folders)
    return sorted((name for name in names if name is not None), key=lambda name: (name.sequence, name.revision))


@dataclass(frozen=True)
class Pointer:
    """The content of LATEST.json: the name of the latest snapshot and the sha256 of its manifest.

    `rolled_back_from` is the sequence of the newest snapshot before a rollback to this one, None without a rollback.
    """

    name: SnapshotName
    run_id: str
    sha256: str
    rolled_back_from: int | None = None

    @property
    def manifest(self) -> str:
        """The path of the manifest below published/."""
        return f"{SNAPSHOTS_FOLDER}/{self.name}/{MANIFEST_FILE}"

    def as_bytes(self) -> bytes:
        """The content of the file."""
        document = {
            "format": POINTER_FORMAT,
            "sequence": self.name.sequence,
            "run_id": self.run_id,
            "manifest": self.manifest,
            "sha256": self.sha256,
            **({} if self.rolled_back_from is None else {"rolled_back_from": self.rolled_back_from}),
        }
        return (json.dumps(document, indent=2) + "\n").encode()


class _PointerDocument(TypedDict):
    format: int
    sequence: int
    run_id: Annotated[str, Field(pattern=f"^{_RUN_ID.pattern}$")]
    manifest: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    rolled_back_from: NotRequired[int]


def pointer_from(content: bytes, path: Path) -> Pointer:
    """The pointer in `content`, the bytes of the file `path`.

    Raises SnapshotError when they are not a pointer, or one to a path that is not a snapshot below published/.
    """
    location = f"{path}: this is not a pointer to a snapshot"
    require_format(content, POINTER_FORMAT, path=path, location=location)
    document = parsed_json(content, _PointerDocument, location=location, error=SnapshotError, fix=REPAIR_ADVICE)
    folder, _, rest = document["manifest"].partition("/")
    text, _, file_name = rest.partition("/")
    name = snapshot_name_from(text)
    if (folder, file_name) != (SNAPSHOTS_FOLDER, MANIFEST_FILE) or name is None:
        raise SnapshotError(
            f"{path}: {document['manifest']!r} is not a manifest at {SNAPSHOTS_FOLDER}/<snapshot>/{MANIFEST_FILE} "
            f"below {path.parent}, and no other path is followed; {REPAIR_ADVICE}."
        )
    rolled_back_from = document.get("rolled_back_from")
    if (
        document["sequence"] != name.sequence
        or not document["run_id"].startswith(name.run)
        or (rolled_back_from is not None and rolled_back_from <= name.sequence)
    ):
        raise SnapshotError(f"{location}: its fields contradict each other; {REPAIR_ADVICE}.")
    return Pointer(name, document["run_id"], document["sha256"], rolled_back_from)


class _Format(TypedDict):
    format: int


def require_format(content: bytes, known: int, *, path: Path, location: str) -> None:
    """Raises UnknownContract where the JSON object in `content` is of another format than `known`."""
    found = parsed_json(content, _Format, location=location, error=SnapshotError, fix=REPAIR_ADVICE, extra="allow")
    if found["format"] != known:
        raise UnknownContract(
            f"{path}: format {found['format']} is not the one this version reads ({known}); "
            "install the amzseg_pipeline that wrote it."
        )


def pointer_of(published: Path) -> Pointer | None:
    """The pointer in LATEST.json, None when there is no such file. Raises SnapshotError when it is damaged."""
    path = published / POINTER_FILE
    try:
        if is_link(path):
            raise SnapshotError(f"{path}: this is a link, which is not followed; {REPAIR_ADVICE}.")
        return pointer_from(content_of(path), path)
    except FileNotFoundError:
        return None
    except access_errors() as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> SnapshotError:
    """The error for a file that cannot be read."""
    reason = getattr(error, "strerror", None) or error
    return SnapshotError(f"{path}: it cannot be read ({reason}); give the user of this process permission to read it.")
