"""Where below a folder a text stands: in the name of a file, in its bytes, or in what its format packs away."""

import gzip
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq


def places_of(texts: Iterable[str], root: Path, *, without: Path | None = None) -> dict[str, str]:
    """Path below `root` -> the first of `texts` that it holds, in its name or in it, for files not below `without`."""
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
    """The file as it is, and as whoever opens it with the right tool sees it."""
    content = path.read_bytes()
    yield content.decode("utf-8", "replace")
    for magic, unpacked in _UNPACKED.items():
        if content.startswith(magic):
            yield unpacked(path)


def _rows(path: Path) -> str:
    """Every value of a parquet file, lists and structs included, and what its footer says."""
    with pq.ParquetFile(path) as file:
        return f"{file.schema_arrow.to_string(truncate_metadata=False)}{file.read().to_pylist()}"


def _unzipped(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode("utf-8", "replace")


def _dump(path: Path) -> str:
    """Every row of a SQLite database, also what still stands in its journal."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return "\n".join(database.iterdump())


_UNPACKED: Mapping[bytes, Callable[[Path], str]] = {
    b"PAR1": _rows,
    b"\x1f\x8b": _unzipped,
    b"SQLite format 3\0": _dump,
}
