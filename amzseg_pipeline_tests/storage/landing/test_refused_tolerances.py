"""For each tolerance of docs/exports.md, a file that is read and a damaged or uncertain one that is still refused.

Over 250 lines: a table of cases.
"""

import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline_tests.storage.landing.synthetic_exports import (
    csv_of,
    json_lines,
    landing_zone,
    parquet,
    review_2023,
    reviews_read,
    sales_csv,
)

DOCS = Path(__file__).parents[3] / "docs" / "exports.md"
SECONDS = 1_588_687_728
MILLISECONDS = f"{SECONDS}923"


@dataclass(frozen=True)
class Tolerance:
    """Files that are read, files that are refused, and the reason with its fix."""

    read: bytes | Mapping[str, bytes]
    refused: bytes | Mapping[str, bytes]
    reason: str


def orders(*rows: Mapping[str, str], delimiter: str = ",", without: str = "") -> bytes:
    base = {"user_id": "U1", "item_id": "I1", "rating": "4", "paid_price": "5", "currency": "USD"}
    filled = [base | {"review_id": f"R{number}"} | row for number, row in enumerate(rows)]
    return csv_of([{name: row[name] for name in row if name != without} for row in filled], delimiter=delimiter)


def column(name: str, *values: str) -> bytes:
    return orders(*({name: value} for value in values))


def times(*values: object) -> bytes:
    return json_lines([review_2023(number, timestamp=value) for number, value in enumerate(values)])


def workbook(*sheets: str) -> bytes:
    import io

    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)  # type: ignore[arg-type]
    for sheet in sheets:
        rows = book.create_sheet(sheet)
        rows.append(["user_id", "item_id", "rating", "paid_price", "currency"])
        rows.append(["U1", "I1", 5, 1.5, "USD"])
    if len(sheets) == 1:
        book.create_sheet("Notes").append(["a note"])
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def replaced(content: bytes, old: str, new: str) -> bytes:
    assert old.encode() in content
    return content.replace(old.encode(), new.encode())


TWO = orders({}, {})
SALES = sales_csv([{}, {}])
JSON = json_lines([review_2023(1), review_2023(2)])
PARQUET = parquet([review_2023(1), review_2023(2)])
DATED = orders(*({"zone": f"2020-05-{day:02}"} for day in range(1, 28)))
MAPPED = b"Customer,Article,Stars\nU1,I1,5\n"
MAPPING = b'[columns]\nuser_id = "Customer"\nitem_id = "Article"\nrating = "Stars"\n'
DATES = {"reviewed_at": "2020-05-13"}

TOLERANCES: dict[str, Tolerance] = {
    "delimiter": Tolerance(
        orders({}, {}, delimiter=";"), TWO.replace(b",", b";", 5), "no record can be read; of the first: it has "
    ),
    "header": Tolerance(
        replaced(TWO, "user_id,item_id", "Item ID,USER_ID"),
        replaced(TWO, "user_id", "user_idd"),
        "'user_idd' may be meant as 'user_id': rename or remove it",
    ),
    "index column": Tolerance(
        replaced(TWO, "user_id", ",user_id").replace(b"U1", b"0,U1"),
        TWO.replace(b"U1", b"0,U1"),
        "no record can be read; of the first: it has 7 cells and the header 6",
    ),
    "more columns": Tolerance(
        orders({"title": "x"}),
        orders({"list_prices": "7"}),
        "'list_prices' may be meant as 'list_price': rename or remove it",
    ),
    "more keys": Tolerance(
        json_lines([review_2023(1, colour="red")]),
        replaced(JSON, '"timestamp"', '"timestmp"'),
        "'timestmp' may be meant as 'timestamp': rename or remove it",
    ),
    "optional columns": Tolerance(
        orders({}, without="review_id"), orders({}, without="rating"), "but: missing 'rating'. Correct the columns"
    ),
    "missing values": Tolerance(
        column("reviewed_at", "NA", "2020-05-13"),
        column("reviewed_at", *["unknown"] * 20),
        "no value is a time in a known form, such as 'unknown'",
    ),
    "UTF-16": Tolerance(
        TWO.decode().encode("utf-16"), TWO.decode().encode("utf-16")[:-1], "the text is damaged or cut UTF-16"
    ),
    "Windows-1252": Tolerance(
        column("user_id", "é", "ü").decode().encode("cp1252"),
        column("user_id", "é", "x").replace(b"x", b"\xff"),
        "byte 0xFF is not UTF-8; save the export as UTF-8",
    ),
    "compression": Tolerance(gzip.compress(PARQUET), gzip.compress(PARQUET)[:-9], "the gzip file looks cut"),
    "decimal commas": Tolerance(
        column("paid_price", "12,50", "3"),
        column("paid_price", "12,50", "12.50"),
        "decimal commas ('12,50') and points ('12.50'); write prices as 1234.50",
    ),
    "thousands": Tolerance(
        column("paid_price", "1.234,50", "1 234,50"),
        column("paid_price", "1.234", "2.345"),
        "whether the separator marks thousands or decimals cannot be decided, such as '1.234'",
    ),
    "currency": Tolerance(
        replaced(orders({"paid_price": "Rs. 5"}, {"paid_price": "â‚¹\u00a06"}), "USD", "inr"),
        column("paid_price", "?5", "6"),
        "the currency symbol was lost before '?5'; export as UTF-8 again",
    ),
    "one currency": Tolerance(
        column("currency", "USD", "usd"),
        column("currency", "USD", "EUR"),
        "record 2 is in EUR and earlier records are in USD; deliver one currency",
    ),
    "float noise": Tolerance(
        column("paid_price", "24.5300000000001"),
        column("paid_price", *["24.5371"] * 20),
        "no value is an amount of money with at most two decimals, such as '24.5371'",
    ),
    "percentages": Tolerance(
        column("discount_percent", "0.65", "0.4"),
        column("discount_percent", "65%", "0.4"),
        "percentages ('65%') and fractions ('0.4'); write all of them as 65%",
    ),
    "ratings": Tolerance(
        column("rating", "4,5", "4.0 out of 5 stars"),
        column("rating", *["9 of 10"] * 20),
        "no value is a rating from 1 to 5, such as '9 of 10'",
    ),
    "counts": Tolerance(
        column("rating_count", "57303.0", "1,234"),
        column("rating_count", *["1.2K"] * 20),
        "no value is a count, such as '1.2K'",
    ),
    "ids": Tolerance(
        column("user_id", "12345.0", "12346"),
        column("user_id", "2.02400E+14", "A"),
        "ids in scientific notation merge different ids, such as '2.02400E+14'; format the column as text",
    ),
    "time unit": Tolerance(
        column("reviewed_at", f"{SECONDS}", f"{SECONDS}.5"),
        column("reviewed_at", f"{SECONDS}", MILLISECONDS),
        "and in milliseconds (such as '1588687728923'); write all times of a file in one unit",
    ),
    "time unit in JSON": Tolerance(
        times(SECONDS, SECONDS + 0.5), times(SECONDS, int(MILLISECONDS)), "times are in seconds and in milliseconds"
    ),
    "plausible times": Tolerance(
        column("reviewed_at", MILLISECONDS, "-5"),
        column("reviewed_at", "43964.59"),
        "no number is a time between 1995 and a year from now in seconds, milliseconds",
    ),
    "times in scientific notation": Tolerance(
        column("reviewed_at", "1.588687728923e12"),
        column("reviewed_at", "1.58869E+12"),
        "times in scientific notation lost digits, such as '1.58869E+12'",
    ),
    "ISO 8601 and RFC dates": Tolerance(
        column("reviewed_at", "2020-05-13 14:08:48+02", "Tue, 05 May 2020 14:08:48 +0000", "2020/05/13"),
        column("reviewed_at", *["May 13, 2020"] * 20),
        "no value is a time in a known form, such as 'May 13, 2020'; write dates as YYYY-MM-DD",
    ),
    "day and month": Tolerance(
        column("reviewed_at", "13/05/2020", "01/02/2020"),
        column("reviewed_at", "05/06/2020", "01/02/2020"),
        "day and month cannot be told apart in any date, such as '05/06/2020'",
    ),
    "Parquet times": Tolerance(
        parquet([review_2023(1)], {"timestamp": pa.timestamp("ms")}),
        parquet([review_2023(1)], {"timestamp": pa.duration("ms")}),
        "column timestamp is duration[ms]; write it as text, an integer, a date or a timestamp",
    ),
    "JSON array": Tolerance(
        json.dumps([review_2023(1)], indent=1).encode(),
        json.dumps([review_2023(1)])[:-1].encode(),
        "the JSON array looks cut: it is not closed after object 1",
    ),
    "JSON objects": Tolerance(
        b"".join(json.dumps(review_2023(number), indent=1).encode() for number in (1, 2)),
        b"".join(json.dumps(review_2023(number), indent=1).encode() for number in (1, 2))[:-9],
        "object 2 of the JSON array is damaged or cut",
    ),
    "Python literals": Tolerance(
        f"{review_2023(1)}\n{review_2023(2)}\n".encode(),
        f"{review_2023(1)}\n{review_2023(2)}\n".encode()[:-9],
        "the file looks cut: the last record (line 2) has no line end",
    ),
    "NaN": Tolerance(
        json_lines([review_2023(1, helpful_vote=float("nan"))]),
        replaced(
            json_lines([review_2023(number, rating=float("nan")) for number in (1, 2)]),
            '"rating": NaN',
            '"rating": nan',
        ),
        "no JSON object of at most 4,194,304 bytes is at the start",
    ),
    "numbers as texts": Tolerance(
        json_lines([review_2023(1, rating="5.0", timestamp=MILLISECONDS)]),
        json_lines([review_2023(1, rating="five")]),
        'no record can be read; of the first: rating is not a number but "five"',
    ),
    "last line end of JSON": Tolerance(
        JSON[:-1], JSON[:-3], "the file looks cut: the last record (line 2) has no line end; deliver it again"
    ),
    "last line end of CSV": Tolerance(
        replaced(DATED, "zone", "reviewed_at")[:-1],
        replaced(DATED, "zone", "reviewed_at")[:-2],
        "the file looks cut: the last record (line 28) has no line end; deliver it again",
    ),
    "Excel": Tolerance(
        workbook("Orders"),
        workbook("Orders", "More"),
        "sheets 'Orders' and 'More' have the same columns; save each as a file of its own",
    ),
    "empty parts": Tolerance(
        {"out/part-00000.csv": TWO, "out/part-00001.csv": b""},
        {"out/part-00000.csv": TWO, "part-00001.csv": b""},
        "part-00001.csv: the file is empty; deliver it again or remove it",
    ),
    "other files": Tolerance(
        {"orders.csv": TWO, "README.txt": b"x", "desktop.ini": b"x", "~$orders.xlsx": b"x", "more.csv.filepart": b"x"},
        {"orders.csv": TWO, "notes.txt": b"x\n"},
        "notes.txt: it is CSV of no known format",
    ),
    "mapping file": Tolerance(
        {"shop.csv": MAPPED, "shop.csv.columns.toml": MAPPING},
        {"shop.csv": MAPPED, "shop.csv.columns.toml": replaced(MAPPING, "Stars", "Sterne")},
        "the mapping file names columns that are not there: 'Sterne'; use those of the file: 'Customer', 'Article'",
    ),
}


def read(folder: Path, files: bytes | Mapping[str, bytes]) -> Any:
    exports = {"export": files} if isinstance(files, bytes) else files
    return reviews_read(landing_zone(folder, exports))


@pytest.mark.parametrize("name", TOLERANCES)
def test_reads_what_is_tolerated(tmp_path: Path, name: str) -> None:
    raw = read(tmp_path, TOLERANCES[name].read)
    assert raw.rows > 0
    assert raw.read_errors == 0


@pytest.mark.parametrize("name", TOLERANCES)
def test_a_tolerance_does_not_read_a_damaged_file(tmp_path: Path, name: str) -> None:
    tolerance = TOLERANCES[name]
    with pytest.raises(RefusedInput) as caught:
        read(tmp_path, tolerance.refused)
    assert tolerance.reason in str(caught.value)


def test_the_documented_tolerances_are_those_of_the_table() -> None:
    section = DOCS.read_text(encoding="utf-8").partition("## What is tolerated")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+?) \| .* \| .* \|$", section, re.MULTILINE)
    assert rows == list(TOLERANCES)
