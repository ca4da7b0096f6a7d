"""Seeded damage to exports, as caused by copying, cutting, editing and re-encoding."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

BYTE_KINDS = ("cut", "start lost", "bit flipped", "block lost", "block repeated", "block of zeros", "trailing garbage")
"""Types of damage for binary files."""

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Damage:
    """A damaged export. `is_complete_records` if it ends on a record, so the file alone cannot show that it was cut."""

    kind: str
    content: bytes
    is_complete_records: bool = False


def damages(
    content: bytes, *, seed: int, count: int, record_ends: Sequence[int], kinds: Sequence[str] = ()
) -> Iterator[Damage]:
    """`count` damages of `content`, equally many of each kind; `record_ends` are the offsets after each record."""
    rng = random.Random(seed)
    names = kinds or list(_KINDS)
    ends = {0, *record_ends}
    for number in range(count):
        kind = names[number % len(names)]
        damaged = _KINDS[kind](content, rng)
        if damaged != content:
            is_complete = content.startswith(damaged) and len(damaged) in ends
            yield Damage(kind, damaged, is_complete_records=is_complete)


def csv_record_ends(content: bytes) -> list[int]:
    """The offsets after each record of a CSV: line feeds after an even number of quotes."""
    ends, is_inside = [], False
    for at, byte in enumerate(content):
        is_inside ^= byte == 0x22
        if byte == 0x0A and not is_inside:
            ends.append(at + 1)
    return ends


def line_ends(content: bytes) -> list[int]:
    """The offsets after each line."""
    return [at + 1 for at, byte in enumerate(content) if byte == 0x0A]


def _place(content: bytes, rng: random.Random) -> int:
    return rng.randrange(1, len(content))


def _inserted(piece: bytes) -> Callable[[bytes, random.Random], bytes]:
    def damaged(content: bytes, rng: random.Random) -> bytes:
        at = _place(content, rng)
        return content[:at] + piece + content[at:]

    return damaged


def _removed(piece: bytes) -> Callable[[bytes, random.Random], bytes]:
    """The occurrence of `piece` nearest to a random offset."""

    def damaged(content: bytes, rng: random.Random) -> bytes:
        at = content.find(piece, _place(content, rng))
        return content if at < 0 else content[:at] + content[at + len(piece) :]

    return damaged


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: _place(content, rng)]


def _cut_at_a_line(content: bytes, rng: random.Random) -> bytes:
    return content[: content.rfind(b"\n", 0, _place(content, rng)) + 1]


def _start_lost(content: bytes, rng: random.Random) -> bytes:
    return content[_place(content, rng) :]


def _flipped(content: bytes, rng: random.Random) -> bytes:
    at = _place(content, rng)
    return content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :]


def _block(content: bytes, rng: random.Random) -> tuple[int, int]:
    start = _place(content, rng)
    return start, min(start + rng.choice((64, 512, 4096)), len(content))


def _block_lost(content: bytes, rng: random.Random) -> bytes:
    start, end = _block(content, rng)
    return content[:start] + content[end:]


def _block_repeated(content: bytes, rng: random.Random) -> bytes:
    start, end = _block(content, rng)
    return content[:end] + content[start:]


def _block_of_zeros(content: bytes, rng: random.Random) -> bytes:
    start, end = _block(content, rng)
    return content[:start] + bytes(end - start) + content[end:]


def _line_repeated(content: bytes, rng: random.Random) -> bytes:
    start = content.rfind(b"\n", 0, _place(content, rng)) + 1
    end = content.find(b"\n", start) + 1
    return content[:end] + content[start:]


def _line_lost(content: bytes, rng: random.Random) -> bytes:
    start = content.rfind(b"\n", 0, _place(content, rng)) + 1
    return content[:start] + content[content.find(b"\n", start) + 1 :]


def _header_repeated(content: bytes, rng: random.Random) -> bytes:
    first = content[: content.find(b"\n") + 1]
    at = content.rfind(b"\n", 0, _place(content, rng)) + 1
    return content[:at] + first + content[at:]


def _latin_1(content: bytes, _: random.Random) -> bytes:
    return content.decode().encode("latin-1", "replace")


def _latin_1_piece(content: bytes, rng: random.Random) -> bytes:
    return _inserted(rng.choice("éü£¥").encode("latin-1"))(content, rng)


def _utf_16(content: bytes, rng: random.Random) -> bytes:
    return content.decode().encode(rng.choice(("utf-16", "utf-16-le", "utf-16-be")))


def _carriage_returns(content: bytes, _: random.Random) -> bytes:
    return content.replace(b"\n", b"\r\n")


def _old_line_ends(content: bytes, _: random.Random) -> bytes:
    return content.replace(b"\n", b"\r")


def _mark_before(content: bytes, _: random.Random) -> bytes:
    return BOM + content


def _garbage_after(content: bytes, rng: random.Random) -> bytes:
    return content + rng.randbytes(rng.choice((1, 100)))


def _other_value(content: bytes, rng: random.Random) -> bytes:
    """Replaces a JSON value by one of another type, as a changed exporter does."""
    lines = content.split(b"\n")
    at = rng.randrange(len(lines) - 1)
    try:
        record = json.loads(lines[at])
    except ValueError:
        return _inserted(b",")(content, rng)
    key = rng.choice(sorted(record))
    lines[at] = json.dumps(record | {key: rng.choice((None, [], {}, "", "x", -1, 1e400, True, [1]))}).encode()
    return b"\n".join(lines)


_KINDS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "cut": _cut,
    "cut at a line end": _cut_at_a_line,
    "start lost": _start_lost,
    "bit flipped": _flipped,
    "block lost": _block_lost,
    "block repeated": _block_repeated,
    "block of zeros": _block_of_zeros,
    "line repeated": _line_repeated,
    "line lost": _line_lost,
    "header repeated": _header_repeated,
    "NUL": _inserted(b"\0"),
    "extra comma": _inserted(b","),
    "missing comma": _removed(b","),
    "extra quote": _inserted(b'"'),
    "missing quote": _removed(b'"'),
    "extra line end": _inserted(b"\n"),
    "missing line end": _removed(b"\n"),
    "carriage return": _inserted(b"\r"),
    "CRLF": _carriage_returns,
    "CR": _old_line_ends,
    "byte order mark": _mark_before,
    "byte order mark inside": _inserted(BOM),
    "Latin-1": _latin_1,
    "Latin-1 fragment": _latin_1_piece,
    "UTF-16": _utf_16,
    "trailing garbage": _garbage_after,
    "other value": _other_value,
}
