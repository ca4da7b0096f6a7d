"""How many records a CSV holds, counted from its quotes and line ends without a parser.

No columns and no values here. A stray quote makes parsers swallow records; a reader can be held to this number.
"""

from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from amzseg_pipeline.storage.landing.guards.text import refusal_at, text_chunks

MAX_RECORD_BYTES = 4 * 2**20
"""The longest record of the real export has 22 kB; where a quote lacks its partner, records become megabytes long."""

_QUOTE, _COMMA, _LINE_FEED, _RETURN = b'",\n\r'
_CELL_EDGES = np.zeros(256, dtype=bool)
_CELL_EDGES[[_QUOTE, _COMMA, _LINE_FEED, _RETURN]] = True


def csv_record_count(stream: BinaryIO) -> int:
    """The number of records of a CSV, its header included and blank lines not, by counting quotes and line ends.

    A record ends at a line end with an even number of quotes before it (RFC 4180). Memory is bounded. RefusedInput as
    by `text_chunks`, and, naming line and byte, for a quote that neither begins nor ends a cell, for a quoted cell that
    is still open at the end, and for a record longer than MAX_RECORD_BYTES.
    """
    records = is_inside = opened_at = 0
    last_end = -1
    last = b"\n"
    for offset, chunk in text_chunks(stream):
        text = np.frombuffer(last + chunk, dtype=np.uint8)
        before, here = text[:-1], text[1:]
        quotes = np.flatnonzero(here == _QUOTE)
        opens = (np.arange(len(quotes)) + is_inside) % 2 == 0
        opening, closing = quotes[opens], quotes[~opens]
        if len(stray := _stray_quotes(before, here, opening, closing, is_inside=bool(is_inside))):
            reason = "a quote stands inside a cell; put the whole cell in quotes and double each quote inside it"
            raise refusal_at(stream, offset + int(stray.min()), reason)

        line_ends = np.flatnonzero((here == _LINE_FEED) | (here == _RETURN))
        ends = line_ends[(np.searchsorted(quotes, line_ends) + is_inside) % 2 == 0]
        is_blank = (before[ends] == _LINE_FEED) | (before[ends] == _RETURN)
        records += int(np.count_nonzero(~is_blank))

        edges = np.concatenate(([last_end], offset + ends, [offset + len(chunk)]))
        if len(long := np.flatnonzero(np.diff(edges) > MAX_RECORD_BYTES)):
            reason = f"the record is longer than {MAX_RECORD_BYTES:,} bytes; look for a quote without its partner"
            raise refusal_at(stream, int(edges[long[0]]) + 1, reason)

        last_end = int(edges[-2])
        opened_at = offset + int(opening[-1]) if len(opening) else opened_at
        is_inside = (is_inside + len(quotes)) % 2
        last = chunk[-1:]
    if is_inside:
        raise refusal_at(stream, opened_at, "the quoted cell is never closed: the file looks cut; deliver it whole")
    return records


def _stray_quotes(
    before: NDArray[np.uint8],
    here: NDArray[np.uint8],
    opening: NDArray[np.intp],
    closing: NDArray[np.intp],
    *,
    is_inside: bool,
) -> NDArray[np.intp]:
    """Where a quote opens after, or a closed one is followed by, something that is no edge of a cell."""
    following = closing + 1
    if before[0] == _QUOTE and not is_inside:
        following = np.concatenate(([0], following))
    following = following[following < len(here)]
    return np.concatenate((opening[~_CELL_EDGES[before[opening]]], following[~_CELL_EDGES[here[following]]]))
