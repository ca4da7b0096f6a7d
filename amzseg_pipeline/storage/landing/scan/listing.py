"""Lists the landing zone: files to read, skipped files and files that are refused.

A listing takes names, sizes and times only, without opening a file: cheap enough for every tick of a schedule.

Over 250 lines: the same rules for folders and for the keys of a store.
"""

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.storage.fs.atomic_writes import FileState, object_state, object_states
from amzseg_pipeline.storage.fs.object_store import access_errors, store_of
from amzseg_pipeline.storage.landing.guards.text import UNPRINTABLE, printable
from amzseg_pipeline.storage.landing.scan.column_mapping import FOLDER_MAPPING, MAPPING_SUFFIX, mapping_file

UNFINISHED_SUFFIXES = (".tmp", ".part", ".crdownload", ".filepart", ".download", ".partial")
SIDECAR_SUFFIXES = (".sha256", ".rows")
"""Endings of the files that state the sha256 and the number of records of an export."""

_OTHER_FILES = re.compile(
    r"(readme|licen[cs]e|copying|changelog|notice)([._-].*)?|desktop\.ini|thumbs\.db|~\$.*"
    r"|(dataset_infos?|dataset_dict|dataset-metadata|state)\.json"
    r"|.*\.(md|rst|pdf|docx?|pptx?|html?|png|jpe?g|gif|webp|svg|bmp|ipynb|py|r|crc|log|lnk|url)",
    re.IGNORECASE,
)
"""Names of files that come with exports and are none. A file that holds an export under such a name must be renamed."""
_NOT_AN_EXPORT = "its name says that it is not an export"
_NANOSECONDS = 10**9


@dataclass(frozen=True, order=True)
class LandingFile:
    """A file: its path below landing/, and the size, times or ETag that show whether it changed.

    `changed_ns` is the inode change time: copying tools may restore `modified_ns`, but not this. In a store it is 0,
    and `etag` is the ETag of the object, followed by that of its mapping file if there is one.
    """

    path: str
    size_bytes: int
    modified_ns: int
    changed_ns: int = 0
    etag: str = ""

    @property
    def content_key(self) -> "LandingFile":
        """Equal for equal content at this path: an ETag does not change when an object is uploaded again."""
        return replace(self, modified_ns=0) if self.etag else self


@dataclass(frozen=True, order=True)
class SkippedFile:
    """A file or folder that is not read in this run, and why; `is_settling` where it will be read once old enough."""

    path: str
    reason: str
    is_settling: bool = False


@dataclass(frozen=True, order=True)
class RefusedFile:
    """A file or folder that cannot be read: the reason, the location and the fix."""

    path: str
    reason: str


@dataclass(frozen=True)
class Listing:
    """The landing zone at one moment; each tuple is sorted by path. `sidecars` are the paths of sidecar files."""

    files: tuple[LandingFile, ...]
    skipped: tuple[SkippedFile, ...]
    refused: tuple[RefusedFile, ...]
    sidecars: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Sidecar:
    path: str


def landing_listing(landing: Path, *, now: float, settle_seconds: float | None) -> Listing:
    """Everything below `landing`; with `settle_seconds`, files modified less than that before `now` are skipped.

    Samples are skipped once another file is there. A missing folder gives an empty listing. RefusedInput where
    `landing` cannot be listed.
    """
    entries = list(_entries(landing) if store_of(landing) is None else _objects(landing))
    files = [entry for entry in entries if isinstance(entry, LandingFile)]
    skipped = [entry for entry in entries if isinstance(entry, SkippedFile)]
    refused = [entry for entry in entries if isinstance(entry, RefusedFile)]

    samples = {file for file in files if is_sample(file.path)}
    if refused or len(samples) < len(files):
        skipped += [SkippedFile(file.path, "samples are ignored once another file is there") for file in samples]
        files = [file for file in files if file not in samples]

    if settle_seconds is not None:
        # Absolute age: a file dated slightly in the future is settling, one dated years ahead is not.
        young = {file: age for file in files if (age := abs(now - file.modified_ns / _NANOSECONDS)) < settle_seconds}
        skipped += [
            SkippedFile(
                file.path, f"modified {age:.0f} s ago; it will be read once it is {settle_seconds:g} s old", True
            )
            for file, age in young.items()
        ]
        files = [file for file in files if file not in young]
    sidecars = frozenset(entry.path for entry in entries if isinstance(entry, _Sidecar))
    return Listing(tuple(sorted(files)), tuple(sorted(skipped)), tuple(sorted(refused)), sidecars)


def is_part(path: str) -> bool:
    """Whether the file at `path` is one of the files that a parallel writer such as Spark writes, some without rows."""
    return re.match("part-[0-9]+", path.rpartition("/")[2]) is not None


def missing_shards(paths: Iterable[str]) -> list[str]:
    """For each set of files such as train-00000-of-00010.parquet, the numbers of those that are not there."""
    found: dict[tuple[str, int, str], set[int]] = {}
    for path in paths:
        if match := re.fullmatch(r"(.*-)([0-9]{5})-of-([0-9]{5})(.*)", path):
            found.setdefault((match[1], int(match[3]), match[4]), set()).add(int(match[2]))
    return [
        f"{prefix}*{suffix}: {len(numbers)} of {total} shards are there; missing: "
        + ", ".join(f"{number:05}" for number in sorted(set(range(total)) - numbers)[:10])
        for (prefix, total, suffix), numbers in found.items()
        if len(numbers) < total
    ]


def is_sample(path: str) -> bool:
    """Whether the file at `path` is a sample, read only while there is no real export."""
    return path.rpartition("/")[2].startswith("sample_")


def landing_file(landing: Path, path: str) -> LandingFile:
    """The file at `path` below `landing` as it is now. OSError where it is gone."""
    file = landing / path
    if store_of(landing) is None:
        return _landing_file(path, file.stat(), file)
    mapping = mapping_file(file)
    return _landing_object(path, object_state(file), object_state(mapping) if mapping else None)


def _objects(landing: Path) -> Iterator[LandingFile | SkippedFile | RefusedFile | _Sidecar]:
    """As _entries, from the keys of a store, which has neither folders nor links."""
    try:
        states = object_states(landing)
    except FileNotFoundError:
        return
    except access_errors() as error:
        raise RefusedInput(
            f"{landing}: cannot be listed ({error}); check the address and the AWS_* variables."
        ) from error
    found: dict[str, SkippedFile | RefusedFile] = {}
    for path, state in states.items():
        classified = next(_excluded_parts(path), None)
        if classified is not None:
            found[classified.path] = classified
        elif _is_sidecar(path.rpartition("/")[2]):
            yield _Sidecar(path)
        else:
            yield _landing_object(path, state, _mapping_state(path, states))
    yield from found.values()


def _excluded_parts(path: str) -> Iterator[SkippedFile | RefusedFile]:
    """What the names of the folders in a key, and of the object, say about it."""
    parts = path.split("/")
    if "" in parts:
        yield RefusedFile(printable(path), "the key has an empty part (//); rename the object.")
    for depth, name in enumerate(parts, start=1):
        classified = _by_name(name, "/".join(parts[:depth]), is_folder=depth < len(parts))
        if classified is not None:
            yield classified


def _mapping_state(path: str, states: Mapping[str, FileState]) -> FileState | None:
    folder, slash, _ = path.rpartition("/")
    return states.get(f"{path}{MAPPING_SUFFIX}") or states.get(f"{folder}{slash}{FOLDER_MAPPING}")


def _landing_object(path: str, state: FileState, mapping: FileState | None) -> LandingFile:
    etag = f"{state.etag} {mapping.etag}" if mapping else state.etag
    return LandingFile(path, state.size_bytes, int(state.modified) * _NANOSECONDS, etag=etag)


def _entries(landing: Path) -> Iterator[LandingFile | SkippedFile | RefusedFile | _Sidecar]:
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
                    f"{landing}: cannot be listed ({error.strerror}); make it a readable folder."
                ) from error
            yield RefusedFile(
                folder, f"the folder cannot be listed ({error.strerror}); let the pipeline's user read it."
            )
            continue
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            try:
                if (classified := _classified(entry, path, root)) is not None:
                    yield classified
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(path)
            except FileNotFoundError:  # deleted since the folder was scanned
                continue


def reason_to_skip(name: str) -> str:
    """Why a file of this name is not read, "" where it is."""
    if name.startswith((".", "_")):
        return f"names starting with {name[0]} are ignored"
    if name.lower().endswith(UNFINISHED_SUFFIXES):
        return "its name says that it is incomplete"
    if _OTHER_FILES.fullmatch(name):
        return _NOT_AN_EXPORT
    return ""


def _by_name(name: str, path: str, *, is_folder: bool) -> SkippedFile | RefusedFile | None:
    """A file or folder whose name says that it is not read."""
    reason = reason_to_skip(name)
    if reason and not (reason == _NOT_AN_EXPORT and is_folder):
        return SkippedFile(printable(path), reason)
    if UNPRINTABLE.search(name):
        return RefusedFile(printable(path), "the name has control characters or is not UTF-8; rename it.")
    return None


def _is_sidecar(name: str) -> bool:
    return name.endswith((*SIDECAR_SUFFIXES, MAPPING_SUFFIX)) or name == FOLDER_MAPPING


def _classified(
    entry: os.DirEntry[str], path: str, root: str
) -> LandingFile | SkippedFile | RefusedFile | _Sidecar | None:
    """A file to read, skip or refuse, or a sidecar; None for a folder to descend into."""
    excluded = _by_name(entry.name, path, is_folder=entry.is_dir(follow_symlinks=False))
    if excluded is not None:
        return excluded
    if entry.is_symlink():
        refusal = _link_refusal(entry.path, root)
        if refusal:
            return RefusedFile(path, refusal)
        if entry.is_dir():
            return SkippedFile(path, "a link to a folder of landing/, which is read at its own path")
    elif entry.is_dir():
        return None
    if _is_sidecar(entry.name):
        return _Sidecar(path)
    status = entry.stat()
    if not stat.S_ISREG(status.st_mode):
        return RefusedFile(path, "neither a file nor a folder (a pipe, socket or device); remove it.")
    return _landing_file(path, status, Path(entry.path))


def _link_refusal(link: str, root: str) -> str:
    target = os.path.realpath(link)
    if not f"{target}/".startswith(f"{root}/"):
        return "a link to a path outside landing/ is not followed; put the file itself here."
    return "" if Path(target).exists() else "a broken link; put the file itself here."


def _landing_file(path: str, status: os.stat_result, file: Path) -> LandingFile:
    """The file; a mapping file changes the rows as the export itself does, so its times count.

    The times are added, because the later one stays the same when an older mapping file is removed.
    """
    mapping = mapping_file(file)
    changed_ns = status.st_ctime_ns + (mapping.stat().st_ctime_ns if mapping else 0)
    return LandingFile(path, status.st_size, status.st_mtime_ns, changed_ns)
