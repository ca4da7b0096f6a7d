"""Searches files for user ids: in their bytes, in decompressed .gz files, and in the values of Parquet files."""

import gzip
import re
import zlib
from collections.abc import Collection
from io import BufferedReader
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from amzseg_pipeline.storage.fs.atomic_writes import files_below
from amzseg_pipeline.storage.fs.object_store import parquet_file

MAX_ID_BYTES = 4096

_CHUNK_BYTES = 2**20


def files_containing(ids: Collection[str], folder: Path, *, without: Path | None = None) -> list[Path]:
    """The files below `folder`, except below `without`, that contain one of `ids` as a word; links are skipped."""
    alternatives = b"|".join(re.escape(one.encode()) for one in ids)
    pattern = re.compile(rb"(?<![0-9A-Za-z_])(?:%b)(?![0-9A-Za-z_])" % alternatives)
    wanted = pa.array(list(ids), pa.string())
    paths = (path for path in files_below(folder) if not (without and path.is_relative_to(without)))
    return [path for path in paths if _contains(path, pattern, wanted)]


def _contains(path: Path, pattern: re.Pattern[bytes], wanted: pa.Array) -> bool:
    with BufferedReader(cast(Any, path.open("rb"))) as stream:
        magic = stream.read(4)
        if magic == b"PAR1" and _is_in_columns(path, wanted):
            return True
        stream.seek(0)
        if _is_in_bytes(stream, pattern):
            return True
        stream.seek(0)
        if magic[:2] != b"\x1f\x8b":
            return False
        with gzip.open(stream) as unpacked:
            return _is_in_bytes(unpacked, pattern)


def _is_in_bytes(stream: BufferedReader | gzip.GzipFile, pattern: re.Pattern[bytes]) -> bool:
    """Searches overlapping chunks: a word cut by the end of one chunk is complete in the next."""
    piece = b"\n"
    try:
        while chunk := stream.read1(_CHUNK_BYTES):
            piece = piece[-2 * MAX_ID_BYTES :] + chunk
            if any(match.end() < len(piece) for match in pattern.finditer(piece, 1)):
                return True
    except (OSError, EOFError, zlib.error):
        pass  # nothing after the damage can be decompressed
    return pattern.search(piece + b"\n", 1) is not None


def _is_in_columns(path: Path, wanted: pa.Array) -> bool:
    try:
        with parquet_file(path) as file:
            texts = [field.name for field in file.schema_arrow if _is_text(field.type)]
            return any(
                pc.any(pc.is_in(column.cast(pa.string()), value_set=wanted), min_count=0).as_py()
                for batch in file.iter_batches(columns=texts)
                for column in batch.columns
            )
    except (pa.ArrowException, OSError):
        return False


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
