"""What lies in the landing zone: files to read, files left for later, and things that cannot be read.

No file is opened here: a listing is names, sizes and times, cheap enough for every tick of a schedule.
"""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from amzseg_pipeline.contracts.errors import RefusedInput

UNFINISHED_SUFFIXES = (".tmp", ".part", ".crdownload")
SIDECAR_SUFFIXES = (".sha256", ".rows")
"""`<name>.sha256` and `<name>.rows` say what `<name>` must hold; they are no exports themselves."""

_DATA_SUFFIXES = (".csv", ".gz", ".json", ".jsonl", ".parquet")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_NANOSECONDS = 10**9


@dataclass(frozen=True, order=True)
class LandingFile:
    """A file: its path below landing/, and what tells that it changed.

    `changed_ns` is when the inode changed. Copying tools set `modified_ns` back to the original's, but not this.
    """

    path: str
    size_bytes: int
    modified_ns: int
    changed_ns: int = 0


@dataclass(frozen=True, order=True)
class SkippedFile:
    """A file or folder that is not read this time, and why; `is_settling` when it will be once it is old enough."""

    path: str
    reason: str
    is_settling: bool = False


@dataclass(frozen=True, order=True)
class RefusedFile:
    """A file or folder that cannot be read as it is: why, where in it, and the fix."""

    path: str
    reason: str


@dataclass(frozen=True)
class Listing:
    """The landing zone at one moment; each part is sorted by path."""

    files: tuple[LandingFile, ...]
    left: tuple[SkippedFile, ...]
    refused: tuple[RefusedFile, ...]


def landing_listing(landing: Path, *, now: float, settle_seconds: float | None) -> Listing:
    """Everything below `landing`; with `settle_seconds`, files modified less than that before `now` are left.

    Samples are left once anything else is there. A folder that does not exist gives an empty listing. RefusedInput
    where `landing` itself cannot be listed.
    """
    found = list(_found(landing))
    files = [thing for thing in found if isinstance(thing, LandingFile)]
    left = [thing for thing in found if isinstance(thing, SkippedFile)]
    refused = [thing for thing in found if isinstance(thing, RefusedFile)]

    samples = {file for file in files if is_sample(file.path)}
    if refused or len(samples) < len(files):
        left += [SkippedFile(file.path, "a sample is ignored once another file is there") for file in samples]
        files = [file for file in files if file not in samples]

    if settle_seconds is not None:
        # An age is taken without its sign: a clock a little ahead is settling too, a date years ahead is not.
        young = {file: age for file in files if (age := abs(now - file.modified_ns / _NANOSECONDS)) < settle_seconds}
        left += [
            SkippedFile(file.path, f"modified {age:.0f} s ago; it is read once it is {settle_seconds:g} s old", True)
            for file, age in young.items()
        ]
        files = [file for file in files if file not in young]
    return Listing(tuple(sorted(files)), tuple(sorted(left)), tuple(sorted(refused)))


def is_sample(path: str) -> bool:
    """Whether the file at `path` stands in until there is a real export."""
    return path.rpartition("/")[2].startswith("sample_")


def landing_file(landing: Path, path: str) -> LandingFile:
    """The file at `path` below `landing` as it is now. OSError where it is gone."""
    return _landing_file(path, (landing / path).stat())


def _found(landing: Path) -> Iterator[LandingFile | SkippedFile | RefusedFile]:
    root = os.path.realpath(landing)
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(f"{root}/{folder}") as scan:
                entries = list(scan)
        except FileNotFoundError:
            continue
        except OSError as error:
            if not folder:
                raise RefusedInput(
                    f"{landing}: cannot be listed ({error.strerror}); make it a folder that may be read."
                ) from error
            yield RefusedFile(
                folder, f"the folder cannot be listed ({error.strerror}); let the pipeline's user read it."
            )
            continue
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            try:
                if (thing := _thing(entry, path, root)) is not None:
                    yield thing
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(path)
            except FileNotFoundError:  # gone since the folder was scanned, so it is not there
                continue


def _thing(entry: os.DirEntry[str], path: str, root: str) -> LandingFile | SkippedFile | RefusedFile | None:
    """What an entry is to us; None for a folder to look into, and for a sidecar."""
    name = entry.name
    if name.startswith((".", "_")):
        return SkippedFile(_printable(path), f"names starting with {name[0]} are left alone")
    if name.lower().endswith(UNFINISHED_SUFFIXES):
        return SkippedFile(_printable(path), "its name says that it is not finished")
    if _UNPRINTABLE.search(name):
        return RefusedFile(_printable(path), "the name holds control characters or is not UTF-8; rename it.")
    if entry.is_symlink():
        refusal = _link_refusal(entry.path, root)
        if refusal:
            return RefusedFile(path, refusal)
        if entry.is_dir():
            return SkippedFile(path, "a link to a folder of landing/, which is read where it lies")
    elif entry.is_dir():
        if not name.lower().endswith(_DATA_SUFFIXES):
            return None
        return RefusedFile(path, "a folder is named like a file; move its files up, or rename it without the ending.")
    if name.endswith(SIDECAR_SUFFIXES):
        return None
    status = entry.stat()
    if not stat.S_ISREG(status.st_mode):
        return RefusedFile(path, "neither a file nor a folder (a pipe, socket or device); take it away.")
    return _landing_file(path, status)


def _link_refusal(link: str, root: str) -> str:
    target = os.path.realpath(link)
    if not f"{target}/".startswith(f"{root}/"):
        return "a link that leads outside landing/ is not followed; put the file itself here."
    return "" if Path(target).exists() else "a link to nothing; put the file itself here."


def _landing_file(path: str, status: os.stat_result) -> LandingFile:
    return LandingFile(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _printable(path: str) -> str:
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], path)
