"""Records are counted from bytes alone, and quotes that would mislead a parser are refused."""

import codecs
import csv
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.storage.landing.guards.csv import MAX_RECORD_BYTES, csv_record_count

CHUNK = 2**20


def counted(content: bytes) -> int:
    return csv_record_count(io.BytesIO(content))


@pytest.mark.parametrize(
    ("content", "records"),
    [
        (b"a,b\n", 1),
        (b"a,b\n1,2\n3,4\n", 3),
        (b"a,b\r\n1,2\r\n", 2),
        (b"a,b\r1,2\r", 2),
        (b"\n\na,b\n\n\r\n1,2\n\n", 2),
        (codecs.BOM_UTF8 + b'"a",b\n1,2\n', 2),
        (codecs.BOM_UTF8 + b"\na,b\n", 1),
        (b'"a\nb","c\r\n"\n1,2\n', 2),
        (b'"a ""quoted"" cell",""""\n', 1),
        (b'"",""\n""\n', 2),
        (b'"""a\n"""\n', 1),
        (b" \n\t\n", 2),
        (b"x" * (CHUNK - 1) + b"\ny\n", 2),
        (b"x" * (CHUNK - 1) + b"\r\ny\r\n", 2),
        (b"x" * (CHUNK - 3) + b',"\ny"\n', 1),
        (b"x" * (CHUNK - 4) + b',"""\ny"\n', 1),
        (b"x" * (CHUNK - 5) + b',"y"\nz\n', 2),
    ],
)
def test_counts_records_with_header_without_blank_lines(content: bytes, records: int) -> None:
    assert counted(content) == records


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'a,b\n5" pipe,1\n', r"line 2 \(byte 5 .*quote inside a cell.*double each quote"),
        (b'a,b\n"5" pipe",1\n', r"line 2 \(byte 7 .*quote"),
        (b'a,b\n1, "2"\n', r"line 2 \(byte 7 .*quote"),
        (b'a,b\n"1,2\n"3",4\n', r"line 3 \(byte 10 .*quote"),
        (b'a,b\n"1" ,2\n', r"line 2 \(byte 7 .*quote"),
        (codecs.BOM_UTF8 + b'x"y\n', r"line 1 \(byte 4 .*quote"),
        (b"x" * (CHUNK - 4) + b',"y"z\n', rf"line 1 \(byte {CHUNK:,} .*quote"),
        (b"x" * (CHUNK - 5) + b',"y"z\n', rf"line 1 \(byte {CHUNK - 1:,} .*quote"),
        (b'a\n"' + b"x" * CHUNK + b"\n", r"line 2 \(byte 2 .*never closed"),
        (b"x" * CHUNK + b'"\n', rf"line 1 \(byte {CHUNK:,} .*quote"),
        (b'a,b\n1,"2\n', r"line 2 \(byte 6 .*never closed: the file looks cut; deliver it again"),
        (b'a\n"1\n2\n3\n', r"line 2 \(byte 2 .*never closed"),
        (b'a\n"1"""\n"\n', r"line 3 \(byte 8 .*never closed"),
        (b'a\n"1\n2', r"looks cut: the last record \(line 3\)"),
        (b'a\n"1"', r"looks cut: the last record \(line 2\)"),
        (b"a\n" + b"x" * MAX_RECORD_BYTES + b"\n", r"line 2 \(byte 2 .*longer than 4,194,304 bytes"),
        (b'a\n1\n"' + b"x\n" * MAX_RECORD_BYTES, r"line 3 \(byte 4 .*longer"),
    ],
)
def test_refuses_stray_quotes_with_line_and_byte(content: bytes, message: str) -> None:
    with pytest.raises(RefusedInput, match=message):
        counted(content)


cells = st.text(st.sampled_from('ab,"\n\r ₹'), max_size=6)


@settings(deadline=None)
@given(
    st.lists(st.lists(cells, min_size=2, max_size=4), min_size=1, max_size=8),
    # Python quotes a line end within a cell only where it is part of its own line end.
    st.sampled_from([("\r\n", csv.QUOTE_MINIMAL), *((end, csv.QUOTE_ALL) for end in ("\n", "\r\n", "\r"))]),
)
def test_counts_as_many_records_as_were_written(records: list[list[str]], form: tuple[str, Any]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator=form[0], quoting=form[1]).writerows(records)
    assert counted(text.getvalue().encode()) == len(records)


@settings(deadline=None)
@given(st.text(st.sampled_from('a,"\n'), max_size=12).map(lambda text: text + "\n"))
def test_the_count_agrees_with_a_strict_reader(text: str) -> None:
    try:
        expected = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
        rewritten = io.StringIO()
        csv.writer(rewritten, lineterminator="\n").writerows(expected)
    except csv.Error:
        with pytest.raises(RefusedInput):
            counted(text.encode())
        return
    try:
        assert counted(text.encode()) == len(expected)
    except RefusedInput:  # Python's strict reader lets a quote stand inside an unquoted cell
        assert any('"' in cell for row in expected for cell in row)
