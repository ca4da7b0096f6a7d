"""JSON Lines: the values of keys become columns of text, an unreadable line becomes a reader fault.

Lines are read as text and parsed with DuckDB's JSON functions, several blocks of lines at a time. DuckDB's JSON reader
is not used: it turns a bad line into a row of nulls without naming the line.

A block is first read by a short query, which knows the usual form of each value. Only lines that it does not accept are
read by the query that knows all forms and gives the reason of a fault.

Over 250 lines: the search for line ends, the queries over lines and the faults of lines belong together.
"""

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.reviews import DETAILS_SEPARATOR, RejectionReason
from amzseg_pipeline.storage.engines.machine import cores, memory_limit_mib
from amzseg_pipeline.storage.landing.readers.decompression import compression_of
from amzseg_pipeline.storage.landing.readers.json_text import json_line_chunks
from amzseg_pipeline.storage.landing.readers.raw_text import MAX_PRICE_CHARACTERS, MAX_TEXT_BYTES
from amzseg_pipeline.storage.landing.scan.export import MAX_LINE_BYTES, Export
from amzseg_pipeline.storage.landing.values.column import Examples
from amzseg_pipeline.storage.landing.values.ids import check_ids
from amzseg_pipeline.storage.landing.values.times import (
    UNITS,
    implausible,
    is_plausible,
    mixed_units,
    plausible_unit,
    refuse_lost_digits,
)

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class ValueType:
    """SQL for the text of the value whose JSON is {json}, null where the value is of another type.

    `rule` says for messages what a value is. If `is_usual` is given and true, `usual` is the same text with less work.
    `unit` is that of the numbers of a time, whose text is milliseconds.
    """

    sql: str
    rule: str
    is_usual: str = ""
    usual: str = "{json}"
    unit: str = ""


_TEXT = "({json} ->> '$')"
_IS_SHORT = f"strlen({{json}}) <= {MAX_TEXT_BYTES} AND NOT contains({{json}}, '\\u0000')"
_IS_NUMBER = "regexp_full_match({json}, '-?[0-9][0-9.eE+-]{{0,31}}')"
_TEXTS = """CASE WHEN starts_with({{json}}, '[') AND {is_short}
    THEN array_to_string(from_json({found}, '["VARCHAR"]'), '|') END"""

TEXT = ValueType(
    f"CASE WHEN starts_with({{json}}, '\"') AND {_IS_SHORT} THEN {_TEXT} END",
    f"a text in quotes of at most {MAX_TEXT_BYTES:,} bytes",
    f"starts_with({{json}}, '\"') AND strlen({{json}}) <= {MAX_TEXT_BYTES} AND NOT contains({{json}}, '\\')",
    "{json}[2:-2]",
)
TEXT_LIST = ValueType(_TEXTS.format(is_short=_IS_SHORT, found="{json}"), "a list of texts")
TEXT_LISTS = ValueType(
    _TEXTS.format(is_short=_IS_SHORT, found="json_extract({json}, '$[0]')"), "a list of lists of texts"
)
NUMBER = ValueType(
    f"""CASE WHEN {_IS_NUMBER} THEN {{json}}
    WHEN regexp_full_match({{json}}, '"-?[0-9][0-9.eE+-]{{{{0,31}}}}"') THEN {_TEXT} END""",
    "a number",
    "{json} IN ('1.0', '2.0', '3.0', '4.0', '5.0', '1', '2', '3', '4', '5')",
)
INTEGER = ValueType("CASE WHEN regexp_full_match({json}, '-?[0-9]{{1,18}}') THEN {json} END", "a whole number")
PRICE = ValueType(
    f"""CASE WHEN starts_with({{json}}, '\"')
    THEN left(regexp_replace({_TEXT}, '^\\s+|\\s+$', '', 'g'), {MAX_PRICE_CHARACTERS})
    WHEN {_IS_NUMBER} THEN {{json}} END""",
    "a number or a text",
)
"""NUMBER is a number, or a text with one. TEXT_LIST is a list of texts, joined by |; TEXT_LISTS a list of such lists,
of which the first is read. PRICE is a number or a text, which is cut: some are pages of markup.
"""

_SHOWN_CHARACTERS = 40

_RFC_DATE = f"try_strptime(regexp_replace({_TEXT}, ' (GMT|UTC|Z)$', ' +0000'), '%a, %d %b %Y %H:%M:%S %z')"

_NUMBER = "-?[0-9]{{1,19}}([.][0-9]+)?|-?[0-9]([.][0-9]+)?[eE][+]?[0-9]{{1,2}}"
_NUMBER_TEXT = "trim({json}, '\"')"
_WHOLE = f"""CASE WHEN contains(lower({_NUMBER_TEXT}), 'e') THEN CAST(TRY_CAST({_NUMBER_TEXT} AS HUGEINT) AS VARCHAR)
    ELSE split_part({_NUMBER_TEXT}, '.', 1) END"""
_FRACTION = f"regexp_extract({_NUMBER_TEXT}, '^-?[0-9]+[.]([0-9]+)$', 1)"

_MILLISECONDS = {
    "seconds": ("{json} || '000'", f"({_WHOLE}) || left({_FRACTION} || '000', 3)"),
    "milliseconds": ("{json}", _WHOLE),
}
_MILLISECONDS |= {
    unit: (
        f"coalesce(nullif(left({{json}}, -{digits}), ''), '0')",
        f"CAST(CAST({_WHOLE} AS HUGEINT) // {10**digits} AS VARCHAR)",
    )
    for unit, digits in (("microseconds", 3), ("nanoseconds", 6))
}
"""SQL for the milliseconds of a whole number of a unit that is not negative, and for those of a number of any form."""


def time_type(export: Export, key: str, *, documented_unit: str) -> ValueType:
    """The milliseconds since 1970 UTC of a number, or of a text with a number, an ISO 8601 time or an RFC date.

    The unit of numbers is decided from the first records by plausibility; `json_rows` checks all others.
    """
    stated = export.mapping.time_unit if export.mapping else ""
    found = stated or plausible_unit([record.get(key) for record in export.head_records], now=export.now)  # type: ignore[misc]
    if found and found != documented_unit:
        export.assume(f"{key} is in {found} since 1970")
    unit = found or documented_unit
    whole, number = _MILLISECONDS[unit]
    every_form = f"""CASE WHEN regexp_full_match({_NUMBER_TEXT}, '{_NUMBER}') THEN {number}
        WHEN starts_with({{json}}, '"') THEN CAST(
            epoch_ms(coalesce(TRY_CAST({_TEXT} AS TIMESTAMPTZ), {_RFC_DATE})) AS VARCHAR) END"""
    is_whole = "regexp_full_match({json}, '[0-9]{{1,19}}')"
    return ValueType(every_form, "a number, an ISO 8601 time or an RFC date", is_whole, whole, unit)


class _TimeCheck:
    """Checks that no time of a file is plausible in another unit than the one decided."""

    def __init__(self, key: str, unit: str, *, now: float) -> None:
        self._key = key
        self._unit = unit
        self._now = now
        self._first = Examples()
        self._has_plausible = False

    def add(self, rows: pa.Table) -> None:
        """RefusedInput where some of the times of these rows are in another unit."""
        times = rows["reviewed_at"]
        is_usual = pc.is_in(pc.utf8_length(times), value_set=pa.array([12, 13], pa.int32()))
        self._has_plausible = self._has_plausible or bool(pc.any(is_usual).as_py())
        odd = rows.select(["row_number", "reviewed_at"]).filter(pc.and_(pc.is_valid(times), pc.invert(is_usual)))
        if not len(odd):
            return
        numbers = [int(text) * UNITS[self._unit] // 1000 for text in odd["reviewed_at"].to_pylist()]
        self._first.add(pa.array(map(str, numbers)))
        for unit in UNITS.keys() - {self._unit}:
            fits = np.flatnonzero(is_plausible(np.array(numbers, np.float64), unit, now=self._now))
            if len(fits):
                line = odd["row_number"][int(fits[0])].as_py()
                raise mixed_units(f"{self._unit} and in {unit} (line {line:,})", name=self._key)

    def finish(self) -> None:
        """RefusedInput where no time of the file is plausible."""
        if self._first.count and not self._has_plausible:
            raise implausible(self._first, name=self._key)


def _refuse_lost_digits(key: str, texts: pa.Array) -> None:
    """RefusedInput where a line has a time in scientific notation that lost digits, which the parser does not show."""
    pattern = rf'"{key}"\s*:\s*"?-?[0-9](\.[0-9]+)?[eE]'
    for line in texts.filter(pc.match_substring_regex(texts, pattern)).to_pylist():
        try:
            record = json.loads(line, parse_float=str, object_pairs_hook=_first_values)
        except (ValueError, RecursionError):
            continue
        refuse_lost_digits(str(record.get(key)), name=key)


_BLOCK_BYTES = 16 * 2**20
_MAX_THREADS = 8
"""More would wait for the thread that reads and decompresses, and each needs memory for a block."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class JsonRow:
    """How a line becomes a row: the type of each key's value, and the row's columns in SQL over those keys.

    A value may be null. A line is damaged if a value has another type or a key that is not `optional` is missing. With
    `reads_line`, the SQL may use `line`, the line as canonical JSON: no white space, one notation for each character.
    A time must be the column `reviewed_at`. `id_columns` are the columns whose ids must have kept their digits.
    """

    value_types: Mapping[str, ValueType]
    columns: Mapping[str, str]
    optional: tuple[str, ...] = ()
    reads_line: bool = False
    id_columns: tuple[str, ...] = ()

    @property
    def time_key(self) -> str:
        """The key of the time, "" for none."""
        return next((key for key, value_type in self.value_types.items() if value_type.unit), "")

    @property
    def usual_sql(self) -> str:
        """The query on a table `lines` (row_number, text) that sets `is_usual` where a row is right; "" if none is."""
        if not all(value_type.is_usual for value_type in self.value_types.values()):
            return ""
        json = self._json()
        checks = " AND ".join(
            value_type.is_usual.format(json=json[key]) for key, value_type in self.value_types.items()
        )
        values = (
            f'{value_type.usual.format(json=json[key])} AS "{key}"' for key, value_type in self.value_types.items()
        )
        columns = (f"{sql} AS {name}" for name, sql in self.columns.items())
        return f"""
            WITH parsed AS ({self._parsed_sql}), usual AS (
                SELECT row_number, line, coalesce({checks}, false) AS is_usual, {_joined(values)} FROM parsed
            )
            SELECT row_number, is_usual, {_joined(columns)} FROM usual"""

    @property
    def sql(self) -> str:
        """The query on a table `lines` (row_number, text) for every line, with its `read_error`."""
        json = self._json()
        faults = ["json IS NULL"]
        faults += [f"{json[key]} IS NULL" for key in self.value_types if key not in self.optional]
        faults += [f"(\"{key}\" IS NULL AND {json[key]} <> 'null')" for key in self.value_types]
        error = self._error_sql(json)
        typed = (f'{value_type.sql.format(json=json[key])} AS "{key}"' for key, value_type in self.value_types.items())
        columns = (f"CASE WHEN NOT damaged THEN {sql} END AS {name}" for name, sql in self.columns.items())
        return f"""
            WITH parsed AS ({self._parsed_sql}), typed AS (
                SELECT *, {_joined(typed)}
                FROM parsed
            ), checked AS (
                SELECT *, coalesce({" OR ".join(faults)}, false) AS damaged FROM typed
            )
            SELECT row_number, {error} AS read_error,
                {_joined(columns)}
            FROM checked"""

    def _json(self) -> dict[str, str]:
        return {key: f"json[{position}]" for position, key in enumerate(self.value_types, start=1)}

    @property
    def _parsed_sql(self) -> str:
        line = "TRY(json(text))" if self.reads_line else "NULL"
        paths = _joined(f"'$.{key}'" for key in self.value_types)
        return f"""SELECT row_number, {line} AS line, CAST(TRY(json_extract(text, [{paths}])) AS VARCHAR[]) AS json
                FROM lines"""

    def _error_sql(self, json: Mapping[str, str]) -> str:
        """SQL for the read_error of a row; evaluated for damaged rows only."""
        cases = ["WHEN json IS NULL THEN 'the line is not JSON'"]
        for key, value_type in self.value_types.items():
            found = json[key]
            if key not in self.optional:
                cases.append(f"WHEN {found} IS NULL THEN 'the key {key} is missing'")
            # Ids are not shown, and else only what has no blank: it may be a person's text.
            is_shown = f"regexp_full_match({found}, '\\S{{1,{_SHOWN_CHARACTERS}}}') AND {value_type.rule != TEXT.rule}"
            value = f"CASE WHEN {is_shown} THEN ' but ' || {found} ELSE '' END"
            cases.append(
                f"WHEN \"{key}\" IS NULL AND {found} <> 'null' THEN '{key} is not {value_type.rule}' || {value}"
            )
        reason = f"{RejectionReason.DAMAGED_RECORD.value}{DETAILS_SEPARATOR}"
        return f"CASE WHEN damaged THEN '{reason}' || CASE {' '.join(cases)} END END"


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(parts)


def json_rows(export: Export, row: JsonRow) -> Iterator[pa.Table]:
    """A row for each line that is not blank: `row_number` (the line number), `read_error` and the columns of `row`.

    RefusedInput as by `decompressed_chunks`, for a line longer than MAX_LINE_BYTES, and in a plain file for a last line
    without a line end; gzip has its own check for completeness.
    """
    import duckdb

    time_key = row.time_key
    check = _TimeCheck(time_key, row.value_types[time_key].unit, now=export.now) if time_key else None
    threads = min(export.settings.threads or cores(), _MAX_THREADS)
    memory = f"{memory_limit_mib(export.settings.memory_limit_mib)}MiB"
    with (
        duckdb.connect(config={"threads": 1, "temp_directory": "", "memory_limit": memory}) as connection,
        ThreadPoolExecutor(threads) as pool,
    ):
        pending: deque[Future[pa.Table]] = deque()
        blocks = _blocks_of_lines(export)
        while True:
            while len(pending) <= threads and (block := next(blocks, None)):
                pending.append(pool.submit(_rows_of_block, row, connection.cursor(), *block))
            if not pending:
                break
            rows = pending.popleft().result()
            if check:
                check.add(rows)
            check_ids(rows, {name: row.columns[name] for name in row.id_columns})
            yield rows
    if check:
        check.finish()


def _rows_of_block(row: JsonRow, connection: "duckdb.DuckDBPyConnection", first: int, block: bytes) -> pa.Table:
    connection.execute("SET TimeZone = 'UTC'")  # of ISO 8601 times without an offset
    texts = _texts(block, first=first)
    if row.reads_line:
        texts = _without_nan(texts)
    lines = pa.table({"row_number": np.arange(first, first + len(texts)), "text": texts})
    if not row.usual_sql:
        return _all_forms(row, connection, lines)
    usual = _query(row.usual_sql, connection, lines)
    is_usual = usual["is_usual"]
    usual = usual.drop_columns("is_usual").add_column(1, "read_error", pa.nulls(len(usual), pa.string()))
    if pc.all(is_usual).as_py():
        return usual
    others = _all_forms(row, connection, lines.filter(pc.invert(is_usual)))
    return pa.concat_tables([usual.filter(is_usual), others]).sort_by("row_number")


def _all_forms(row: JsonRow, connection: "duckdb.DuckDBPyConnection", lines: pa.Table) -> pa.Table:
    texts = lines["text"].combine_chunks()
    is_blank = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(texts), ""), False)
    if pc.any(is_blank).as_py():
        lines = lines.filter(pc.invert(is_blank))
        texts = lines["text"].combine_chunks()
    if row.time_key:
        _refuse_lost_digits(row.time_key, texts)
    texts = _without_nan(texts)
    return _query(row.sql, connection, lines.set_column(1, "text", texts))


def _query(sql: str, connection: "duckdb.DuckDBPyConnection", lines: pa.Table) -> pa.Table:
    connection.register("lines", lines)
    return connection.sql(sql).to_arrow_table()


def _blocks_of_lines(export: Export) -> Iterator[tuple[int, bytes]]:
    """The text in blocks of complete lines, without a byte order mark, each with the number of its first line."""
    first, size = 1, 0
    pieces: list[bytes] = []
    for chunk in json_line_chunks(export):
        pieces.append(chunk if pieces or first > 1 else chunk.removeprefix(_BYTE_ORDER_MARK))
        size += len(pieces[-1])
        if size < _BLOCK_BYTES:
            continue
        end = pieces[-1].rfind(b"\n") + 1
        if not end:  # the rest of a long line
            pieces = [b"".join(pieces)]
            end = pieces[-1].rfind(b"\n") + 1
        rest, pieces[-1] = pieces[-1][end:], pieces[-1][:end]
        block = b"".join(pieces)
        if len(rest) > MAX_LINE_BYTES:
            raise _too_long(first + _line_ends(block))
        yield first, block
        first += _line_ends(block)
        pieces, size = [rest], len(rest)
    block = b"".join(pieces)
    if block and not block.endswith(b"\n"):
        line = first + _line_ends(block)
        if _is_object(block[block.rfind(b"\n") + 1 :]):
            export.assume(f"the last record (line {line:,}) is complete although it has no line end")
        elif not compression_of(export.path):
            raise RefusedInput(
                f"the file looks cut: the last record (line {line:,}) has no line end; deliver it again."
            )
        block += b"\n"
    if block:
        yield first, block


def _line_ends(block: bytes) -> int:
    return int(np.count_nonzero(np.frombuffer(block, np.uint8) == ord("\n")))


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _without_nan(texts: pa.Array) -> pa.Array:
    """The lines with null for the NaN and Infinity that Python writes; texts that contain these words are unchanged."""
    has_constant = pc.or_(pc.match_substring(texts, "NaN"), pc.match_substring(texts, "Infinity"))
    if not pc.any(has_constant).as_py():
        return texts
    return pa.array([line and _line_without_nan(line) for line in texts.to_pylist()], pa.string())


def _line_without_nan(line: str) -> str:
    if "NaN" not in line and "Infinity" not in line:
        return line
    constants: list[str] = []
    try:
        record = json.loads(  # append returns None, and so null
            line, parse_constant=constants.append, object_pairs_hook=_first_values
        )
    except (ValueError, RecursionError):
        return line
    return json.dumps(record) if constants else line


def _first_values(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """The object of these keys; of equal ones the first counts, as for DuckDB."""
    found: dict[str, object] = {}
    for key, value in pairs:
        found.setdefault(key, value)
    return found


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
