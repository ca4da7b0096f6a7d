"""The names in published/: snapshot folders, staging, and the pointer to the latest.

Nothing is written here.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from amzseg_pipeline.contracts.errors import SnapshotError, UnknownContract
from amzseg_pipeline.contracts.publish import MANIFEST_FILE, POINTER_FILE, POINTER_FORMAT
from amzseg_pipeline.storage.fs.atomic_writes import files_below
from amzseg_pipeline.storage.fs.object_store import access_errors, content_of, is_link, store_of

SNAPSHOTS_FOLDER = "snapshots"
STAGING_FOLDER = ".staging"
LOCK_FILE = ".lock"

REPAIR_ADVICE = (
    "restore it from a backup, go back to an earlier snapshot with python -m amzseg_pipeline rollback, "
    f"or take {POINTER_FILE} away and run the pipeline again"
)

_TIME_FORMAT = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"([0-9]{6,})-([0-9]{8}T[0-9]{6}Z)-([0-9A-Za-z_-]{1,8})")
_RUN_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def is_run_id(text: str) -> bool:
    """Whether `text` can be the id of a run, which names folders of published/ and artifacts/."""
    return _RUN_ID.fullmatch(text) is not None


@dataclass(frozen=True)
class SnapshotName:
    """The name of a snapshot's folder: `<sequence>-<utc time>-<first 8 characters of the run id>`."""

    sequence: int
    created: datetime
    run: str

    def __str__(self) -> str:
        return f"{self.sequence:06d}-{self.created.astimezone(UTC):{_TIME_FORMAT}}-{self.run}"


def snapshot_name_from(text: str) -> SnapshotName | None:
    """The name that `text` is, None when it is not one."""
    parts = _NAME.fullmatch(text)
    if parts is None:
        return None
    try:
        created = datetime.strptime(parts[2], _TIME_FORMAT).replace(tzinfo=UTC)
        name = SnapshotName(int(parts[1]), created, parts[3])
    except ValueError:
        return None
    return name if str(name) == text else None


def snapshot_names(published: Path) -> list[SnapshotName]:
    """The snapshots that are there, in order of their sequence; folders of other names are not ours."""
    folder = published / SNAPSHOTS_FOLDER
    if store_of(folder) is not None:
        # Its manifest comes last: without it the files are what is left of a publisher that was killed.
        there = {path.parent.name for path in files_below(folder) if path.name == MANIFEST_FILE}
    else:
        there = {path.name for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else set()
    names = map(snapshot_name_from, there)
    return sorted((name for name in names if name is not None), key=lambda name: name.sequence)


@dataclass(frozen=True)
class Pointer:
    """What LATEST.json says: which snapshot is the latest, and the sha256 of its manifest.

    `rolled_back_from` is the highest snapshot that somebody gave up for this one, None when nobody did.
    """

    name: SnapshotName
    run_id: str
    sha256: str
    rolled_back_from: int | None = None

    @property
    def manifest(self) -> str:
        """The manifest's path below published/."""
        return f"{SNAPSHOTS_FOLDER}/{self.name}/{MANIFEST_FILE}"

    def as_bytes(self) -> bytes:
        """The pointer as the file holds it."""
        document = {
            "format": POINTER_FORMAT,
            "sequence": self.name.sequence,
            "run_id": self.run_id,
            "manifest": self.manifest,
            "sha256": self.sha256,
            **({} if self.rolled_back_from is None else {"rolled_back_from": self.rolled_back_from}),
        }
        return (json.dumps(document, indent=2) + "\n").encode()


def pointer_from(content: bytes, place: Path) -> Pointer:
    """The pointer in `content`, the bytes of the file `place`.

    Raises SnapshotError when they are no pointer, or one to a place that is not a snapshot below published/.
    """
    damaged = SnapshotError(f"{place}: this is not a pointer to a snapshot, the file is damaged; {REPAIR_ADVICE}.")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise damaged from None
    if not isinstance(document, dict) or type(document.get("format")) is not int:
        raise damaged
    if document["format"] != POINTER_FORMAT:
        raise UnknownContract(
            f"{place}: format {document['format']} is not the one this code knows ({POINTER_FORMAT}); "
            "install the amzseg_pipeline that wrote it."
        )
    manifest, run_id, sha256 = (document.get(key) for key in ("manifest", "run_id", "sha256"))
    if not (isinstance(manifest, str) and isinstance(run_id, str) and isinstance(sha256, str)):
        raise damaged
    folder, _, rest = manifest.partition("/")
    text, _, file = rest.partition("/")
    name = snapshot_name_from(text)
    if (folder, file) != (SNAPSHOTS_FOLDER, MANIFEST_FILE) or name is None:
        raise SnapshotError(
            f"{place}: {manifest!r} is not a manifest at {SNAPSHOTS_FOLDER}/<snapshot>/{MANIFEST_FILE} "
            f"below {place.parent}, and nothing else is followed; {REPAIR_ADVICE}."
        )
    if document.get("sequence") != name.sequence or not _SHA256.fullmatch(sha256):
        raise damaged
    if not run_id.startswith(name.run) or not is_run_id(run_id):
        raise damaged
    given_up = document.get("rolled_back_from")
    if given_up is not None and (type(given_up) is not int or given_up <= name.sequence):
        raise damaged
    return Pointer(name, run_id, sha256, given_up)


def pointer_of(published: Path) -> Pointer | None:
    """The pointer that LATEST.json is, None when there is no such file. Raises SnapshotError when it is damaged."""
    path = published / POINTER_FILE
    try:
        if is_link(path):
            raise SnapshotError(f"{path}: this is a link, and links are not followed; {REPAIR_ADVICE}.")
        return pointer_from(content_of(path), path)
    except FileNotFoundError:
        return None
    except access_errors() as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> SnapshotError:
    """The error for a file that the system does not let us read."""
    reason = getattr(error, "strerror", None) or error
    return SnapshotError(f"{path}: it cannot be read ({reason}); make it a file that this user may read.")
