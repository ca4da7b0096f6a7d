"""Parquet files whose footer does not describe their pages."""

import struct
from pathlib import Path

_TAIL_BYTES = 8


def set_footer_number(path: Path, *, actual: int, stated: int) -> None:
    """Has the footer say `stated` wherever it says `actual`, in as many bytes, so that the footer stays readable."""
    content = path.read_bytes()
    size = struct.unpack("<I", content[-_TAIL_BYTES:-4])[0]
    footer = content[-_TAIL_BYTES - size : -_TAIL_BYTES]
    written = _number(actual)
    assert written in footer
    lying = footer.replace(written, _number(stated, size=len(written)))
    path.write_bytes(content[: -_TAIL_BYTES - size] + lying + content[-_TAIL_BYTES:])


def _number(value: int, *, size: int = 1) -> bytes:
    """A number as Thrift's compact protocol has it, in at least `size` bytes."""
    rest, groups = value << 1, []
    while rest or len(groups) < size:
        groups.append(rest & 0x7F)
        rest >>= 7
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])
