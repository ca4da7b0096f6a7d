"""JSON Lines read line by line, in C: values of keys become columns of text, a line that cannot be read a reader fault.

Which keys there are is the format's business. A line is text first and then tested, with DuckDB's JSON functions: its
JSON reader turns a bad line into a row of nulls and tells neither file nor line.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.reviews import RejectionReason
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.landing.readers.decompression import is_gzip, unpacked_chunks
from amzseg_pipeline.storage.landing.readers.raw_text import MAX_PRICE_CHARACTERS, MAX_TEXT_BYTES

MAX_LINE_BYTES = 4 * 2**20

_TEXT = "({json} ->> '$')"
_IS_SHORT = f"strlen({{json}}) <= {MAX_TEXT_BYTES} AND NOT contains({{json}}, '\\u0000')"
_IS_NUMBER = "regexp_full_match({json}, '-?[0-9][0-9.eE+-]{{0,31}}')"

TEXT = f"CASE WHEN starts_with({{json}}, '\"') AND {_IS_SHORT} THEN {_TEXT} END"
TEXTS = f"""CASE WHEN starts_with({{json}}, '[') AND {_IS_SHORT}
    THEN array_to_string(from_json({{json}}, '["VARCHAR"]'), '|') END"""
NUMBER = f"CASE WHEN {_IS_NUMBER} THEN {{json}} END"
WHOLE_NUMBER = "CASE WHEN regexp_full_match({json}, '-?[0-9]{{1,18}}') THEN {json} END"
PRICE = f"""CASE WHEN starts_with({{json}}, '\"')
    THEN left(regexp_replace({_TEXT}, '^\\s+|\\s+$', '', 'g'), {MAX_PRICE_CHARACTERS})
    WHEN {_IS_NUMBER} THEN {{json}} END"""
"""Kinds of value: SQL for the text of the value whose JSON is {json}, null where it is not of the kind.

TEXTS is a list of texts, joined by |. PRICE is a number or a text, which may be a page of junk; an amount is shorter.
"""

_BLOCK_BYTES = 4 * 2**20
_BATCH_ROWS = 2**16
_LINES = pa.schema([("row_number", pa.int64()), ("text", pa.string())])
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class JsonRow:
    """How a line becomes a row: the kinds of the values of its keys, and the row's columns in SQL over those keys.

    A value may be null. A line is damaged by a value of another kind, and by the lack of a key that is not `optional`.
    Where it `reads_line`, `line` stands in SQL for the whole line in canonical JSON: without white space, and with
    every character written in one way.
    """

    kinds: Mapping[str, str]
    columns: Mapping[str, str]
    optional: tuple[str, ...] = ()
    reads_line: bool = False

    @property
    def sql(self) -> str:
        """The query on a table `lines` of row_number and text, in the order of the lines."""
        json = {key: f"json[{place}]" for place, key in enumerate(self.kinds, start=1)}
        faults = ["json IS NULL"]
        faults += [f"{json[key]} IS NULL" for key in self.kinds if key not in self.optional]
        faults += [f"(\"{key}\" IS NULL AND {json[key]} <> 'null')" for key in self.kinds]
        line = "TRY(json(text))" if self.reads_line else "NULL"
        return f"""
            WITH parsed AS (
                SELECT row_number, {line} AS line,
                    CAST(TRY(json_extract(text, [{_joined(f"'$.{key}'" for key in self.kinds)}])) AS VARCHAR[]) AS json
                FROM lines
            ), typed AS (
                SELECT *, {_joined(f'{kind.format(json=json[key])} AS "{key}"' for key, kind in self.kinds.items())}
                FROM parsed
            ), judged AS (
                SELECT *, coalesce({" OR ".join(faults)}, false) AS damaged FROM typed
            )
            SELECT row_number, CASE WHEN damaged THEN '{RejectionReason.DAMAGED_RECORD.value}' END AS read_error,
                {_joined(f"CASE WHEN NOT damaged THEN {column} END AS {name}" for name, column in self.columns.items())}
            FROM judged"""


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(parts)


def json_rows(path: Path, settings: Settings, row: JsonRow) -> Iterator[pa.Table]:
    """A row for each line of the file: `row_number`, which is the line's, `read_error`, and the columns of `row`.

    RefusedInput as by `unpacked_chunks`, for a line longer than MAX_LINE_BYTES, and in a plain file for a last line
    without an end; a .gz tells by itself whether it is whole.
    """
    import duckdb

    refusals: list[RefusedInput] = []
    lines = pa.RecordBatchReader.from_batches(_LINES, _lines(path, settings, refusals))
    with duckdb.connect(config={"threads": 1, "temp_directory": ""}) as connection:
        connection.register("lines", lines)
        try:
            for batch in connection.sql(row.sql).to_arrow_reader(_BATCH_ROWS):
                yield pa.Table.from_batches([batch])
        except (duckdb.Error, pa.ArrowException, OSError):
            if refusals:
                raise refusals[0] from None
            raise


def _lines(path: Path, settings: Settings, refusals: list[RefusedInput]) -> Iterator[pa.RecordBatch]:
    """The lines with their numbers. What it raises reaches the reader as text alone, so a refusal is kept beside."""
    try:
        for first, block in _blocks_of_lines(path, settings):
            texts = _texts(block, first=first)
            numbers = pa.array(np.arange(first, first + len(texts)))
            yield pa.record_batch([numbers, texts], schema=_LINES)
    except RefusedInput as error:
        refusals.append(error)
        raise


def _blocks_of_lines(path: Path, settings: Settings) -> Iterator[tuple[int, bytes]]:
    """The text in blocks of whole lines, without a byte order mark, each with the number of its first line."""
    first = 1
    pieces: list[bytes] = []
    for chunk in unpacked_chunks(path, settings):
        pieces.append(chunk if pieces or first > 1 else chunk.removeprefix(_BYTE_ORDER_MARK))
        if sum(map(len, pieces)) < _BLOCK_BYTES:
            continue
        block = b"".join(pieces)
        end = block.rfind(b"\n") + 1
        if len(block) - end > MAX_LINE_BYTES:
            raise _too_long(first + block.count(b"\n"))
        yield first, block[:end]
        first += block.count(b"\n")
        pieces = [block[end:]]
    block = b"".join(pieces)
    if block and not block.endswith(b"\n"):
        if not is_gzip(path):
            line = first + block.count(b"\n")
            raise RefusedInput(
                f"the file looks cut: the last record (line {line:,}) has no line end; deliver it whole."
            )
        block += b"\n"
    if block:
        yield first, block


def _texts(block: bytes, *, first: int) -> pa.Array:
    """The lines of `block`, their ends included, as texts; null where the bytes are not UTF-8."""
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n")) + 1
    offsets = np.concatenate(([0], ends)).astype(np.int32)
    if len(long := np.flatnonzero(np.diff(offsets) > MAX_LINE_BYTES)):
        raise _too_long(first + int(long[0]))
    lines = pa.Array.from_buffers(pa.binary(), len(ends), [None, pa.py_buffer(offsets), pa.py_buffer(block)])
    try:
        return lines.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([_text(line) for line in lines.to_pylist()], pa.string())


def _text(line: bytes) -> str | None:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return None


def _too_long(line: int) -> RefusedInput:
    return RefusedInput(f"line {line:,} is longer than {MAX_LINE_BYTES:,} bytes; deliver one record a line.")
