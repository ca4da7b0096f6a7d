"""Shapes that people's exports have: what is read and what is assumed, and what must still be refused.

Over 250 lines: a table of cases.
"""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline_tests.storage.landing.synthetic_exports import (
    canonical_csv,
    csv_of,
    item_2018,
    item_2023,
    json_lines,
    landing_zone,
    parquet,
    raw_rows,
    review_2018,
    review_2023,
    reviews_read,
    sales_csv,
    sales_row,
    xlsx_of,
)

MAY_2020 = 1_588_687_728


def read(folder: Path, content: bytes) -> tuple[list[dict[str, Any]], str]:
    """The raw rows and what was assumed."""
    raw = reviews_read(landing_zone(folder, {"export": content}))
    return raw_rows(raw), "\n".join(raw.batches[0].assumptions)


def canonical(*rows: Mapping[str, str], delimiter: str = ",") -> bytes:
    base = {"user_id": "U1", "item_id": "I1", "rating": "4", "paid_price": "5", "currency": "USD", "review_id": "R"}
    return csv_of([base | {"review_id": f"R{number}"} | row for number, row in enumerate(rows)], delimiter=delimiter)


def column(folder: Path, name: str, values: list[str], *, delimiter: str = ",") -> tuple[list[str | None], str]:
    rows, assumed = read(folder, canonical(*({name: value} for value in values), delimiter=delimiter))
    return [row[name] for row in rows], assumed


READ = [
    ("paid_price", ["1.234,50", "12,5"], ["1234.50", "12.5"], "decimal commas"),
    ("paid_price", ["1,234.50", "12.5"], ["1,234.50", "12.5"], ""),
    ("paid_price", ["$1,234", "$12.50"], ["$1,234", "$12.50"], ""),
    ("paid_price", ["1,234", "2,345"], ["1,234", "2,345"], ""),
    ("paid_price", ["12,34,567.5", "5"], ["12,34,567.5", "5"], ""),
    ("paid_price", ["5 USD", "US$ 6.50"], ["$5", "$6.50"], "names its currency in letters"),
    ("paid_price", ["$\u00a05.00", "6"], ["$5.00", "6"], ""),
    ("paid_price", ["19.990000000000002", "5"], ["19.99", "5"], "rounded to two decimals"),
    ("paid_price", ["1 234,50 $", "12,5"], ["$1234.50", "12.5"], "decimal commas"),
    ("paid_price", ["1'234.50", "12.5"], ["1234.50", "12.5"], ""),
    ("rating", ["4,5", "3"], ["4.5", "3"], "decimal commas"),
    ("rating", ["4.0 out of 5 stars", "3"], ["4.0", "3"], "rating has words"),
    ("rating_count", ["57303.0", "1,234"], ["57303", "1,234"], "counts as decimal numbers"),
    ("discount_percent", ["0.65", "0.4"], ["65", "40"], "fraction of 1"),
    ("discount_percent", ["65%", "40 %"], ["65%", "40 %"], ""),
    ("discount_percent", ["65", "40"], ["65", "40"], ""),
    ("reviewed_at", [f"{MAY_2020}", f"{MAY_2020 + 1}"], [f"{MAY_2020}000", f"{MAY_2020 + 1}000"], "in seconds"),
    ("reviewed_at", [f"{MAY_2020}.5", f"{MAY_2020}.0"], [f"{MAY_2020}500", f"{MAY_2020}000"], "in seconds"),
    ("reviewed_at", [f"{MAY_2020}923", "-5"], [f"{MAY_2020}923", "-5"], ""),
    ("reviewed_at", [f"{MAY_2020}923456", f"{MAY_2020}000000"], [f"{MAY_2020}923", f"{MAY_2020}000"], "microseconds"),
    ("reviewed_at", [f"{MAY_2020}923456789"], [f"{MAY_2020}923"], "nanoseconds"),
    ("reviewed_at", ["1.588687728923e12"], ["1588687728923"], ""),
    ("reviewed_at", ["05/13/2020", "01/02/2020"], ["1589328000000", "1577923200000"], "MM/DD/YYYY"),
    ("reviewed_at", ["13/05/2020", "01/02/2020"], ["1589328000000", "1580515200000"], "DD/MM/YYYY"),
    ("reviewed_at", ["13.05.2020 14:08"], ["1589378880000"], "DD/MM/YYYY"),
    ("reviewed_at", ["05/13/2020 2:08 PM"], ["1589378880000"], "MM/DD/YYYY"),
    ("reviewed_at", ["2020-05-05 14:08:48 UTC"], ["1588687728000"], ""),
    ("reviewed_at", ["Tue, 05 May 2020 14:08:48 +0000"], ["1588687728000"], ""),
    ("reviewed_at", ["2020/05/05"], ["1588636800000"], ""),
    ("reviewed_at", ["2020-05-05 14:08:48 -0700"], ["1588712928000"], ""),
    ("user_id", ["12345.0", "12346.0"], ["12345", "12346"], "read without .0"),
]


@pytest.mark.parametrize(("name", "values", "texts", "assumption"), READ)
def test_reads_a_column(tmp_path: Path, name: str, values: list[str], texts: list[str], assumption: str) -> None:
    found, assumed = column(tmp_path, name, values)
    assert found == texts
    assert assumption in assumed
    assert assumption or not assumed, assumed


REFUSED = [
    ("paid_price", ["12,50", "12.50"], ",", r"paid_price: decimal commas \('12,50'\) and points \('12.50'\)"),
    ("paid_price", ["1.234", "2.345"], ",", "thousands or decimals cannot be decided, such as '1.234', '2.345'"),
    ("paid_price", ["1,234", "2,345"], ";", "thousands or decimals cannot be decided, such as '1,234', '2,345'"),
    ("paid_price", ["?5", "6"], ",", r"the currency symbol was lost before '\?5'"),
    ("paid_price", ["free", "n/a"] * 10, ",", "no value is an amount of money .*'free', 'n/a'"),
    ("rating", ["good", "bad"] * 10, ",", "no value is a rating from 1 to 5, such as 'good', 'bad'"),
    ("discount_percent", ["65%", "0.4"], ",", r"percentages \('65%'\) and fractions \('0.4'\)"),
    ("discount_percent", ["1", "0"], ",", "whether 1 is 1% or 100%"),
    ("reviewed_at", [f"{MAY_2020}", f"{MAY_2020}000"], ",", "times are in seconds .* and in milliseconds"),
    ("reviewed_at", ["20200505"], ",", "no number is a time between 1995"),
    ("reviewed_at", ["12345", "6"], ",", "no number is a time between 1995 and a year from now"),
    ("reviewed_at", ["1.58869E+12"], ",", "times in scientific notation lost digits, such as '1.58869E"),
    ("reviewed_at", ["05/06/2020", "01/02/2020"], ",", "day and month cannot be told apart in any date"),
    ("reviewed_at", ["13/05/2020", "05/13/2020"], ",", "the day first .* and the month first"),
    ("user_id", ["2.02400E+14", "A"], ",", "ids in scientific notation merge different ids"),
    ("item_id", ["2.024e+14", "A"], ",", "column item_id: ids in scientific notation"),
    ("user_id", ["2,02400E+14", "A"], ";", "column user_id: ids in scientific notation merge different ids"),
    ("user_id", ["2.024E14", "A"], ",", "column user_id: ids in scientific notation merge different ids"),
    ("review_id", ["2.024e+14", "A"], ",", "column review_id: ids in scientific notation"),
    ("user_id", ["12345678901234567.0"], ",", "ids as decimal numbers lost digits"),
]


@pytest.mark.parametrize(("name", "values", "delimiter", "message"), REFUSED)
def test_refuses_a_column_that_is_not_certain(
    tmp_path: Path, name: str, values: list[str], delimiter: str, message: str
) -> None:
    with pytest.raises(RefusedInput, match=message):
        column(tmp_path, name, values, delimiter=delimiter)


LOST = review_2023(1, user_id="2.02400E+14")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (json_lines([review_2023(1, user_id="2.02400E+14")]), "user_id"),
        (json_lines([review_2018(1, reviewerID="2.02400E+14")]), "reviewerID"),
        (parquet([review_2023(1, user_id="2.02400E+14")]), "user_id"),
        (parquet([review_2023(1, parent_asin="2.02400E+14")]), "parent_asin"),
        (parquet([*(review_2023(number, user_id=str(number)) for number in range(2000)), LOST]), "user_id"),
        (sales_csv([{"user_id": "2.02400E+14,A"}]), "user_id"),
        (json_lines([item_2018(asin="2.02400E+14")]), "asin"),
        (json_lines([item_2023(parent_asin="2.02400E+14")]), "parent_asin"),
        (parquet([item_2023(details="", parent_asin="2.02400E+14")]), "parent_asin"),
    ],
)
def test_refuses_ids_in_scientific_notation_in_every_format(tmp_path: Path, content: bytes, name: str) -> None:
    with pytest.raises(RefusedInput, match=f"column {name}: ids in scientific notation merge different ids"):
        read(tmp_path, content)


def test_ids_that_only_resemble_numbers_are_read(tmp_path: Path) -> None:
    ids = ["5E14", "12E3", "0E+1X", "1.2.3"]
    assert column(tmp_path, "user_id", ids) == (ids, "")


def test_a_value_unlike_its_column_stays_unreadable(tmp_path: Path) -> None:
    texts, _ = column(tmp_path, "paid_price", ["12,50", "1,234"])
    assert texts == ["12.50", "unreadable 1,234"]
    texts, _ = column(tmp_path, "paid_price", ["12.50", "1.234", "1 23", "1'2", "1 234'567"])
    assert texts == ["12.50", *(f"unreadable {text}" for text in ("1.234", "1 23", "1'2", "1 234'567"))]
    texts, _ = column(tmp_path, "paid_price", ["12,50", "1.23,5", "1.2.3,50"])
    assert texts == ["12.50", "unreadable 1.23,5", "unreadable 1.2.3,50"]
    for name, text in (("rating_count", "57303.5"), ("rating", "4.5 out of 10"), ("discount_percent", "6 5")):
        assert column(tmp_path, name, [text, "5"])[0][0] == text


SHOP = sales_csv([{}, {}])
HEADER, *RECORDS = SHOP.splitlines(keepends=True)


@pytest.mark.parametrize(
    ("content", "assumption"),
    [
        (SHOP.decode().encode("utf-16"), "the text is UTF-16"),
        (b"\xef\xbb\xbf" + SHOP, ""),
        (SHOP.decode().replace("₹", "€").replace("🙂", "ü").encode("cp1252"), "the text is Windows-1252"),
        (SHOP.replace(b"product_id", b"Product ID", 1), "columns are Product ID as product_id"),
        (pa.compress(SHOP, codec="zstd", asbytes=True), ""),
        (xlsx_of([sales_row(1), sales_row(2)]), ""),
        (
            csv_of([sales_row(1, actual_price="₹1,099.50"), sales_row(2)], delimiter=";"),
            "semicolons separate the values",
        ),
        (csv_of([sales_row(1), sales_row(2)], delimiter="|"), "vertical bars separate the values"),
    ],
    ids=["utf-16", "mark", "windows", "header", "zstd", "xlsx", "semicolons", "bars"],
)
def test_reads_the_sales_dataset_in_another_shape(tmp_path: Path, content: bytes, assumption: str) -> None:
    rows, assumed = read(tmp_path, content)
    assert [row["user_id"] for row in rows] == ["U2", "U3", "U4", "U5"]
    assert {row["paid_price"].strip("₹€") for row in rows} == {"399"}
    assert assumption in assumed


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (SHOP.replace(b"Good", b"Go\xffd"), "0xFF is not UTF-8"),
        (SHOP.decode().encode("utf-16")[:-1], "damaged or cut UTF-16|looks cut"),
        (pa.compress(SHOP * 100, codec="zstd", asbytes=True)[:-9], "the zstd file is damaged or cut"),
        (SHOP[:-1], "has no line end"),
        (SHOP.replace(b"user_id", b"user_idd"), "'user_idd' may be meant as 'user_id'"),
        (
            csv_of([sales_row(1)], delimiter=";").partition(b"\n")[0] + b"\n" + b"".join(RECORDS),
            "a quote inside a cell that is not quoted",
        ),
        (b"index," + HEADER + b"".join(RECORDS), "no record can be read"),
        (xlsx_of([sales_row(1)])[:-40], r"the workbook \(or zip file\) is damaged or cut"),
    ],
    ids=["utf-8", "cut utf-16", "cut zstd", "cut csv", "misspelt", "delimiters", "index", "cut xlsx"],
)
def test_refuses_a_damaged_file_in_spite_of_tolerances(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(RefusedInput, match=message):
        read(tmp_path, content)


REVIEWS = [review_2023(number) for number in range(1, 4)]
ARRAY = json.dumps(REVIEWS).encode()


@pytest.mark.parametrize(
    "content",
    [
        ARRAY,
        json.dumps(REVIEWS, indent=2).encode(),
        b"\xef\xbb\xbf" + ARRAY + b"\n",
        "\n".join(json.dumps(review, indent=1) for review in REVIEWS).encode(),
        pa.compress(ARRAY, codec="zstd", asbytes=True),
        json_lines(REVIEWS)[:-1],
        json_lines(review | {"timestamp": float(review["timestamp"])} for review in REVIEWS),
        json_lines(review | {"timestamp": review["timestamp"] * 1000} for review in REVIEWS),
        json_lines(review | {"timestamp": str(review["timestamp"])} for review in REVIEWS),
        json_lines(review | {"timestamp": review["timestamp"] / 1000} for review in REVIEWS),
        json_lines(review | {"helpful_vote": float("nan")} for review in REVIEWS),
        json_lines(REVIEWS).decode().encode("utf-16"),
        json.dumps(REVIEWS).encode("utf-16-le"),
        gzip.compress(json_lines(REVIEWS).decode().encode("utf-16")),
        json_lines([REVIEWS[0] | {"text": "x" * 2**21}, *REVIEWS[1:]]),
        json.dumps([REVIEWS[0] | {"text": "x" * 2**21}, *REVIEWS[1:]], indent=1).encode(),
        "".join(f"{REVIEWS[number] | {'text': 'x' * 2**21}}\n" for number in range(3)).encode(),
        "\n".join(map(str, REVIEWS)).encode(),
        csv_of([{name: str(value) for name, value in review.items()} for review in REVIEWS]),
        parquet([review | {"timestamp": review["timestamp"] * 1000} for review in REVIEWS]),
    ],
    ids=[
        *("array", "indented", "mark", "objects", "zstd", "no end", "floats", "µs", "texts", "float seconds", "NaN"),
        *("UTF-16", "array in UTF-16", "UTF-16 in gzip", "long record", "long object", "long literals"),
        *("literals without end", "csv", "parquet µs"),
    ],
)
def test_reads_2023_in_another_shape(tmp_path: Path, content: bytes) -> None:
    rows, _ = read(tmp_path, content)
    assert [(row["user_id"], row["item_id"], row["reviewed_at"]) for row in rows] == [
        (f"A{number}", f"B{number:09d}", str(1_588_687_728_923 + number)) for number in range(1, 4)
    ]
    assert [row["review_id"] for row in rows] == [f"{row['item_id']}@{row['reviewed_at']}" for row in rows]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ARRAY[:-1], "the JSON array looks cut: it is not closed after object 3"),
        (ARRAY[:-20], "object 3 of the JSON array is damaged or cut"),
        (ARRAY + b"[", "text follows the end of the JSON array"),
        (json_lines(REVIEWS)[:-9], "looks cut"),
        ("\n".join(map(str, REVIEWS)).encode()[:-9], r"looks cut: the last record \(line 3\) has no line end"),
        (json_lines(REVIEWS).decode().encode("utf-16")[:-1], "damaged or cut UTF-16"),
        (b"[]", "no JSON object .* at the start of the file"),
        (b"[1, 2]\n", "no JSON object .* at the start of the file"),
        (json_lines([review_2023(1, text="x" * 2**23)]), "no JSON object of at most 4,194,304 bytes is at the start"),
        (json_lines([*REVIEWS, review_2023(4, timestamp=MAY_2020)]), "in seconds and in milliseconds"),
        (json_lines(review_2023(number, timestamp=number) for number in (1, 2)), "no number is a time between 1995"),
        (parquet([*REVIEWS, review_2023(4, timestamp=MAY_2020)]), "in seconds and in milliseconds"),
    ],
)
def test_refuses_damaged_or_mixed_json(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(RefusedInput, match=message):
        read(tmp_path, content)


@pytest.mark.parametrize(
    ("time", "milliseconds"),
    [
        (MAY_2020 + 0.5, f"{MAY_2020}500"),
        ("Tue, 05 May 2020 14:08:48 +0000", f"{MAY_2020}000"),
        ("Tue, 05 May 2020 14:08:48 GMT", f"{MAY_2020}000"),
        ("2020-05-05T14:08:48.923Z", f"{MAY_2020}923"),
        ("2020-05-05 16:08:48+02:00", f"{MAY_2020}000"),
    ],
)
def test_reads_times_in_json(tmp_path: Path, time: object, milliseconds: str) -> None:
    rows, _ = read(tmp_path, json_lines([review_2023(1, timestamp=time)]))
    assert [row["reviewed_at"] for row in rows] == [milliseconds]


@pytest.mark.parametrize("packed", [bytes, gzip.compress])
def test_a_complete_last_record_without_line_end_is_reported(tmp_path: Path, packed: Any) -> None:
    rows, assumed = read(tmp_path, packed(json_lines(REVIEWS)[:-1]))
    assert len(rows) == 3
    assert "the last record (line 3) is complete although it has no line end" in assumed


def test_python_literals_are_never_executed(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    line = f"{{'asin': __import__('pathlib').Path({str(marker)!r}).touch(), 'price': 1}}\n".encode()
    good = b"{'asin': 'B000000001', 'price': 5.5, 'categories': [['Garden', 'Pots']]}\n"
    raw = reviews_read(landing_zone(tmp_path, {"meta.json": good + line, "r.json": json_lines([review_2018()])}))
    assert not marker.exists()
    assert [(batch.rows, batch.read_errors) for batch in raw.batches] == [(2, 1), (1, 0)]


def test_the_2018_ratings_have_the_item_first(tmp_path: Path) -> None:
    rows, assumed = read(tmp_path, b"B000000001,A1XYZ,5.0,1529193600\nB000000002,A2XYZ,1.0,1529280000\n")
    assert [(row["user_id"], row["item_id"], row["reviewed_at"]) for row in rows] == [
        ("A1XYZ", "B000000001", "1529193600000"),
        ("A2XYZ", "B000000002", "1529280000000"),
    ]
    assert "no header" in assumed


def test_excel_ids_that_lost_digits_are_refused(tmp_path: Path) -> None:
    row = {"user_id": 123456789012345678, "item_id": "I", "rating": 5, "paid_price": 5, "currency": "USD"}
    with pytest.raises(RefusedInput, match="column user_id: ids in scientific notation"):
        read(tmp_path, xlsx_of([row]))


def test_the_canonical_form_in_excel(tmp_path: Path) -> None:
    from datetime import datetime

    row = {"user_id": 17, "item_id": "I", "rating": 4.5, "paid_price": 12.5, "currency": "USD"}
    rows, _ = read(tmp_path, xlsx_of([row | {"reviewed_at": datetime(2020, 5, 5, 14, 8, 48)}]))
    [found] = rows
    assert (found["user_id"], found["rating"], found["paid_price"]) == ("17", "4.5", "12.5")
    assert found["reviewed_at"] == "1588687728000"


def test_the_template_has_no_assumptions(tmp_path: Path) -> None:
    assert read(tmp_path, canonical_csv([{}]))[1] == ""
