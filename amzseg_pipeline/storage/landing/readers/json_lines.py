"""JSON Lines: the values of keys become columns of text, an unreadable line becomes a reader fault.

Lines are read as text and parsed with DuckDB's JSON functions. DuckDB's JSON reader is not used: it turns a bad line
into a row of nulls without naming the line.

Over 250 lines: the search for line ends, the query over lines and the faults of lines belong together.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.reviews import DETAILS_SEPARATOR, RejectionReason
from amzseg_pipeline.storage.landing.readers.decompression import compression_of
from amzseg_pipeline.storage.landing.readers.json_text import json_line_chunks
from amzseg_pipeline.storage.landing.readers.raw_text import MAX_PRICE_CHARACTERS, MAX_TEXT_BYTES
from amzseg_pipeline.storage.landing.scan.export import MAX_LINE_BYTES, Export
from amzseg_pipeline.storage.landing.values.column import Examples
from amzseg_pipeline.storage.landing.values.times import implausible, mixed_units, plausible_unit

_TEXT = "({json} ->> '$')"
_IS_SHORT = f"strlen({{json}}) <= {MAX_TEXT_BYTES} AND NOT contains({{json}}, '\\u0000')"
_IS_NUMBER = "regexp_full_match({json}, '-?[0-9][0-9.eE+-]{{0,31}}')"

TEXT = f"CASE WHEN starts_with({{json}}, '\"') AND {_IS_SHORT} THEN {_TEXT} END"
TEXT_LIST = f"""CASE WHEN starts_with({{json}}, '[') AND {_IS_SHORT}
    THEN array_to_string(from_json({{json}}, '["VARCHAR"]'), '|') END"""
NUMBER = f"""CASE WHEN {_IS_NUMBER} THEN {{json}}
    WHEN regexp_full_match({{json}}, '"-?[0-9][0-9.eE+-]{{{{0,31}}}}"') THEN {_TEXT} END"""
INTEGER = "CASE WHEN regexp_full_match({json}, '-?[0-9]{{1,18}}') THEN {json} END"
PRICE = f"""CASE WHEN starts_with({{json}}, '\"')
    THEN left(regexp_replace({_TEXT}, '^\\s+|\\s+$', '', 'g'), {MAX_PRICE_CHARACTERS})
    WHEN {_IS_NUMBER} THEN {{json}} END"""
TEXT_LISTS = f"""CASE WHEN starts_with({{json}}, '[') AND {_IS_SHORT}
    THEN array_to_string(from_json(json_extract({{json}}, '$[0]'), '["VARCHAR"]'), '|') END"""
"""Value types: SQL for the text of the value whose JSON is {json}, null where the value is of another type.

NUMBER is a number, or a text with one. TEXT_LIST is a list of texts, joined by |; TEXT_LISTS a list of such lists, of
which the first is read. PRICE is a number or a text, which is cut: some are pages of markup.
"""

_RULES = {
    TEXT: f"a text in quotes of at most {MAX_TEXT_BYTES:,} bytes",
    TEXT_LIST: "a list of texts",
    TEXT_LISTS: "a list of lists of texts",
    NUMBER: "a number",
    INTEGER: "a whole number",
    PRICE: "a number or a text",
}
"""What a value of each type is, for messages; all others are times."""

_SHOWN_CHARACTERS = 40

_RFC_DATE = f"try_strptime(regexp_replace({_TEXT}, ' (GMT|UTC|Z)$', ' +0000'), '%a, %d %b %Y %H:%M:%S %z')"

_DIGITS_IN = {"seconds": "{digits} || '000'", "milliseconds": "{digits}"}
_DIGITS_IN |= {
    unit: f"coalesce(nullif(left({{digits}}, -{digits}), ''), '0')"
    for unit, digits in (("microseconds", 3), ("nanoseconds", 6))
}


def time_type(export: Export, key: str, *, documented_unit: str) -> str:
    """SQL for the milliseconds since 1970 UTC of a number, or of a text with a number, an ISO 8601 time or an RFC date.

    The unit of numbers is decided from the first records by plausibility; `json_rows` checks all others.
    """
    unit = plausible_unit([record.get(key) for record in export.head_records], now=export.now)  # type: ignore[misc]
    if unit and unit != documented_unit:
        export.assume(f"{key} is in {unit} since 1970")
    scaled = _DIGITS_IN[unit or documented_unit]
    number = scaled.format(digits="{json}")
    fraction = scaled.format(digits="split_part({json}, '.', 1)")
    if (unit or documented_unit) == "seconds":
        fraction = "split_part({json}, '.', 1) || left(split_part({json}, '.', 2) || '000', 3)"
    quoted = scaled.format(digits=_TEXT)
    return f"""CASE WHEN regexp_full_match({{json}}, '-?[0-9]{{{{1,18}}}}') THEN {number}
        WHEN regexp_full_match({{json}}, '-?[0-9]{{{{1,18}}}}[.][0-9]+') THEN {fraction}
        WHEN starts_with({{json}}, '"') AND regexp_full_match({_TEXT}, '-?[0-9]{{{{1,18}}}}') THEN {quoted}
        WHEN starts_with({{json}}, '"') THEN CAST(
            epoch_ms(coalesce(TRY_CAST({_TEXT} AS TIMESTAMPTZ), {_RFC_DATE})) AS VARCHAR) END"""


class _TimeCheck:
    """Checks that no time of a file is plausible in another unit than the one decided."""

    def __init__(self, key: str, export: Export) -> None:
        self._key = key
        self._now = export.now
        self._first = Examples()
        self._has_plausible = False

    def add(self, times: pa.Array) -> None:
        """RefusedInput where some of these milliseconds are times in another unit."""
        times = times.drop_null()
        is_usual = pc.is_in(pc.utf8_length(times), value_set=pa.array([12, 13], pa.int32()))
        self._has_plausible = self._has_plausible or bool(pc.any(is_usual).as_py())
        odd = times.filter(pc.invert(is_usual))
        if not len(odd):
            return
        self._first.add(odd)
        unit = plausible_unit([float(text) for text in odd.to_pylist()], now=self._now)
        if unit and unit != "milliseconds":
            raise mixed_units([*map(str, odd.slice(0, 2).to_pylist())], ["milliseconds", unit], name=self._key)

    def finish(self) -> None:
        """RefusedInput where no time of the file is plausible."""
        if self._first.count and not self._has_plausible:
            raise implausible(self._first, name=self._key)


_BLOCK_BYTES = 4 * 2**20
_BATCH_ROWS = 2**16
_LINES = pa.schema([("row_number", pa.int64()), ("text", pa.string())])
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class JsonRow:
    """How a line becomes a row: the type of each key's value, and the row's columns in SQL over those keys.

    A value may be null. A line is damaged if a value has another type or a key that is not `optional` is missing. With
    `reads_line`, the SQL may use `line`, the line as canonical JSON: no white space, one notation for each character.
    `time_key` is the key whose values must become plausible milliseconds in `reviewed_at`.
    """

    value_types: Mapping[str, str]
    columns: Mapping[str, str]
    optional: tuple[str, ...] = ()
    reads_line: bool = False
    time_key: str = ""

    @property
    def sql(self) -> str:
        """The query on a table `lines` (row_number, text), in the order of the lines."""
        json = {key: f"json[{position}]" for position, key in enumerate(self.value_types, start=1)}
        faults = ["json IS NULL"]
        faults += [f"{json[key]} IS NULL" for key in self.value_types if key not in self.optional]
        faults += [f"(\"{key}\" IS NULL AND {json[key]} <> 'null')" for key in self.value_types]
        error = self._error_sql(json)
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
            SELECT row_number, {error} AS read_error,
                {_joined(columns)}
            FROM checked"""

    def _error_sql(self, json: Mapping[str, str]) -> str:
        """SQL for the read_error of a row; evaluated for damaged rows only."""
        cases = ["WHEN json IS NULL THEN 'the line is not JSON'"]
        for key, value_type in self.value_types.items():
            found = json[key]
            if key not in self.optional:
                cases.append(f"WHEN {found} IS NULL THEN 'the key {key} is missing'")
            # Ids are not shown, and else only what has no blank: it may be a person's text.
            is_shown = f"regexp_full_match({found}, '\\S{{1,{_SHOWN_CHARACTERS}}}') AND {value_type != TEXT}"
            value = f"CASE WHEN {is_shown} THEN ' but ' || {found} ELSE '' END"
            rule = _RULES.get(value_type, "a number, an ISO 8601 time or an RFC date")
            cases.append(f"WHEN \"{key}\" IS NULL AND {found} <> 'null' THEN '{key} is not {rule}' || {value}")
        reason = f"{RejectionReason.DAMAGED_RECORD.value}{DETAILS_SEPARATOR}"
        return f"CASE WHEN damaged THEN '{reason}' || CASE {' '.join(cases)} END END"


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(parts)


def json_rows(export: Export, row: JsonRow) -> Iterator[pa.Table]:
    """A row for each line: `row_number` (the line number), `read_error` and the columns of `row`.

    RefusedInput as by `decompressed_chunks`, for a line longer than MAX_LINE_BYTES, and in a plain file for a last line
    without a line end; gzip has its own check for completeness.
    """
    import duckdb

    check = _TimeCheck(row.time_key, export) if row.time_key else None
    refusals: list[RefusedInput] = []
    lines = pa.RecordBatchReader.from_batches(_LINES, _lines(export, refusals))
    with duckdb.connect(config={"threads": 1, "temp_directory": ""}) as connection:
        connection.execute("SET TimeZone = 'UTC'")  # of ISO 8601 times without an offset
        connection.register("lines", lines)
        try:
            for batch in connection.sql(row.sql).to_arrow_reader(_BATCH_ROWS):
                if check:
                    check.add(batch["reviewed_at"])
                yield pa.Table.from_batches([batch])
        except (duckdb.Error, pa.ArrowException, OSError):
            if refusals:
                raise refusals[0] from None
            raise
    if check:
        check.finish()


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
    for chunk in json_line_chunks(export):
        pieces.append(chunk if pieces or first > 1 else chunk.removeprefix(_BYTE_ORDER_MARK))
        if sum(map(len, pieces)) < _BLOCK_BYTES:
            continue
        block = b"".join(pieces)
        end = block.rfind(b"\n") + 1
        if len(block) - end > MAX_LINE_BYTES:
            raise _too_long(first + block.count(b"\n"))
        yield first, _without_nan(block[:end])
        first += block.count(b"\n")
        pieces = [block[end:]]
    block = b"".join(pieces)
    if block and not block.endswith(b"\n"):
        line = first + block.count(b"\n")
        if _is_object(block[block.rfind(b"\n") + 1 :]):
            export.assume(f"the last record (line {line:,}) is complete although it has no line end")
        elif not compression_of(export.path):
            raise RefusedInput(
                f"the file looks cut: the last record (line {line:,}) has no line end; deliver it again."
            )
        block += b"\n"
    if block:
        yield first, _without_nan(block)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _without_nan(block: bytes) -> bytes:
    """The block with null for the NaN and Infinity that Python writes; texts that contain these words are unchanged."""
    if b"NaN" not in block and b"Infinity" not in block:
        return block
    return b"".join(map(_line_without_nan, block.splitlines(keepends=True)))


def _line_without_nan(line: bytes) -> bytes:
    if b"NaN" not in line and b"Infinity" not in line:
        return line
    constants: list[str] = []
    try:
        record = json.loads(line, parse_constant=constants.append)  # which returns None, and so null
    except (ValueError, RecursionError):
        return line
    return json.dumps(record).encode() + b"\n" if constants else line


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
