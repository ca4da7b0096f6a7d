"""Seeded damages of exports, as copying, cutting, editing and re-encoding do them."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

BYTE_KINDS = ("cut", "beginning lost", "bit flipped", "block lost", "block doubled", "block of zeros", "garbage after")
"""Damages of files that are no text."""

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Damage:
    """A damaged export. `is_whole_records` where it ends on a record, so that nothing in it tells that it was cut."""

    kind: str
    content: bytes
    is_whole_records: bool = False


def damages(
    content: bytes, *, seed: int, count: int, record_ends: Sequence[int], kinds: Sequence[str] = ()
) -> Iterator[Damage]:
    """`count` damages of `content`, each kind as often as the others; `record_ends` are offsets after each record."""
    rng = random.Random(seed)
    names = kinds or list(_KINDS)
    ends = {0, *record_ends}
    for place in range(count):
        kind = names[place % len(names)]
        damaged = _KINDS[kind](content, rng)
        if damaged != content:
            is_complete = content.startswith(damaged) and len(damaged) in ends
            yield Damage(kind, damaged, is_whole_records=is_complete)


def csv_record_ends(content: bytes) -> list[int]:
    """The offsets after each record of a CSV: line feeds with an even number of quotes before them."""
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


def _taken_out(piece: bytes) -> Callable[[bytes, random.Random], bytes]:
    """One occurrence of `piece`, chosen by a place in the file."""

    def damaged(content: bytes, rng: random.Random) -> bytes:
        at = content.find(piece, _place(content, rng))
        return content if at < 0 else content[:at] + content[at + len(piece) :]

    return damaged


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: _place(content, rng)]


def _cut_at_a_line(content: bytes, rng: random.Random) -> bytes:
    return content[: content.rfind(b"\n", 0, _place(content, rng)) + 1]


def _beginning_lost(content: bytes, rng: random.Random) -> bytes:
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


def _block_doubled(content: bytes, rng: random.Random) -> bytes:
    start, end = _block(content, rng)
    return content[:end] + content[start:]


def _block_of_zeros(content: bytes, rng: random.Random) -> bytes:
    start, end = _block(content, rng)
    return content[:start] + bytes(end - start) + content[end:]


def _line_doubled(content: bytes, rng: random.Random) -> bytes:
    start = content.rfind(b"\n", 0, _place(content, rng)) + 1
    end = content.find(b"\n", start) + 1
    return content[:end] + content[start:]


def _line_lost(content: bytes, rng: random.Random) -> bytes:
    start = content.rfind(b"\n", 0, _place(content, rng)) + 1
    return content[:start] + content[content.find(b"\n", start) + 1 :]


def _first_line_again(content: bytes, rng: random.Random) -> bytes:
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
    """A value of JSON in the place of another, as a changed exporter writes it."""
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
    "beginning lost": _beginning_lost,
    "bit flipped": _flipped,
    "block lost": _block_lost,
    "block doubled": _block_doubled,
    "block of zeros": _block_of_zeros,
    "line doubled": _line_doubled,
    "line lost": _line_lost,
    "header again": _first_line_again,
    "NUL": _inserted(b"\0"),
    "comma more": _inserted(b","),
    "comma less": _taken_out(b","),
    "quote more": _inserted(b'"'),
    "quote less": _taken_out(b'"'),
    "line end more": _inserted(b"\n"),
    "line end less": _taken_out(b"\n"),
    "carriage return": _inserted(b"\r"),
    "CRLF": _carriage_returns,
    "CR": _old_line_ends,
    "byte order mark": _mark_before,
    "byte order mark inside": _inserted(BOM),
    "Latin-1": _latin_1,
    "Latin-1 piece": _latin_1_piece,
    "UTF-16": _utf_16,
    "garbage after": _garbage_after,
    "other value": _other_value,
}
