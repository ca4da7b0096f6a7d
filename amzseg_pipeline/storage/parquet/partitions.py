"""Tables in parts: folders of parquet, each written once, never changed and named by what decides its content.

What a table is made of stands in its index, which is written last; parts that no index names are leavings. What is in
a part is the business of the module that writes it.
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
"""Bytes and rows of every parquet file of a part, so that footers need not be read again."""


@dataclass(frozen=True)
class TableParts:
    """A table whose rows are in the files of this name in folders of `folder`."""

    folder: Path
    names: tuple[str, ...]
    rows: int
    files: str = "*.parquet"

    @property
    def paths(self) -> tuple[Path, ...]:
        """The parquet files, in an order that does not change."""
        return tuple(path for name in self.names for path in sorted((self.folder / name).glob(self.files)))

    @property
    def parts(self) -> tuple[Path, ...]:
        """The folders."""
        return tuple(self.folder / name for name in self.names)


def part_name(prefix: str, *decides: object) -> str:
    """The name of the part whose content follows from `decides`, JSON values, and from nothing else."""
    return f"{prefix}-{hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:16]}"


def is_complete(part: Path) -> bool:
    """Whether every file that was written to the part is still there with its size."""
    try:
        written = json.loads(content_of(part / _FILES_FILE))
        found = files_below(part)
        return all(found[part / name].size_bytes == size_bytes for name, (size_bytes, _) in written.items())
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return False


def write_part(part: Path, write: Callable[[Path], None]) -> bool:
    """Has `write` fill a folder that becomes `part`; False where `part` is there already, as it was written."""
    if is_complete(part):
        return False
    with atomic_folder(part, last=_FILES_FILE) as folder:
        write(folder)
        written = {
            path.relative_to(folder).as_posix(): (path.stat().st_size, footer(path).num_rows)
            for path in sorted(folder.rglob("*.parquet"))
        }
        (folder / _FILES_FILE).write_text(json.dumps(written), encoding="utf-8")
    return True


def write_parts(parts: Mapping[str, Path], write: Callable[[Path], None]) -> None:
    """Has `write` fill a folder in which a folder of each of the names becomes that part; each appears whole."""
    with _folder_beside(next(iter(parts.values()))) as together:
        write(together)
        for name, part in parts.items():
            write_part(part, partial(_take, together / name))


def delete_other_parts(parts: Iterable[Path]) -> None:
    """Deletes what lies beside `parts` in the folders they are in."""
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
        return {name: rows for name, (_, rows) in written.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise TableError(f"{part}: the part is damaged ({error}); run again with the warehouse deleted.") from error


def bytes_in(parts: Iterable[Path]) -> int:
    """The bytes of all parquet files of parts."""
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


@contextmanager
def _folder_beside(part: Path) -> Iterator[Path]:
    """An empty folder that is deleted at the end, on the part's own disk if it is on one."""
    if store_of(part) is not None:
        with staging_folder() as folder:
            yield folder
        return
    part.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=part.parent, prefix=".together.", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _take(source: Path, folder: Path) -> None:
    """Moves what is in `source`."""
    for path in source.iterdir():
        shutil.move(path, folder)
