"""Shapes that tools write: pandas, R, spreadsheets of several locales, databases and data lakes, and broken downloads.

Each is read with equal values and its assumptions, or refused with the fix. All hold the same two reviews.

Over 250 lines: a table of cases.
"""

import io
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline_tests.storage.landing.synthetic_exports import (
    json_lines,
    landing_zone,
    raw_rows,
    review_2023,
    reviews_read,
    xlsx_of,
)

TIMES = (1_588_687_728_923, 1_588_687_729_923)
REVIEWS = [review_2023(number, timestamp=time) for number, time in enumerate(TIMES, start=1)]
FRAME = pd.DataFrame(REVIEWS)
IDS = ["user_id", "parent_asin", "rating", "timestamp"]
RATINGS = FRAME[IDS]
ORDERS = pd.DataFrame(
    {
        "user_id": ["A1", "A2"],
        "item_id": ["B000000001", "B000000002"],
        "rating": [5.0, 5.0],
        "paid_price": [1234.5, 12.5],
        "currency": ["EUR", "EUR"],
        "reviewed_at": ["2020-05-13 14:08:48", "2020-05-14 14:08:49"],
    }
)


def csv(frame: pd.DataFrame, **options: object) -> bytes:
    return frame.to_csv(**{"index": False, **options}).encode()  # type: ignore[call-overload, no-any-return]


def to_json(**options: object) -> bytes:
    return RATINGS.to_json(**options).encode()  # type: ignore[call-overload, no-any-return]


def table(frame: pd.DataFrame, **options: object) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame), stream, **options)
    return stream.getvalue()


def with_datetimes(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(timestamp=pd.to_datetime(frame["timestamp"], unit="ms"))


def text(frame: pd.DataFrame, old: str, new: str, **options: object) -> bytes:
    content = csv(frame, **options).decode()
    assert old in content
    return content.replace(old, new).encode()


def feather_of(frame: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    feather.write_feather(frame, stream)
    return stream.getvalue()


def sqlite_file() -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE reviews (user_id TEXT)")
    return connection.serialize()


def r_with_row_names(*, names_the_column: bool) -> bytes:
    """write.csv() names the column of row names ""; write.table(sep = ",") does not name it at all."""
    header, *records = csv(RATINGS, quoting=2).decode().splitlines()
    numbered = [f'"{number}",{record}' for number, record in enumerate(records, start=1)]
    return "\n".join([f'"",{header}' if names_the_column else header, *numbered, ""]).encode()


def psql_copy() -> bytes:
    """\\copy (...) TO ... CSV HEADER: times with an offset of hours only."""
    return csv(RATINGS.assign(timestamp=["2020-05-05 14:08:48.923+00", "2020-05-05 14:08:49.923+00"]))


def in_french(frame: pd.DataFrame) -> bytes:
    prices = frame.assign(paid_price=["1\u202f234,50 €", "12,50 €"], rating=["5,0", "5,0"])
    return csv(prices, sep=";").replace(b"2020-05-13 14:08:48", b"13/05/2020 14:08")


def in_windows_lines(content: bytes) -> bytes:
    return content.replace(b"\n", b"\r\n")


def bigquery_json() -> bytes:
    """BigQuery writes INT64 and NUMERIC as texts."""
    rows = [{**review, "timestamp": str(review["timestamp"]), "rating": "5.0"} for review in REVIEWS]
    return json_lines(rows)


def mongodb(**values: object) -> bytes:
    return json_lines([{"_id": {"$oid": f"{n:024d}"}, **review, **values} for n, review in enumerate(REVIEWS)])


def twice_indexed() -> bytes:
    return csv(pd.read_csv(io.BytesIO(csv(RATINGS, index=True))), index=True)


READ: dict[str, tuple[Callable[[], bytes], str]] = {
    "pandas to_csv with index": (lambda: csv(RATINGS, index=True), "a column without a name is an index"),
    "pandas to_csv with index, twice": (twice_indexed, "a column without a name is an index"),
    "pandas to_csv of everything": (lambda: csv(FRAME), ""),
    "pandas to_csv, tabs and line ends in texts": (lambda: csv(FRAME, sep="\t"), "tabs separate the values"),
    "pandas to_csv, all quoted": (lambda: csv(RATINGS, quoting=1), ""),
    "pandas to_csv, tabs, all quoted": (lambda: csv(RATINGS, sep="\t", quoting=1), "tabs separate the values"),
    "pandas to_json records": (lambda: to_json(orient="records"), ""),
    "pandas to_json lines": (lambda: to_json(orient="records", lines=True), ""),
    "pandas to_parquet with index": (lambda: table(with_datetimes(FRAME).set_index("user_id", drop=False)), ""),
    "Spark parquet with INT96": (
        lambda: table(
            with_datetimes(RATINGS),
            use_deprecated_int96_timestamps=True,
        ),
        "",
    ),
    "parquet with decimals": (lambda: table(RATINGS.assign(rating=RATINGS["rating"].astype(str))), ""),
    "R write.csv with row names": (lambda: r_with_row_names(names_the_column=True), "is an index"),
    "R write.csv with NA": (
        lambda: csv(pd.concat([RATINGS, RATINGS.assign(user_id=None)]), na_rep="NA"),
        "'NA' means a missing value",
    ),
    "Excel, German": (
        lambda: in_windows_lines(csv(ORDERS, sep=";", decimal=",")),
        "semicolons separate the values",
    ),
    "Excel, French": (lambda: in_french(ORDERS), "reviewed_at is DD/MM/YYYY"),
    "Excel, United States": (lambda: text(ORDERS, "2020-05-13 14:08:48", "5/13/2020 2:08 PM"), "MM/DD/YYYY"),
    "Excel, Unicode text": (lambda: csv(ORDERS, sep="\t").decode().encode("utf-16"), "the text is UTF-16"),
    "Excel, workbook": (lambda: xlsx_of(ORDERS.to_dict("records")), ""),
    "Google Sheets": (lambda: in_windows_lines(csv(ORDERS.assign(paid_price=["€1,234.50", "€12.50"]))), ""),
    "LibreOffice, bars": (lambda: csv(ORDERS, sep="|", quoting=2), "vertical bars separate the values"),
    "Kaggle ratings with a header": (
        lambda: csv(RATINGS.set_axis(["UserId", "ProductId", "Rating", "Timestamp"], axis=1)),
        "Timestamp is in milliseconds",
    ),
    "ratings with a header": (
        lambda: csv(RATINGS.set_axis(["user", "item", "rating", "timestamp"], axis=1)),
        "timestamp is in milliseconds",
    ),
    "ratings without header, quoted as Athena writes": (
        lambda: csv(RATINGS, header=False, quoting=1),
        "the file has no header",
    ),
    "Postgres copy as CSV": (psql_copy, ""),
    "Postgres copy with \\N": (
        lambda: csv(pd.concat([RATINGS, RATINGS.assign(user_id=None)]), na_rep="\\N"),
        "'\\\\N' means a missing value",
    ),
    "BigQuery JSON": (bigquery_json, ""),
    "BigQuery CSV": (
        lambda: csv(RATINGS.assign(timestamp=["2020-05-05 14:08:48.923 UTC", "2020-05-05 14:08:49.923 UTC"])),
        "",
    ),
    "mongoexport, relaxed": (mongodb, ""),
    "jq: objects one after the other": (lambda: "".join(json.dumps(review) for review in REVIEWS).encode(), ""),
    "JSON Lines with commas": (lambda: json_lines(REVIEWS).replace(b"}\n", b"},\n"), ""),
    "JSON Lines of Windows": (lambda: in_windows_lines(json_lines(REVIEWS)), ""),
}


@pytest.mark.parametrize("shape", READ)
def test_reads_what_a_tool_writes(tmp_path: Path, shape: str) -> None:
    content, assumption = READ[shape]
    raw = reviews_read(landing_zone(tmp_path, {"export": content()}))
    assumed = "\n".join(raw.batches[0].assumptions)
    assert assumption in assumed
    rows = [row for row in raw_rows(raw) if row["user_id"]]
    found = [(row["user_id"], row["item_id"], float(row["rating"]), row["read_error"]) for row in rows]
    assert found == [("A1", "B000000001", 5.0, None), ("A2", "B000000002", 5.0, None)]
    if rows[0]["paid_price"]:
        prices = [row["paid_price"].replace(",", "").strip("€") for row in rows]
        assert [float(price) for price in prices] == [1234.5, 12.5]
        assert [int(row["reviewed_at"]) // 86_400_000 for row in rows] == [18395, 18396]
    else:
        assert [int(row["reviewed_at"]) for row in rows] == list(TIMES)


PANDAS_FIX = 'write it with to_json(path, orient="records", lines=True)'
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "pandas to_json": (to_json, PANDAS_FIX),
    "pandas to_json index": (lambda: to_json(orient="index"), PANDAS_FIX),
    "pandas to_json split": (lambda: to_json(orient="split"), PANDAS_FIX),
    "pandas to_json table": (lambda: to_json(orient="table"), PANDAS_FIX),
    "pandas to_json values": (lambda: to_json(orient="values"), PANDAS_FIX),
    "pandas to_pickle": (lambda: b"\x80\x05\x95" + b"x" * 40, "a Python pickle, which is never loaded"),
    "pandas to_feather": (lambda: feather_of(RATINGS), "an Arrow or Feather file; write it as Parquet"),
    "pandas to_html": (lambda: b"<html><table>\n", "a web page, not an export; download the file again"),
    "mongoexport, canonical": (
        lambda: mongodb(timestamp={"$numberLong": str(TIMES[0])}),
        "export with --jsonFormat=relaxed",
    ),
    "an answer of an API": (
        lambda: json.dumps({"data": REVIEWS}).encode(),
        "a list of objects inside an object; deliver the list itself",
    ),
    "R write.table with row names": (
        lambda: r_with_row_names(names_the_column=False),
        "no record can be read; of the first: it has 5 cells and the header 4",
    ),
    "Excel with sep=": (lambda: b"sep=;\n" + csv(ORDERS, sep=";"), "begins with Excel's line sep=; remove that line"),
    "Excel of 1997": (lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "save it as .xlsx or CSV"),
    "Excel, dates as numbers": (
        lambda: csv(ORDERS.assign(reviewed_at=["43964.59", "43965.59"])),
        "no number is a time between 1995",
    ),
    "Excel, ids that were formatted": (
        lambda: csv(ORDERS.assign(user_id=["1.23E+17", "1.23E+17"])),
        "ids in scientific notation merge different ids",
    ),
    "dates in words": (
        lambda: csv(pd.concat([ORDERS.assign(reviewed_at="May 13, 2020")] * 10)),
        "no value is a time in a known form, such as 'May 13, 2020'; write dates as YYYY-MM-DD, or state date_format",
    ),
    "dates with years of two digits": (
        lambda: csv(pd.concat([ORDERS.assign(reviewed_at="13/05/20")] * 10)),
        "no value is a time in a known form, such as '13/05/20'",
    ),
    "a title above the header": (lambda: b"Orders of May\n" + csv(ORDERS), "of no known format"),
    "a cell more in every record": (
        lambda: csv(ORDERS).replace(b"\n", b",\n").replace(b"reviewed_at,", b"reviewed_at"),
        "no record can be read; of the first: it has 7 cells and the header 6",
    ),
    "parquet of bytes": (
        lambda: table(RATINGS.assign(user_id=[b"A1", b"A2"])),
        "column user_id is binary; write it as text",
    ),
    "Hive text": (lambda: csv(RATINGS, sep="\x01"), "of no known format"),
    "an SQLite database": (sqlite_file, "an SQLite database; export its table as CSV"),
    "a pointer of Git LFS": (
        lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n",
        "a Git LFS pointer, not the file; fetch the file with git lfs pull",
    ),
    "a page to sign in": (lambda: b"<!DOCTYPE html>\n<html>\n", "a web page, not an export"),
    "XML": (lambda: b'<?xml version="1.0"?>\n<reviews/>\n', "XML; export it as CSV"),
}


@pytest.mark.parametrize("shape", REFUSED)
def test_refuses_what_cannot_be_read_with_the_fix(tmp_path: Path, shape: str) -> None:
    content, message = REFUSED[shape]
    with pytest.raises(RefusedInput) as caught:
        reviews_read(landing_zone(tmp_path, {"export": content()}))
    assert message in str(caught.value)


def test_a_missing_user_is_rejected_and_no_user_of_that_name(tmp_path: Path) -> None:
    frame = pd.concat([RATINGS, RATINGS.assign(user_id="NA")])
    rows = raw_rows(reviews_read(landing_zone(tmp_path, {"export": csv(frame)})))
    assert [row["user_id"] for row in rows] == ["A1", "A2", None, None]


@pytest.mark.parametrize("name", ["dataset_info.json", "state.json", "README", "part-0.parquet.crc"])
def test_skips_files_that_come_with_exports(tmp_path: Path, name: str) -> None:
    raw = reviews_read(landing_zone(tmp_path, {"export": csv(RATINGS), name: b"{}\n"}))
    assert [file.path for file in raw.skipped] == [name]


def test_missing_shards_are_named(tmp_path: Path) -> None:
    content = {f"ds/train-0000{number}-of-00004.parquet": table(RATINGS[number : number + 1]) for number in (0, 1)}
    raw = reviews_read(landing_zone(tmp_path, content))
    assert "ds/train-*.parquet: 2 of 4 shards are there; missing: 00002, 00003" in raw.assumptions


def test_complete_shards_are_not_named(tmp_path: Path) -> None:
    content = {f"train-0000{number}-of-00002.parquet": table(RATINGS[number : number + 1]) for number in (0, 1)}
    assert reviews_read(landing_zone(tmp_path, content)).assumptions == ()


def test_other_sheets_are_named(tmp_path: Path) -> None:
    from openpyxl import load_workbook

    book = load_workbook(io.BytesIO(xlsx_of(ORDERS.to_dict("records"))))
    book.create_sheet("Cover", 0).append(["Orders of May"])
    stream = io.BytesIO()
    book.save(stream)
    raw = reviews_read(landing_zone(tmp_path, {"orders.xlsx": stream.getvalue()}))
    assert raw.rows == 2
    assert "orders.xlsx: sheet 'Sheet' is read, and not 'Cover'" in raw.assumptions


@pytest.mark.parametrize("suffix", ["gz", "zst"])
@pytest.mark.parametrize("content", [table(FRAME), table(RATINGS), xlsx_of(ORDERS.to_dict("records"))])
def test_reads_compressed_workbooks_and_parquet(tmp_path: Path, content: bytes, suffix: str) -> None:
    import gzip

    packed = gzip.compress(content) if suffix == "gz" else pa.compress(content, codec="zstd", asbytes=True)
    raw = reviews_read(landing_zone(tmp_path, {f"export.{suffix}": packed}))
    assert not raw.batches[0].is_read_in_place
    assert [row["user_id"] for row in raw_rows(raw)] == ["A1", "A2"]
