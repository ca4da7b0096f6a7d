"""Where below a folder a text stands: in the bytes of any file, or in a text column of a parquet file."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


def places_of(texts: Iterable[str], root: Path, *, without: Path | None = None) -> dict[str, str]:
    """Path below `root` -> the first of `texts` that it holds, in its name or in it, for files not below `without`."""
    found = {}
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        if without is not None and path.is_relative_to(without):
            continue
        name = str(path.relative_to(root))
        content = path.read_bytes()
        columns = _text_columns(path) if content[:4] == b"PAR1" else []
        for text in texts:
            is_in_columns = any(pc.any(pc.match_substring(column, text)).as_py() for column in columns)
            if text in name or text.encode() in content or is_in_columns:
                found[name] = text
                break
    return found


def _text_columns(path: Path) -> list[pa.ChunkedArray]:
    table = pq.read_table(path, partitioning=None)
    return [column.cast(pa.string()) for column in table.columns if _is_text(column.type)]


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
