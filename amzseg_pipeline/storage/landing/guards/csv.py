"""Counts the records of a CSV from its quotes and line ends, without a parser.

A stray quote makes parsers swallow records; the reader compares its own count with this one.
"""

from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from amzseg_pipeline.storage.landing.guards.text import refusal_at, text_chunks

MAX_RECORD_BYTES = 4 * 2**20
"""The longest record of the real export has 22 kB; an unmatched quote makes records megabytes long."""

_QUOTE, _LINE_FEED, _RETURN = b'"\n\r'


def csv_record_count(stream: BinaryIO, *, delimiter: str = ",", has_quotes: bool = True, needs_end: bool = True) -> int:
    """The number of records of a CSV, its header included and blank lines not, by counting quotes and line ends.

    A record ends at a line end with an even number of quotes before it (RFC 4180); without `has_quotes`, quotes are
    plain characters. Memory is bounded. RefusedInput as by `text_chunks`, and, naming line and byte, for a quote that
    neither begins nor ends a cell, for a quoted cell that is still open at the end, and for a record longer than
    MAX_RECORD_BYTES.
    """
    cell_edges = np.zeros(256, dtype=bool)
    cell_edges[[_QUOTE, ord(delimiter), _LINE_FEED, _RETURN]] = True
    records = in_quotes = opened_at = 0
    last_end = -1
    last = b"\n"
    for offset, chunk in text_chunks(stream, needs_end=needs_end):
        text = np.frombuffer(last + chunk, dtype=np.uint8)
        before, current = text[:-1], text[1:]
        quotes = np.flatnonzero(current == _QUOTE) if has_quotes else np.empty(0, dtype=np.intp)
        opens = (np.arange(len(quotes)) + in_quotes) % 2 == 0
        opening, closing = quotes[opens], quotes[~opens]
        if has_quotes:
            stray = _stray_quotes(before, current, opening, closing, in_quotes=bool(in_quotes), cell_edges=cell_edges)
            if len(stray):
                reason = "a quote inside a cell that is not quoted; quote the cell and double each quote inside it"
                raise refusal_at(stream, offset + int(stray.min()), reason)

        line_ends = np.flatnonzero((current == _LINE_FEED) | (current == _RETURN))
        ends = line_ends[(np.searchsorted(quotes, line_ends) + in_quotes) % 2 == 0]
        is_blank = (before[ends] == _LINE_FEED) | (before[ends] == _RETURN)
        records += int(np.count_nonzero(~is_blank))

        edges = np.concatenate(([last_end], offset + ends, [offset + len(chunk)]))
        if len(long := np.flatnonzero(np.diff(edges) > MAX_RECORD_BYTES)):
            reason = f"the record is longer than {MAX_RECORD_BYTES:,} bytes; look for an unmatched quote"
            raise refusal_at(stream, int(edges[long[0]]) + 1, reason)

        last_end = int(edges[-2])
        opened_at = offset + int(opening[-1]) if len(opening) else opened_at
        in_quotes = (in_quotes + len(quotes)) % 2
        last = chunk[-1:]
    if in_quotes:
        raise refusal_at(stream, opened_at, "the quoted cell is never closed: the file looks cut; deliver it again")
    return records + (last not in b"\n\r")


def _stray_quotes(
    before: NDArray[np.uint8],
    current: NDArray[np.uint8],
    opening: NDArray[np.intp],
    closing: NDArray[np.intp],
    *,
    in_quotes: bool,
    cell_edges: NDArray[np.bool_],
) -> NDArray[np.intp]:
    """The positions of opening quotes inside a cell, and of characters after closing quotes that do not end a cell."""
    following = closing + 1
    if before[0] == _QUOTE and not in_quotes:
        following = np.concatenate(([0], following))
    following = following[following < len(current)]
    return np.concatenate((opening[~cell_edges[before[opening]]], following[~cell_edges[current[following]]]))
