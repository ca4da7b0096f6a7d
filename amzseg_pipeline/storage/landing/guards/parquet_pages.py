"""What the columns of a parquet file unpack to, told by the headers of their pages, which readers obey.

The footer repeats these sizes, but no reader needs them to be true. No page is unpacked here.
"""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_TYPE, _UNPACKED_BYTES, _PACKED_BYTES, _DATA, _DICTIONARY, _DATA_2 = 1, 2, 3, 5, 7, 8
_VALUES = 1
_DEEPEST = 8
_LONGEST_NUMBER = 10


@dataclass(frozen=True)
class Page:
    """A page of a column: where it begins behind its header, its sizes, and how many values of the column it holds."""

    start: int
    packed_bytes: int
    unpacked_bytes: int
    values: int


def unpacked_bytes(path: Path, chunks: list[pq.ColumnChunkMetaData]) -> int:
    """The bytes that the pages of these column chunks unpack to.

    ArrowInvalid where a header cannot be read, leads outside the file, or holds other values than the footer tells.
    """
    if not chunks:
        return 0
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return sum(page.unpacked_bytes for chunk in chunks for page in _pages(content, chunk))


def _pages(content: mmap.mmap, chunk: pq.ColumnChunkMetaData) -> Iterator[Page]:
    """The pages up to the one in which the chunk's values are complete, as readers go through them."""
    place, values = chunk.data_page_offset, 0
    if chunk.has_dictionary_page and chunk.dictionary_page_offset:
        place = min(place, chunk.dictionary_page_offset)
    while values < chunk.num_values:
        page = _page(content, place)
        yield page
        values += page.values
        place = page.start + page.packed_bytes
    if values != chunk.num_values:
        raise pa.ArrowInvalid(
            f"{chunk.path_in_schema} has pages of {values:,} values where {chunk.num_values:,} are told"
        )


def _page(content: mmap.mmap, place: int) -> Page:
    reader = _Compact(content, place)
    header = reader.struct()
    sizes = [header.get(name) for name in (_UNPACKED_BYTES, _PACKED_BYTES)]
    kinds = {name: header[name] for name in (_DATA, _DATA_2, _DICTIONARY) if isinstance(header.get(name), dict)}
    if len(kinds) != 1 or not all(isinstance(size, int) and size >= 0 for size in sizes):
        raise pa.ArrowInvalid(f"no header of a page at byte {place:,}")
    [(kind, told)] = kinds.items()
    values = told.get(_VALUES)  # type: ignore[attr-defined]
    if not isinstance(values, int) or values < 0:
        raise pa.ArrowInvalid(f"no header of a page at byte {place:,}")
    return Page(reader.place, sizes[1], sizes[0], 0 if kind == _DICTIONARY else values)  # type: ignore[arg-type]


class _Compact:
    """A reader of Thrift's compact protocol, as far as headers of pages need it."""

    def __init__(self, content: mmap.mmap, place: int) -> None:
        self.place = place
        self._content = content

    def struct(self, depth: int = 0) -> dict[int, object]:
        """The fields of the struct that begins here, by their number."""
        if depth > _DEEPEST:
            raise pa.ArrowInvalid(f"the header of a page at byte {self.place:,} is nested too deeply")
        fields: dict[int, object] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._number()
            fields[number] = self._value(head & 0x0F, depth)
        return fields

    def _value(self, kind: int, depth: int) -> object:
        if kind in (1, 2):
            return kind == 1
        if kind == 3:
            return self._byte()
        if kind in (4, 5, 6):
            return self._number()
        if kind in (7, 8):
            size = 8 if kind == 7 else self._varint()
            self.place += size
            return size
        if kind == 12:
            return self.struct(depth + 1)
        raise pa.ArrowInvalid(f"no header of a page at byte {self.place:,}")

    def _number(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _varint(self) -> int:
        value = 0
        for place in range(_LONGEST_NUMBER):
            byte = self._byte()
            value |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                return value
        raise pa.ArrowInvalid(f"no number at byte {self.place:,}")

    def _byte(self) -> int:
        if not 0 <= self.place < len(self._content):
            raise pa.ArrowInvalid("a page lies outside the file")
        self.place += 1
        return self._content[self.place - 1]
