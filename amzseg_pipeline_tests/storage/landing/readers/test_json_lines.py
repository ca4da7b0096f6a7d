"""Every line of JSON Lines becomes a row or a reader fault with its number.

Over 250 lines: every kind of value and of damage, on both queries.
"""

import gzip
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.reviews import RejectionReason
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.landing.readers.decompression import GZIP_MAGIC
from amzseg_pipeline.storage.landing.readers.json_lines import (
    INTEGER,
    MAX_LINE_BYTES,
    NUMBER,
    PRICE,
    TEXT,
    TEXT_LIST,
    JsonRow,
    json_rows,
    time_type,
)
from amzseg_pipeline.storage.landing.scan.export import Export

DAMAGED = RejectionReason.DAMAGED_RECORD.value
COLUMN_TYPES = {"id": TEXT, "stars": NUMBER, "time": INTEGER, "cost": PRICE, "places": TEXT_LIST}
ROW = JsonRow(
    value_types=COLUMN_TYPES,
    columns={name: f'"{name}"' for name in COLUMN_TYPES} | {"hash": "md5(line)"},
    optional=("cost", "places"),
    reads_line=True,
)
GOOD = {"id": "A", "stars": 4.5, "time": 12, "cost": "$1", "places": ["a", "b"], "text": "words"}

quick = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def rows_of(folder: Path, content: bytes, *, name: str = "a.jsonl") -> list[dict[str, Any]]:
    (folder / name).write_bytes(content)
    tables = list(json_rows(Export(folder / name, Settings(), "JSON Lines", ((),), now=0.0), ROW))
    return pa.concat_tables(tables).to_pylist() if tables else []


def row_of(folder: Path, line: bytes) -> dict[str, Any]:
    [row] = rows_of(folder, line + b"\n")
    return row


@pytest.mark.parametrize(
    ("key", "json_text", "text"),
    [
        *(
            ("id", json.dumps(text), text)
            for text in ("A", "é🙂", 'quo"te', "back\\slash", "a/b", "a\nb", " A ", "", "null")
        ),
        *(("id", text, value) for text, value in (('"\\u00e9\\/"', "é/"), ('"\\ud83d\\ude42"', "🙂"), ("null", None))),
        ("stars", '"5.0"', "5.0"),
        *(("stars", text, text) for text in ("5.0", "5", "-1", "0.0", "1000.0", "0.01")),
        *(("time", text, text) for text in ("0", "-1", "1588687728923", "999999999999999999")),
        *(("cost", json.dumps(text), text) for text in ("$12.99", "None", "from 14.99", "")),
        *(("cost", text, text) for text in ("12.99", "0.0", "7")),
        *(("cost", text, None) for text in ("null",)),
        ("cost", json.dumps("\n\t $1,250.00 \r\n"), "$1,250.00"),
        ("cost", json.dumps(".a{color:#fff}" * 1000), (".a{color:#fff}" * 5)[:64]),
        *(("places", text, value) for text, value in (('["a","b c"]', "a|b c"), ("[]", ""), ('["é\\n"]', "é\n"))),
        *(("places", text, None) for text in ("null",)),
    ],
)
def test_reads_a_value_of_the_right_type(tmp_path: Path, key: str, json_text: str, text: str | None) -> None:
    line = json.dumps({name: value for name, value in GOOD.items() if name != key})[:-1] + f', "{key}": {json_text}}}'
    row = row_of(tmp_path, line.encode())
    assert (row["read_error"], row[key]) == (None, text)


@pytest.mark.parametrize(
    ("key", "json_text"),
    [
        *(("id", text) for text in ("5", "true", '["A"]', '{"a": "A"}', '"\\u0000"', json.dumps("x" * 4096))),
        *(("stars", text) for text in ('"five"', "true", "[5]", "1" * 40)),
        *(("time", text) for text in ('"12"', "12.0", "1e3", "false", "{}", "1" * 19)),
        *(("cost", text) for text in ("true", "[1]", "{}")),
        *(("places", text) for text in ('"a"', "1", "{}", json.dumps(["x" * 4096]))),
    ],
)
def test_a_value_of_another_type_is_a_damaged_line(tmp_path: Path, key: str, json_text: str) -> None:
    line = json.dumps({name: value for name, value in GOOD.items() if name != key})[:-1] + f', "{key}": {json_text}}}'
    row = row_of(tmp_path, line.encode())
    error = row.pop("read_error")
    assert row == dict.fromkeys(row) | {"row_number": 1}
    assert error.startswith(f"{DAMAGED}; {key} is not a ")


@pytest.mark.parametrize("key", COLUMN_TYPES)
def test_a_missing_required_key_is_a_damaged_line(tmp_path: Path, key: str) -> None:
    row = row_of(tmp_path, json.dumps({name: value for name, value in GOOD.items() if name != key}).encode())
    assert row["read_error"] == (None if key in ROW.optional else f"{DAMAGED}; the key {key} is missing")
    assert row[key] is None


LINE = json.dumps(GOOD).encode()


@pytest.mark.parametrize(
    ("values", "details"),
    [
        ({"stars": "five"}, 'stars is not a number but "five"'),
        ({"stars": True}, "stars is not a number but true"),
        ({"stars": "a long text"}, "stars is not a number"),
        ({"time": 1.5, "stars": "?"}, 'stars is not a number but "?"'),
        ({"id": 12345}, "id is not a text in quotes of at most 4,096 bytes"),
        ({"id": {"name": "Ann"}}, "id is not a text in quotes of at most 4,096 bytes"),
    ],
)
def test_a_damaged_line_names_key_rule_and_value_but_no_id(
    tmp_path: Path, values: dict[str, Any], details: str
) -> None:
    row = row_of(tmp_path, json.dumps(GOOD | values).encode())
    assert row["read_error"] == f"{DAMAGED}; {details}"


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"{}",
        b"[]",
        b"null",
        b"5",
        b"garbage",
        LINE[:-1],
        LINE[:40],
        LINE + b" more",
        LINE + LINE,
        b"[" + LINE + b"]",
        LINE.replace(b"words", b"caf\xe9"),
        LINE.replace(b"words", b"nul\0"),
        LINE.replace(b"words", b"tab\t"),
        LINE.replace(b"words", b"\\x"),
        LINE.replace(b'"', b"'"),
        b"// a note",
        b"[" * 200_000,
        b'{"id":' * 100_000,
        b"\x1f\x8b\x08",
        b'"' + LINE.replace(b'"', b'\\"') + b'"',
    ],
)
def test_a_damaged_line_is_a_fault_at_its_number(tmp_path: Path, line: bytes) -> None:
    rows = rows_of(tmp_path, LINE + b"\n" + line + b"\n" + LINE + b"\r\n")
    assert [row["row_number"] for row in rows] == [1, 2, 3]
    error = rows[1].pop("read_error")
    assert error.startswith(f"{DAMAGED}; the ")
    assert set(rows[1].values()) == {2, None}
    assert rows[0]["read_error"] is rows[2]["read_error"] is None
    assert rows[0] | {"row_number": 3} == rows[2]


def test_the_line_hash_depends_only_on_content(tmp_path: Path) -> None:
    same = [LINE, LINE.replace(b": ", b":  "), LINE.replace(b"words", b"\\u0077ords"), b"  " + LINE + b"\r"]
    other = [LINE.replace(b"words", b"Words"), LINE[:-1] + b', "new": 1}', LINE.replace(b"12", b"13")]
    hashes = [row["hash"] for row in rows_of(tmp_path, b"\n".join([*same, *other]) + b"\n")]
    assert len(set(hashes[: len(same)])) == 1
    assert len(set(hashes[len(same) - 1 :])) == len(other) + 1
    assert all(len(found) == 32 for found in hashes)


@pytest.mark.parametrize("packed", [False, True])
def test_line_numbers_continue_across_blocks(tmp_path: Path, packed: bool) -> None:
    lines = [
        b"{broken"
        if number % 7 == 0
        else json.dumps(GOOD | {"id": f"A{number}", "text": f"é{number**20}" * 15}).encode()
        for number in range(1, 15_001)
    ]
    content = b"\n".join(lines) + b"\n"
    rows = rows_of(tmp_path, gzip.compress(content, 1) if packed else content)
    assert [row["row_number"] for row in rows] == list(range(1, 15_001))
    assert all(row["id"] == (None if row["row_number"] % 7 == 0 else f"A{row['row_number']}") for row in rows)


def test_ignores_a_byte_order_mark(tmp_path: Path) -> None:
    assert rows_of(tmp_path, b"\xef\xbb\xbf" + LINE + b"\n") == rows_of(tmp_path, LINE + b"\n")


def test_refuses_a_plain_file_without_a_last_line_end(tmp_path: Path) -> None:
    for rest in (LINE[:-1], LINE[:10], b" "):
        with pytest.raises(
            RefusedInput, match=r"looks cut: the last record \(line 3\) has no line end; deliver it again"
        ):
            rows_of(tmp_path, LINE + b"\n" + LINE + b"\n" + rest)


def test_reads_a_complete_last_line_without_a_line_end(tmp_path: Path) -> None:
    assert len(rows_of(tmp_path, LINE + b"\n" + LINE)) == 2


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_a_constant_that_is_not_json_is_null(tmp_path: Path, constant: str) -> None:
    line = LINE.replace(b"4.5", constant.encode()).replace(b"words", b"NaN: text")
    assert (row_of(tmp_path, line)["stars"], row_of(tmp_path, line)["read_error"]) == (None, None)


def test_reads_gzip_without_a_last_line_end(tmp_path: Path) -> None:
    assert len(rows_of(tmp_path, gzip.compress(LINE + b"\n" + LINE))) == 2


@pytest.mark.parametrize("length", [MAX_LINE_BYTES, MAX_LINE_BYTES + 1, 3 * MAX_LINE_BYTES])
def test_refuses_a_line_above_the_maximum_length(tmp_path: Path, length: int) -> None:
    line = json.dumps(GOOD | {"text": "x" * (length - 1 - len(json.dumps(GOOD | {"text": ""})))}).encode() + b"\n"
    assert len(line) == length
    for before, after in ((1, 1), (3, 0), (60_000, 2)):
        content = (LINE + b"\n") * before + line + (LINE + b"\n") * after
        if length > MAX_LINE_BYTES:
            with pytest.raises(RefusedInput, match=rf"line {before + 1:,} is longer than 4,194,304 bytes"):
                rows_of(tmp_path, content)
        else:
            assert len(rows_of(tmp_path, content)) == before + 1 + after


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([*COLUMN_TYPES, "x"]), inner, max_size=3)
    ),
    max_leaves=4,
)
objects = st.fixed_dictionaries({}, optional=dict.fromkeys((*COLUMN_TYPES, "text"), json_values))


@quick
@given(st.lists(st.one_of(objects, st.just(GOOD)), min_size=1, max_size=8))
def test_agrees_with_the_python_json_reader(tmp_path: Path, records: list[dict[str, Any]]) -> None:
    rows = rows_of(tmp_path, b"".join(json.dumps(record).encode() + b"\n" for record in records))
    for row, record in zip(rows, records, strict=True):
        surrogates = any(0xD800 <= ord(letter) <= 0xDFFF for letter in json.loads(json.dumps(str(record))))
        is_good = (
            {"id", "stars", "time"} <= set(record)
            and isinstance(record["id"], str | None)
            and (isinstance(record["stars"], int | float | None) or re.match("-?[0-9]", str(record["stars"])))
            and isinstance(record["time"], int | None)
            and isinstance(record.get("cost"), str | int | float | None)
            and isinstance(record.get("places"), list | None)
            and not any(isinstance(record.get(name), bool) for name in COLUMN_TYPES)
        )
        if row["read_error"] is None:
            assert is_good
            assert row["id"] == record["id"]
            assert row["time"] == (None if record["time"] is None else str(record["time"]))
            is_text = isinstance(record["stars"], str | None)
            assert row["stars"] == record["stars"] if is_text else float(row["stars"]) == record["stars"]
        elif is_good and not surrogates:
            assert (
                "\0" in str(record)
                or "\\x00" in repr(record)
                or abs(record["time"] or 0) >= 10**18
                or len(json.dumps(record["stars"])) > 32
                or len(json.dumps(record.get("cost"))) > 32
                or record.get("places")
            )


@quick
@given(
    st.lists(
        st.one_of(st.just(LINE), st.binary(max_size=12), objects.map(lambda record: json.dumps(record).encode())),
        max_size=8,
    ),
    st.binary(max_size=3),
    st.booleans(),
)
def test_any_bytes_are_refused_or_every_line_is_a_row(
    tmp_path: Path, lines: list[bytes], end: bytes, is_packed: bool
) -> None:
    content = b"\n".join(lines) + b"\n" + end
    packed = gzip.compress(content) if is_packed else content
    try:
        rows = rows_of(tmp_path, packed)
    except RefusedInput:
        assert not is_packed
        assert content.startswith(GZIP_MAGIC) or not content.endswith(b"\n")
        return
    text = content.removeprefix(b"\xef\xbb\xbf")
    numbered = {number: line for number, line in enumerate(text.split(b"\n"), start=1) if not _is_blank(line)}
    assert [row["row_number"] for row in rows] == list(numbered)
    for row in rows:
        assert numbered[row["row_number"]] != LINE or row["read_error"] is None


def _is_blank(line: bytes) -> bool:
    try:
        return not line.decode().strip()
    except UnicodeDecodeError:
        return False


@pytest.mark.parametrize("blank", [b"", b" ", b"\r", b"\t \r"])
def test_blank_lines_are_no_records(tmp_path: Path, blank: bytes) -> None:
    rows = rows_of(tmp_path, LINE + b"\n" + blank + b"\n" + LINE + b"\n" + blank + b"\n")
    assert [(row["row_number"], row["read_error"]) for row in rows] == [(1, None), (3, None)]


def test_of_equal_keys_the_first_counts(tmp_path: Path) -> None:
    for line in (LINE, LINE.replace(b"words", b"NaN")[:-1] + b', "x": NaN}'):
        row = row_of(tmp_path, line[:-1] + b', "id": "B", "stars": 1}')
        assert (row["id"], row["stars"], row["read_error"]) == ("A", "4.5", None)


TIME_UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}


def timed_rows(folder: Path, content: bytes, *, unit: str, usual: bool = True) -> list[dict[str, Any]]:
    """The rows of a format whose usual lines are read by the short query; without `usual`, by the complete one."""
    (folder / "a.jsonl").write_bytes(content)
    time = 1_588_687_728 * TIME_UNITS[unit]
    export = Export(folder / "a.jsonl", Settings(), "JSON Lines", ((),), now=2e9, head_records=({"time": time},))
    types = {"id": TEXT, "stars": NUMBER, "time": time_type(export, "time", documented_unit="milliseconds")}
    if not usual:
        types = {name: replace(value_type, is_usual="") for name, value_type in types.items()}
    columns = {"id": "id", "stars": "stars", "reviewed_at": "time"}
    tables = list(json_rows(export, JsonRow(types, columns, id_columns=("id",))))
    return pa.concat_tables(tables).to_pylist() if tables else []


usual_values = {
    "id": st.text(max_size=8) | st.none(),
    "stars": st.sampled_from([1, 5, 4.0, 3.5, "5.0", "five", None]),
    "time": st.integers(-(10**19) + 1, 10**19 - 1)
    | st.integers(-5000, 5000)
    | st.integers(788_918_400, 1_900_000_000)
    | st.sampled_from(["2020-05-05T14:08:48Z", "1588687728923.0", "x", None, 1588687728.5, -0.5]),
}


@quick
@example([{"id": "\0", "stars": 1, "time": 0}], "seconds")
@given(
    st.lists(st.fixed_dictionaries({}, optional=usual_values) | st.fixed_dictionaries(usual_values), max_size=6),
    st.sampled_from(list(TIME_UNITS)),
)
def test_both_queries_give_the_same_rows(tmp_path: Path, records: list[dict[str, Any]], unit: str) -> None:
    content = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    found = []
    for usual in (True, False):
        try:
            found.append(timed_rows(tmp_path, content, unit=unit, usual=usual))
        except RefusedInput as refusal:
            found.append([{"refusal": str(refusal)}])
    assert found[0] == found[1]


@pytest.mark.parametrize("unit", TIME_UNITS)
@pytest.mark.parametrize("form", ["{}", '"{}"', "{}.0", '"{}.0"'])
def test_reads_times_of_every_unit(tmp_path: Path, unit: str, form: str) -> None:
    texts = [form.format(second * TIME_UNITS[unit]) for second in (1_588_687_728, -5, 0)]
    content = "".join(f'{{"id": "A", "stars": 5, "time": {text}}}\n' for text in texts)
    rows = timed_rows(tmp_path, content.encode(), unit=unit)
    assert [row["read_error"] for row in rows] == [None] * 3
    assert [int(row["reviewed_at"]) for row in rows] == [1_588_687_728_000, -5000, 0]


@pytest.mark.parametrize("unit", TIME_UNITS)
def test_a_negative_fraction_of_a_millisecond_is_a_time(tmp_path: Path, unit: str) -> None:
    content = "".join(f'{{"id": "A", "stars": 5, "time": {time}}}\n' for time in (-1, -500, -1500, 1))
    content += f'{{"id": "A", "stars": 5, "time": {1_588_687_728 * TIME_UNITS[unit]}}}\n'
    assert all(int(row["reviewed_at"]) is not None for row in timed_rows(tmp_path, content.encode(), unit=unit))


@pytest.mark.parametrize(
    ("unit", "time", "message"),
    [
        ("seconds", 1_588_687_728_923, r"times are in seconds and in milliseconds \(line 2\)"),
        ("milliseconds", 1_588_687_728, r"times are in milliseconds and in seconds \(line 2\)"),
        ("microseconds", 1_588_687_728_923, r"times are in microseconds and in milliseconds \(line 2\)"),
        ("nanoseconds", 1_588_687_728_923_456, r"times are in nanoseconds and in microseconds \(line 2\)"),
        ("milliseconds", "1.58869E+12", "column time: times in scientific notation lost digits, such as '1.58869E"),
        ("milliseconds", '"1.58869E+12"', "column time: times in scientific notation lost digits, such as '1.58869E"),
    ],
)
def test_refuses_times_that_are_not_certain(tmp_path: Path, unit: str, time: object, message: str) -> None:
    content = "".join(
        f'{{"id": "A", "stars": 5, "time": {each}}}\n' for each in (1_588_687_728 * TIME_UNITS[unit], time)
    )
    with pytest.raises(RefusedInput, match=message):
        timed_rows(tmp_path, content.encode(), unit=unit)


def test_times_in_scientific_notation_with_all_digits_are_read(tmp_path: Path) -> None:
    texts = ("1.588687728923e12", '"1.588687728923e12"')
    content = "".join(f'{{"id": "A", "stars": 5, "time": {text}, "x": "\\"time\\": 1E5"}}\n' for text in texts)
    rows = timed_rows(tmp_path, content.encode(), unit="milliseconds")
    assert [row["reviewed_at"] for row in rows] == ["1588687728923"] * 2
