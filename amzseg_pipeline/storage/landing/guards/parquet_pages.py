"""The uncompressed size of Parquet columns, read from their page headers, which every reader obeys.

The footer repeats these sizes, but no reader needs them to be true. Pages are not decompressed.
"""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from amzseg_pipeline.storage.fs.object_store import opened_for_ranges, store_of

_UNCOMPRESSED_BYTES, _COMPRESSED_BYTES, _DATA, _DICTIONARY, _DATA_V2 = 2, 3, 5, 7, 8
_VALUE_COUNT = 1
_MAX_DEPTH = 8
_MAX_VARINT_BYTES = 10
_RANGE_BYTES = 2**14


@dataclass(frozen=True)
class Page:
    """A page of a column: the offset behind its header, its sizes, and how many values of the column it holds."""

    offset: int
    compressed_bytes: int
    uncompressed_bytes: int
    values: int


def uncompressed_page_bytes(path: Path, chunks: list[pq.ColumnChunkMetaData]) -> int:
    """The uncompressed size of the pages of these column chunks.

    ArrowInvalid where a header is unreadable, points outside the file, or contradicts the footer's value count.
    """
    if not chunks:
        return 0
    with opened_for_ranges(path) as stream, _content(stream, path) as content:
        return sum(page.uncompressed_bytes for chunk in chunks for page in _pages(content, chunk))


@contextmanager
def _content(stream: Any, path: Path) -> Iterator["_Bytes"]:
    if store_of(path) is None:
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            yield content
    else:
        yield _Ranges(stream, path.stat().st_size)


class _Bytes(Protocol):
    """The bytes of a file by their offsets."""

    def __len__(self) -> int: ...
    def __getitem__(self, offset: int, /) -> int: ...


class _Ranges:
    """The bytes of an object, fetched in ranges; pages follow one another, so one range serves many headers."""

    def __init__(self, stream: Any, size_bytes: int) -> None:
        self._stream = stream
        self._size_bytes = size_bytes
        self._first = 0
        self._range = b""

    def __len__(self) -> int:
        return self._size_bytes

    def __getitem__(self, offset: int, /) -> int:
        if not 0 <= offset - self._first < len(self._range):
            self._stream.seek(offset)
            self._range, self._first = self._stream.read(_RANGE_BYTES), offset
        return self._range[offset - self._first]


def _pages(content: _Bytes, chunk: pq.ColumnChunkMetaData) -> Iterator[Page]:
    """The pages up to the one that completes the chunk's values, in the order of readers."""
    offset, values = chunk.data_page_offset, 0
    if chunk.has_dictionary_page and chunk.dictionary_page_offset:
        offset = min(offset, chunk.dictionary_page_offset)
    while values < chunk.num_values:
        page = _page(content, offset)
        yield page
        values += page.values
        offset = page.offset + page.compressed_bytes
    if values != chunk.num_values:
        raise pa.ArrowInvalid(
            f"{chunk.path_in_schema} has pages of {values:,} values where the footer states {chunk.num_values:,}"
        )


def _page(content: _Bytes, offset: int) -> Page:
    reader = _CompactProtocol(content, offset)
    header = reader.struct()
    sizes = [header.get(field) for field in (_UNCOMPRESSED_BYTES, _COMPRESSED_BYTES)]
    headers = {field: header[field] for field in (_DATA, _DATA_V2, _DICTIONARY) if isinstance(header.get(field), dict)}
    if len(headers) != 1 or not all(isinstance(size, int) and size >= 0 for size in sizes):
        raise pa.ArrowInvalid(f"no page header at byte {offset:,}")
    [(page_type, page_header)] = headers.items()
    values = page_header.get(_VALUE_COUNT)  # type: ignore[attr-defined]
    if not isinstance(values, int) or values < 0:
        raise pa.ArrowInvalid(f"no page header at byte {offset:,}")
    return Page(reader.offset, sizes[1], sizes[0], 0 if page_type == _DICTIONARY else values)  # type: ignore[arg-type]


class _CompactProtocol:
    """A reader of Thrift's compact protocol, as far as page headers need it."""

    def __init__(self, content: _Bytes, offset: int) -> None:
        self.offset = offset
        self._content = content

    def struct(self, depth: int = 0) -> dict[int, object]:
        """The fields of the struct that begins at `offset`, by field id."""
        if depth > _MAX_DEPTH:
            raise pa.ArrowInvalid(f"the page header at byte {self.offset:,} is nested too deeply")
        fields: dict[int, object] = {}
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._zigzag()
            fields[field] = self._value(head & 0x0F, depth)
        return fields

    def _value(self, wire_type: int, depth: int) -> object:
        if wire_type in (1, 2):
            return wire_type == 1
        if wire_type == 3:
            return self._byte()
        if wire_type in (4, 5, 6):
            return self._zigzag()
        if wire_type in (7, 8):
            size = 8 if wire_type == 7 else self._varint()
            self.offset += size
            return size
        if wire_type == 12:
            return self.struct(depth + 1)
        raise pa.ArrowInvalid(f"no page header at byte {self.offset:,}")

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _varint(self) -> int:
        value = 0
        for group in range(_MAX_VARINT_BYTES):
            byte = self._byte()
            value |= (byte & 0x7F) << 7 * group
            if byte < 0x80:
                return value
        raise pa.ArrowInvalid(f"no number at byte {self.offset:,}")

    def _byte(self) -> int:
        if not 0 <= self.offset < len(self._content):
            raise pa.ArrowInvalid("a page is outside the file")
        self.offset += 1
        return self._content[self.offset - 1]
