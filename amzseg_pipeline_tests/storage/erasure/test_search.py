"""Ids are found where a file has ids: in the id column of exports and tables, and as distinctive text elsewhere.

Over 250 lines: every kind of file and every form of an id.
"""

import csv
import gzip
import html
import io
import json
import sqlite3
import threading
import unicodedata
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amzseg_pipeline.contracts.errors import ErasureError
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.pseudonyms import UserKey
from amzseg_pipeline.storage.erasure.search import files_containing, search_exports
from amzseg_pipeline.storage.erasure.user_ids import matching_ids, user_ids
from amzseg_pipeline_tests.storage.landing.synthetic_exports import csv_of, tsv_of, xlsx_of
from amzseg_pipeline_tests.storage.landing.synthetic_exports import parquet as parquet_of

ID = "AE2XQ7ZP"


def parquet(values: list[str], *, column: str = "user_id", **options: object) -> bytes:
    stream = io.BytesIO()
    pd.DataFrame({"n": range(len(values)), column: values}).to_parquet(stream, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "is_found"),
    [
        (f"x,{ID},y\n".encode(), True),
        (f'{{"user_id": "{ID}"}}'.encode(), True),
        (f"user {ID}. Next".encode(), True),
        (ID.encode(), True),
        (f"{ID}1".encode(), False),
        (f"1{ID}".encode(), False),
        (f"_{ID}".encode(), False),
        (f"{ID}-1".encode(), False),
        (f"a.{ID}".encode(), False),
        (f"{ID}é".encode(), False),
        (f"{ID}@example.com".encode(), False),
        (b"", False),
        (b"\0" * (2**20 - 2) + ID.encode(), True),
        (b"\0" * (2**20 - 8) + f"{ID}1".encode() + b"\0" * 2**20, False),
        (b"\0" * (2**20 - 49152 - 1) + f"x{ID}".encode() + b"\0" * 2**20, False),
        (gzip.compress(f"a\n{ID}\n".encode()), True),
        (gzip.compress(b"a\n"), False),
        (gzip.compress(f"a\n{ID}\n".encode() * 9_000)[:-9], True),
        (b"\x1f\x8b not compressed", False),
        (parquet([ID, "b"], compression="zstd"), True),
        (parquet([f" {ID}\n", "b"], compression="zstd"), True),
        (parquet(["a" * 50, ID] * 500, compression="snappy"), True),
        (parquet([f"{ID}1", "b"], compression="zstd", use_dictionary=False), False),
        (parquet(["b"])[:-9], True),  # a killed process left it: nobody can say what it contains
        (f"PAR1 {ID}".encode(), True),
    ],
)
def test_finds_a_distinctive_id_in_every_file_type(tmp_path: Path, content: bytes, is_found: bool) -> None:
    path = tmp_path / "a" / "file"
    path.parent.mkdir()
    path.write_bytes(content)
    assert files_containing([ID, "another-1"], tmp_path) == ([path] if is_found else [])


@pytest.mark.parametrize("user_id", ["42", "anna", "Anastasia", "1234567890", "a1"])
def test_looks_for_ids_that_could_be_anything_only_in_id_columns(tmp_path: Path, user_id: str) -> None:
    (tmp_path / "report.html").write_text(f"<td>{user_id}</td>")
    (tmp_path / "prices.parquet").write_bytes(parquet([user_id], column="price"))
    assert files_containing([user_id], tmp_path) == []
    (tmp_path / "table.parquet").write_bytes(parquet(["b", user_id]))
    assert files_containing([user_id], tmp_path) == [tmp_path / "table.parquet"]


@pytest.mark.parametrize("user_id", ["zoë & 'Bob' <1>", 'a "quoted" 7', "naïve user 12", "用户 123456"])
def test_finds_ids_in_the_encodings_of_json_html_and_addresses(tmp_path: Path, user_id: str) -> None:
    for text in (
        user_id,
        json.dumps(user_id),
        json.dumps(user_id, ensure_ascii=False),
        html.escape(user_id),
        quote(user_id),
        unicodedata.normalize("NFD", user_id),
    ):
        (tmp_path / "file").write_text(f"({text})")
        assert files_containing([user_id], tmp_path) == [tmp_path / "file"], text


def test_finds_ids_that_a_database_divides_among_pages(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    stems = ("AE2XQ7ZP{}", "o'hara 1{}", 'a "b" 1{}', "zoë & <1{}>")
    users = {stems[number % 4].format(1_000 + number): 3_980 + 3 * number for number in range(48)}
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE events (number INTEGER, event TEXT)")
        for user_id, length in users.items():
            database.execute("INSERT INTO events VALUES (1, ?)", [json.dumps({"x": "x" * length, "user": user_id})])
        database.commit()
    assert [user_id for user_id in users if files_containing([user_id], tmp_path) != [path]] == []
    assert files_containing(["AE2XQ7ZP1"], tmp_path) == []
    path.write_bytes(path.read_bytes()[:50_000])
    assert files_containing(["AE2XQ7ZP1"], tmp_path) == [path]


def test_files_that_are_deleted_during_the_search_contain_nothing(tmp_path: Path) -> None:
    is_over = threading.Event()

    def change() -> None:
        while not is_over.is_set():
            for number in range(40):
                (tmp_path / str(number)).write_bytes(b"x")
            for number in range(40):
                (tmp_path / str(number)).unlink()

    thread = threading.Thread(target=change)
    thread.start()
    try:
        assert [files_containing([ID], tmp_path) for _ in range(200)] == [[]] * 200
    finally:
        is_over.set()
        thread.join()


def test_skips_links_and_excluded_folders(tmp_path: Path) -> None:
    for folder in ("in", "out"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file").write_text(ID)
    (tmp_path / "in/link").symlink_to(tmp_path / "out/file")
    assert files_containing([ID], tmp_path / "in") == [tmp_path / "in/file"]
    assert files_containing([ID], tmp_path, without=tmp_path / "out") == [tmp_path / "in/file"]
    assert files_containing([ID], tmp_path / "missing") == []


def test_escapes_regular_expressions(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("A.B12345")
    assert files_containing(["A.B12345"], tmp_path) == [tmp_path / "file"]
    (tmp_path / "file").write_text("AXB12345")
    assert files_containing(["A.B12345"], tmp_path) == []


def canonical(ids: list[str], *, paid_price: str = "9.50") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["user_id", "item_id", "rating", "paid_price", "currency"])
    writer.writerows([user_id, "B1", "5", paid_price, "USD"] for user_id in ids)
    return text.getvalue().encode()


def json_lines(ids: list[str]) -> bytes:
    rows = [
        {"reviewerID": user_id, "asin": "42", "overall": 5.0, "unixReviewTime": 1_500_000_000, "summary": "anna 42"}
        for user_id in ids
    ]
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def reviews_parquet(ids: list[str]) -> bytes:
    stream = io.BytesIO()
    rows = [
        {"rating": 5.0, "parent_asin": "42", "user_id": user_id, "timestamp": 1_600_000_000_000, "title": "anna"}
        for user_id in ids
    ]
    pq.write_table(pa.Table.from_pylist(rows), stream)
    return stream.getvalue()


def rows_with(ids: list[str], **columns: str) -> list[dict[str, str]]:
    """One record per id with the given columns, in which the words id, time and item stand for a value."""
    values = {"time": "1500000000", "item": "B000000042"}
    return [
        {name: user_id if value == "id" else values.get(value, value) for name, value in columns.items()}
        for user_id in ids
    ]


def zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, "zstd", asbytes=True))


CANONICAL = {
    "user_id": "id",
    "item_id": "item",
    "rating": "5",
    "paid_price": "42.50",
    "currency": "USD",
    "category": "anna",
}
AWS = {"customer_id": "id", "product_id": "item", "review_id": "R42", "star_rating": "5", "review_body": "anna 42"}
FINE_FOOD = {"UserId": "id", "ProductId": "item", "Score": "5", "Time": "time", "Summary": "anna 42"}

EXPORTS = {
    "canonical.csv": canonical,
    "canonical.csv.gz": lambda ids: gzip.compress(canonical(ids)),
    "utf16.csv": lambda ids: canonical(ids).decode().encode("utf-16"),
    "semicolons.csv": lambda ids: csv_of(rows_with(ids, **CANONICAL), delimiter=";"),
    "tabs.tsv": lambda ids: csv_of(rows_with(ids, **CANONICAL), delimiter="\t"),
    "aws.tsv": lambda ids: tsv_of(rows_with(ids, **AWS)),
    "fine_food.csv.zst": lambda ids: zstd(csv_of(rows_with(ids, **FINE_FOOD))),
    "canonical.xlsx": lambda ids: xlsx_of(rows_with(ids, **CANONICAL)),
    "canonical.parquet": lambda ids: parquet_of(rows_with(ids, **CANONICAL)),
    "reviews.json": json_lines,
    "reviews.json.gz": lambda ids: gzip.compress(json_lines(ids)),
    "reviews.json.zst": lambda ids: zstd(json_lines(ids)),
    "array.json": lambda ids: b"[" + b",".join(json_lines(ids).splitlines()) + b"]",
    "literals.json": lambda ids: "".join(f"{json.loads(line)!r}\n" for line in json_lines(ids).splitlines()).encode(),
    "reviews.parquet": reviews_parquet,
}
USERS = {
    "anna": ["anna-1", "Anna", "bob anna", "annabel"],
    "42": ["420", "4 2", "042", "-42"],
    "U7": ["U70", "u7", "U 7"],
    "zoë": ["zoe", "ZOË"],
    'a "b" c': ["a b c"],
    "o'hara,1": ["o'hara"],
}
"""An id, and ids of other users that contain it or resemble it."""


PAIRS = [
    (name, user_id)
    for row, name in enumerate(EXPORTS)
    for column, user_id in enumerate(USERS)
    if name == "canonical.csv" or (row + column) % 3 == 0
]


@pytest.mark.parametrize(("name", "user_id"), PAIRS)
def test_exports_are_searched_by_their_id_column(tmp_path: Path, name: str, user_id: str) -> None:
    write, others = EXPORTS[name], USERS[user_id]
    (tmp_path / name).write_bytes(write(others))
    assert search_exports(tmp_path, user_id, Settings()).containing == ()
    for stored in (user_id, f"{user_id} ", unicodedata.normalize("NFD", user_id)):
        (tmp_path / name).write_bytes(write([*others, stored]))
        assert search_exports(tmp_path, user_id, Settings()).containing == (tmp_path / name,), stored


def test_a_price_equal_to_an_id_is_not_the_user(tmp_path: Path) -> None:
    (tmp_path / "canonical.csv").write_bytes(canonical(["a", "b"], paid_price="42"))
    assert search_exports(tmp_path, "42", Settings()).containing == ()


def test_counts_records_that_cannot_be_searched_and_searches_other_files_as_text(tmp_path: Path) -> None:
    (tmp_path / "reviews.json").write_bytes(json_lines(["a", "b"]) + b'{"reviewerID": "c"\n')
    (tmp_path / "notes.txt").write_text(f"about {ID}")
    found = search_exports(tmp_path, ID, Settings())
    notes = (tmp_path / "notes.txt",)
    assert (found.containing, found.unreadable_records, found.refused) == (notes, 1, notes)


def test_matches_ids_without_white_space_and_in_one_normal_form() -> None:
    stored = pa.array(["U7", "U7 ", "\tU7\n", "u7", "U7\u00a0", "U77", None, "zo\u00eb", "zoe\u0308"])
    assert matching_ids([stored], frozenset(["U7"])) == {"U7", "U7 ", "\tU7\n", "U7\u00a0"}
    assert matching_ids([stored], frozenset(["zo\u00eb"])) == {"zo\u00eb", "zoe\u0308"}


def test_pseudonyms_cover_the_variants_of_an_id() -> None:
    key = UserKey(b"k" * 32)
    ids = user_ids("zoe\u0308 ", keys=[key])
    assert ids.given == "zo\u00eb"
    stored = ("zo\u00eb", "zoe\u0308", " zo\u00eb\n", "zoe\u0308 ", "zo\u00eb  \u2003", "\t\tzoe\u0308")
    assert {"zo\u00eb", *map(key.pseudonym, stored)} == ids.all


@pytest.mark.parametrize("text", ["", " \n", "x" * 5_000, "\ud800"])
def test_rejects_texts_that_are_not_ids(text: str) -> None:
    with pytest.raises(ErasureError, match="give the id of one user"):
        user_ids(text, keys=[])
