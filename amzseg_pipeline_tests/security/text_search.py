"""Searches files for texts: in names, in bytes, and in the values that a format encodes."""

import gzip
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq


def files_containing_text(texts: Iterable[str], root: Path, *, without: Path | None = None) -> dict[str, str]:
    """The first of `texts` in each file with one, by its path below `root`; files below `without` are skipped."""
    wanted = list(texts)
    found = {}
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        if without is not None and path.is_relative_to(without):
            continue
        name = str(path.relative_to(root))
        for content in (name, *_contents(path)):
            if text := next((text for text in wanted if text in content), None):
                found[name] = text
                break
    return found


def _contents(path: Path) -> Iterator[str]:
    """The bytes of the file, and its decoded values."""
    content = path.read_bytes()
    yield content.decode("utf-8", "replace")
    for magic, unpacked in _UNPACKED.items():
        if content.startswith(magic):
            yield unpacked(path)


def _rows(path: Path) -> str:
    """Every value of a Parquet file, nested ones included, and its schema metadata."""
    with pq.ParquetFile(path) as file:
        return f"{file.schema_arrow.to_string(truncate_metadata=False)}{file.read().to_pylist()}"


def _unzipped(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode("utf-8", "replace")


def _dump(path: Path) -> str:
    """Every row of a SQLite database, including its journal."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return "\n".join(database.iterdump())


_UNPACKED: Mapping[bytes, Callable[[Path], str]] = {
    b"PAR1": _rows,
    b"\x1f\x8b": _unzipped,
    b"SQLite format 3\0": _dump,
}
