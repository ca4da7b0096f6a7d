"""Partitioned tables: a part is a folder of Parquet files, written once and named by a hash of its inputs.

A table's document lists its parts and is written last; parts that no document lists are leftovers.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from amzseg_pipeline.contracts.documents import document_of, parsed_document
from amzseg_pipeline.contracts.errors import TableError
from amzseg_pipeline.storage.fs.atomic_writes import atomic_folder, delete, files_below, staging_folder
from amzseg_pipeline.storage.fs.object_store import content_of, footer, path_at, store_of

_FILES_FILE = "files.json"
"""Bytes of every file of a part, and rows of those in Parquet, so that footers need not be read again."""


@dataclass(frozen=True)
class TableParts:
    """A table whose rows are in the file `file` of each of the folders `names` of `folder`."""

    folder: Path
    names: tuple[str, ...]
    rows: int
    file: str

    @property
    def paths(self) -> tuple[Path, ...]:
        """The Parquet files, in a fixed order.

        Raises:
            TableError: A part is missing or damaged: without its rows, results would be wrong.
        """
        for part in self.parts:
            if not is_complete(part):
                raise _damaged(part, "files are missing or have other sizes")
        return tuple(part / self.file for part in self.parts)

    @property
    def parts(self) -> tuple[Path, ...]:
        """The folders."""
        return tuple(self.folder / name for name in self.names)


def part_name(prefix: str, *inputs: object) -> str:
    """The name of the part whose content depends only on `inputs`, which are JSON values."""
    return f"{prefix}-{hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:16]}"


def is_complete(part: Path) -> bool:
    """Whether every file of the part exists with the size it was written with."""
    try:
        written = json.loads(content_of(part / _FILES_FILE))
        found = files_below(part)
        return all(found[part / name].size_bytes == size_bytes for name, (size_bytes, _) in written.items())
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return False


def write_part(part: Path, write: Callable[[Path], None]) -> bool:
    """Calls `write` to fill `part`; False where the complete part exists already."""
    if is_complete(part):
        return False
    with atomic_folder(part, last=_FILES_FILE, is_written=partial(is_complete, part)) as folder:
        write(folder)
        written = {
            path.relative_to(folder).as_posix(): (state.size_bytes, _row_count(path))
            for path, state in files_below(folder).items()
        }
        (folder / _FILES_FILE).write_text(json.dumps(written), encoding="utf-8")
    return True


def write_parts(parts: Mapping[str, Path], write: Callable[[Path], None]) -> None:
    """Calls `write` once to fill a folder with one subfolder per name, and makes each subfolder that part."""
    with _temporary_folder(next(iter(parts.values()))) as folder:
        write(folder)
        for name, part in parts.items():
            write_part(part, partial(_move_files, folder / name))


def delete_other_parts(parts: Iterable[Path]) -> None:
    """Deletes everything else in the parent folders of `parts`."""
    kept = set(parts)
    for folder in {part.parent for part in kept}:
        for other in set(folder.iterdir()) - kept:
            delete(other)


def rows_by_file(part: Path) -> dict[str, int]:
    """The parquet files of a part, relative to it and sorted, and their rows.

    Raises:
        TableError: the part is missing or damaged.
    """
    try:
        written = json.loads(content_of(part / _FILES_FILE))
        return {name: rows for name, (_, rows) in written.items() if rows is not None}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise _damaged(part, str(error)) from error


def bytes_in(parts: Iterable[Path]) -> int:
    """The size of all Parquet files of `parts`."""
    below = ((path, state) for part in parts for path, state in files_below(part).items())
    return sum(state.size_bytes for path, state in below if path.suffix == ".parquet")


def table_parts_document(parts: TableParts) -> dict[str, Any]:
    """The JSON object of `parts`."""
    return document_of(parts) | {"folder": parts.folder.name}


def table_parts_from_document(document: dict[str, Any], *, location: str) -> TableParts:
    """The TableParts in `document`, read from the file `location` of a warehouse. Raises TableError."""
    fix = f"materialise {Path(location).stem} again"
    parts = parsed_document(document, TableParts, location=location, error=TableError, fix=fix)
    return replace(parts, folder=path_at(location).parent / parts.folder.name)


def _damaged(part: Path, reason: str) -> TableError:
    return TableError(f"{part}: the part is damaged ({reason}); run again with the warehouse deleted.")


def _row_count(path: Path) -> int | None:
    return footer(path).num_rows if path.suffix == ".parquet" else None


@contextmanager
def _temporary_folder(part: Path) -> Iterator[Path]:
    """An empty folder, deleted at the end; on the disk of `part`, so that files are moved without a copy."""
    if store_of(part) is not None:
        with staging_folder() as folder:
            yield folder
        return
    part.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=part.parent, prefix=".parts.", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _move_files(source: Path, folder: Path) -> None:
    for path in source.iterdir():
        shutil.move(path, folder)
