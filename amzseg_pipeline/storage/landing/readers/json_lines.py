"""JSON Lines: the values of keys become columns of text, an unreadable line becomes a reader fault.

Lines are read as text and parsed with DuckDB's JSON functions. DuckDB's JSON reader is not used: it turns a bad line
into a row of nulls without naming the line.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.reviews import RejectionReason
from amzseg_pipeline.storage.landing.readers.decompression import decompressed_chunks, is_gzip
from amzseg_pipeline.storage.landing.readers.raw_text import MAX_PRICE_CHARACTERS, MAX_TEXT_BYTES
from amzseg_pipeline.storage.landing.scan.export import Export

MAX_LINE_BYTES = 4 * 2**20

_TEXT = "({json} ->> '$')"
_IS_SHORT = f"strlen({{json}}) <= {MAX_TEXT_BYTES} AND NOT contains({{json}}, '\\u0000')"
_IS_NUMBER = "regexp_full_match({json}, '-?[0-9][0-9.eE+-]{{0,31}}')"

TEXT = f"CASE WHEN starts_with({{json}}, '\"') AND {_IS_SHORT} THEN {_TEXT} END"
TEXT_LIST = f"""CASE WHEN starts_with({{json}}, '[') AND {_IS_SHORT}
    THEN array_to_string(from_json({{json}}, '["VARCHAR"]'), '|') END"""
NUMBER = f"CASE WHEN {_IS_NUMBER} THEN {{json}} END"
INTEGER = "CASE WHEN regexp_full_match({json}, '-?[0-9]{{1,18}}') THEN {json} END"
PRICE = f"""CASE WHEN starts_with({{json}}, '\"')
    THEN left(regexp_replace({_TEXT}, '^\\s+|\\s+$', '', 'g'), {MAX_PRICE_CHARACTERS})
    WHEN {_IS_NUMBER} THEN {{json}} END"""
"""Value types: SQL for the text of the value whose JSON is {json}, null where the value is of another type.

TEXT_LIST is a list of texts, joined by |. PRICE is a number or a text, which is cut: some are pages of markup.
"""

_BLOCK_BYTES = 4 * 2**20
_BATCH_ROWS = 2**16
_LINES = pa.schema([("row_number", pa.int64()), ("text", pa.string())])
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class JsonRow:
    """How a line becomes a row: the type of each key's value, and the row's columns in SQL over those keys.

    A value may be null. A line is damaged if a value has another type or a key that is not `optional` is missing. With
    `reads_line`, the SQL may use `line`, the line as canonical JSON: no white space, one notation for each character.
    """

    value_types: Mapping[str, str]
    columns: Mapping[str, str]
    optional: tuple[str, ...] = ()
    reads_line: bool = False

    @property
    def sql(self) -> str:
        """The query on a table `lines` (row_number, text), in the order of the lines."""
        json = {key: f"json[{position}]" for position, key in enumerate(self.value_types, start=1)}
        faults = ["json IS NULL"]
        faults += [f"{json[key]} IS NULL" for key in self.value_types if key not in self.optional]
        faults += [f"(\"{key}\" IS NULL AND {json[key]} <> 'null')" for key in self.value_types]
        typed = (f'{value_type.format(json=json[key])} AS "{key}"' for key, value_type in self.value_types.items())
        columns = (f"CASE WHEN NOT damaged THEN {sql} END AS {name}" for name, sql in self.columns.items())
        paths = _joined(f"'$.{key}'" for key in self.value_types)
        line = "TRY(json(text))" if self.reads_line else "NULL"
        return f"""
            WITH parsed AS (
                SELECT row_number, {line} AS line, CAST(TRY(json_extract(text, [{paths}])) AS VARCHAR[]) AS json
                FROM lines
            ), typed AS (
                SELECT *, {_joined(typed)}
                FROM parsed
            ), checked AS (
                SELECT *, coalesce({" OR ".join(faults)}, false) AS damaged FROM typed
            )
            SELECT row_number, CASE WHEN damaged THEN '{RejectionReason.DAMAGED_RECORD.value}' END AS read_error,
                {_joined(columns)}
            FROM checked"""


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(parts)


def json_rows(export: Export, row: JsonRow) -> Iterator[pa.Table]:
    """A row for each line: `row_number` (the line number), `read_error` and the columns of `row`.

    RefusedInput as by `decompressed_chunks`, for a line longer than MAX_LINE_BYTES, and in a plain file for a last line
    without a line end; gzip has its own check for completeness.
    """
    import duckdb

    refusals: list[RefusedInput] = []
    lines = pa.RecordBatchReader.from_batches(_LINES, _lines(export, refusals))
    with duckdb.connect(config={"threads": 1, "temp_directory": ""}) as connection:
        connection.register("lines", lines)
        try:
            for batch in connection.sql(row.sql).to_arrow_reader(_BATCH_ROWS):
                yield pa.Table.from_batches([batch])
        except (duckdb.Error, pa.ArrowException, OSError):
            if refusals:
                raise refusals[0] from None
            raise


def _lines(export: Export, refusals: list[RefusedInput]) -> Iterator[pa.RecordBatch]:
    """The lines with their numbers. DuckDB loses the type of an error, so a refusal is also put in `refusals`."""
    try:
        for first, block in _blocks_of_lines(export):
            texts = _texts(block, first=first)
            numbers = pa.array(np.arange(first, first + len(texts)))
            yield pa.record_batch([numbers, texts], schema=_LINES)
    except RefusedInput as error:
        refusals.append(error)
        raise


def _blocks_of_lines(export: Export) -> Iterator[tuple[int, bytes]]:
    """The text in blocks of complete lines, without a byte order mark, each with the number of its first line."""
    first = 1
    pieces: list[bytes] = []
    for chunk in decompressed_chunks(export.path, export.settings):
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
        if not is_gzip(export.path):
            line = first + block.count(b"\n")
            raise RefusedInput(
                f"the file looks cut: the last record (line {line:,}) has no line end; deliver it again."
            )
        block += b"\n"
    if block:
        yield first, block


def _texts(block: bytes, *, first: int) -> pa.Array:
    """The lines of `block` with their line ends, as texts; null where the bytes are not UTF-8."""
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n")) + 1
    offsets = np.concatenate(([0], ends)).astype(np.int32)
    if len(too_long := np.flatnonzero(np.diff(offsets) > MAX_LINE_BYTES)):
        raise _too_long(first + int(too_long[0]))
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
    return RefusedInput(f"line {line:,} is longer than {MAX_LINE_BYTES:,} bytes; deliver one record per line.")
