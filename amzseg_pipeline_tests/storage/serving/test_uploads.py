"""Uploads of users to score: what is read, and what is refused with which message."""

import gc
import gzip
import io
import random
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.scoring import USERS_TO_SCORE
from amzseg_pipeline.storage.serving import uploads
from amzseg_pipeline.storage.serving.uploads import Upload, opened_upload, template_csv

HEADER = ",".join(USERS_TO_SCORE.column_names) + "\n"
ROW = "u,1,2,3,4\n"
TABLE = pa.table(
    {
        "user_id": ["a", "b"],
        "total_reviews": [1, 2],
        "avg_rating": [4.5, None],
        "avg_discount": [float("nan"), 1e-5],
        "avg_spend": [1e20, 3.0],
    }
)


def opened(content: bytes | str) -> Upload:
    return opened_upload(io.BytesIO(content.encode() if isinstance(content, str) else content))


def read(content: bytes | str) -> tuple[pd.DataFrame, list[int]]:
    """All rows, and the numbers of the damaged ones."""
    batches = list(opened(content).text_rows())
    return (
        pa.concat_tables([batch.rows for batch in batches]).to_pandas(),
        [int(number) for batch in batches for number in batch.damaged],
    )


def parquet(table: pa.Table) -> bytes:
    target = io.BytesIO()
    pq.write_table(table, target)
    return target.getvalue()


def workbook(content: str = "") -> bytes:
    """The template as .xlsx, or another CSV."""
    target = io.BytesIO()
    pd.read_csv(io.StringIO(content or template_csv())).to_excel(target, index=False)
    return target.getvalue()


def with_column(name: str, values: object) -> bytes:
    return parquet(TABLE.set_column(TABLE.column_names.index(name), name, [values]))


def zipped(content: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("users.csv", content)
    return target.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        template_csv(),
        template_csv().replace("\n", "\r\n"),
        template_csv().rstrip("\n"),
        b"\xef\xbb\xbf" + template_csv().encode(),
        "\n".join(line + ",extra" for line in template_csv().splitlines()),
        template_csv().replace("user_id", " USER_ID "),
        template_csv().replace(",", ";"),
        template_csv().replace(",", "\t"),
    ],
)
def test_reads_the_template_in_every_csv_dialect(content: bytes | str) -> None:
    rows, damaged = read(content)
    assert list(rows.columns) == ["row_number", *USERS_TO_SCORE.column_names]
    assert rows.iloc[0].to_list() == [1, "user-1", "3", "4.3", "25", "1499.50"]
    assert rows.iloc[1].to_list() == [2, "user-2", "1", "", "60.5", ""]
    assert damaged == []


def test_a_workbook_is_read_like_a_csv() -> None:
    upload = opened(workbook())
    assert (upload.file_format, upload.row_count, upload.description) == ("Excel", 2, "Excel")
    rows, damaged = read(workbook())
    assert rows.iloc[0].to_list() == [1, "user-1", "3", "4.3", "25", "1499.5"]
    assert rows.iloc[1].to_list() == [2, "user-2", "1", "", "60.5", ""]
    assert damaged == []


def test_decimal_commas_are_read_where_semicolons_separate() -> None:
    content = HEADER.replace(",", ";") + "a,b;3;4,3;25;1499,50\nc;1;;;1.234.567,5\nd;1;4.3;;1.499\ne;1;;;1.234.567\n"
    rows, _ = read(content)
    assert rows.iloc[0].to_list() == [1, "a,b", "3", "4.3", "25", "1499.50"]
    assert rows.iloc[1].to_list() == [2, "c", "1", "", "", "1234567.5"]
    assert rows.iloc[2].to_list() == [3, "d", "1", "4.3", "", "1.499 (thousands or decimals?)"]
    assert rows.iloc[3].to_list() == [4, "e", "1", "", "", "1234567"]
    assert opened(content).description == ("CSV, values separated by semicolons; commas in numbers are decimal signs")
    assert opened(template_csv()).description == "CSV, values separated by commas"


def test_columns_can_have_any_order_and_others_are_ignored() -> None:
    upload = opened("avg_spend,note,total_reviews,avg_rating,user_id,avg_discount\n4,hello,1,2,u,3\n")
    assert upload.unused_columns == ("note",)
    assert upload.row_count == 1
    assert next(upload.text_rows()).rows.to_pylist() == [
        {
            "row_number": 1,
            "user_id": "u",
            "total_reviews": "1",
            "avg_rating": "2",
            "avg_discount": "3",
            "avg_spend": "4",
        }
    ]


@pytest.mark.parametrize(
    ("content", "numbers", "damaged"),
    [
        (HEADER + ROW + "x,1\n" + ROW + "x,1,2,3,4,5\n", [1, 3], [2, 4]),
        (HEADER + "x,1\n", [], [1]),
        (HEADER + "x\n" * 3 + ROW, [4], [1, 2, 3]),
        (HEADER + '"with, comma",1,2,3,4\n"two\nlines",1,2,3,4\n' + ROW, [1, 2, 3], []),
        (HEADER + ROW + HEADER + ROW, [1, 3], [2]),
    ],
)
def test_damaged_rows_are_counted_by_number(content: str, numbers: list[int], damaged: list[int]) -> None:
    rows, found = read(content)
    assert list(rows["row_number"]) == numbers
    assert found == damaged


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (gzip.compress(template_csv().encode()), "this is compressed CSV"),
        (workbook(HEADER), "header but no record"),
        (workbook("name,city\nann,rome\n"), "no column user_id"),
        (b" \n\n\t\n", "no column user_id"),
        (HEADER, "header but no record"),
        (HEADER.rstrip(), "header but no record"),
        ("name,age\nx,1\n", "no column user_id, total_reviews"),
        (HEADER.replace("avg_spend", "spend") + ROW, "no column avg_spend"),
        (HEADER.rstrip() + ",Avg_Spend\n" + ROW, "avg_spend twice"),
        (template_csv().encode("utf-16"), "UTF-16"),
        ((HEADER + "ü,1,2,3,4\n").encode("latin-1"), "not UTF-8"),
        (zipped(template_csv()), "a zip archive"),
        (b"\x1f\x8b" + bytes(50), "gzip"),
        ('{"user_id": "a"}\n', "JSON"),
        (random.Random(1).randbytes(2_000_000), "line 1"),
        (bytes(2_000_000), "NUL"),
        (b"a" * 9_000_000, "longer than"),
        (HEADER.encode() + bytes(b or 1 for b in random.Random(2).randbytes(300_000)), "not UTF-8"),
        (HEADER + '"open,1,2,3,4\n' + ROW, "never closed"),
        (HEADER + 'o"pen,1,2,3,4\n' + ROW, "a quote"),
        (b"PAR1" + random.Random(3).randbytes(5_000) + b"PAR1", "damaged or cut"),
        (parquet(TABLE)[:-30], "damaged or cut"),
        (parquet(TABLE.drop_columns(["avg_spend"])), "no column avg_spend"),
        (parquet(TABLE.slice(0, 0)), "no rows"),
        (with_column("avg_spend", [[1.0], [2.0]]), "avg_spend is list"),
        (with_column("user_id", [b"a", b"b"]), "user_id is binary"),
    ],
)
def test_refuses_files_that_cannot_be_scored(content: bytes | str, message: str) -> None:
    with pytest.raises(RefusedInput, match=message):
        read(content)


@pytest.mark.parametrize("content", [HEADER + ROW * 9, parquet(pa.concat_tables([TABLE] * 5))])
def test_refuses_too_many_rows(monkeypatch: pytest.MonkeyPatch, content: bytes | str) -> None:
    monkeypatch.setattr(uploads, "MAX_ROWS", 8)
    with pytest.raises(RefusedInput, match="more than 8"):
        opened(content)


def test_refuses_parquet_with_an_extreme_expansion_ratio() -> None:
    rows = 300_000
    numbers = {name: pa.repeat(1, rows) for name in TABLE.column_names[1:]}
    target = io.BytesIO()
    table = pa.table({"user_id": pa.repeat("u" * 200, rows), **numbers})
    pq.write_table(table, target, use_dictionary=False, compression="zstd")
    with pytest.raises(RefusedInput, match="expands to"):
        opened(target.getvalue())


def test_long_texts_in_parquet_are_cut() -> None:
    rows = 100_000
    shared = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), ["x" * 100_000])
    numbers = {name: pa.repeat(1, rows) for name in TABLE.column_names[1:]}
    batch = next(opened(parquet(pa.table({"user_id": shared, **numbers}))).text_rows())
    assert len(batch.rows["user_id"][0].as_py()) < 5_000


def test_values_of_parquet_become_the_text_of_a_csv() -> None:
    rows, damaged = read(parquet(TABLE))
    assert rows.iloc[0].to_list() == [1, "a", "1", "4.5", "nan", "1e+20"]
    assert [rows.iloc[1][name] for name in ("row_number", "avg_discount", "avg_spend")] == [2, "0.00001", "3"]
    assert rows["avg_rating"].isna().to_list() == [False, True]
    assert damaged == []


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (pa.array(["a", "b"]).dictionary_encode(), ["a", "b"]),
        (pa.array(["a", "b"], pa.large_string()), ["a", "b"]),
        (pa.array([7, 8]), ["7", "8"]),
        (pa.array([7, None]), ["7", None]),
    ],
)
def test_user_ids_in_parquet_can_have_several_types(values: pa.Array, texts: list[str | None]) -> None:
    rows, _ = read(with_column("user_id", values))
    assert rows["user_id"].astype(object).where(rows["user_id"].notna(), None).to_list() == texts


def test_temporary_files_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    upload = opened(template_csv())
    assert len(list(tmp_path.iterdir())) == 1
    del upload
    gc.collect()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RefusedInput):
        opened(b"")
    assert list(tmp_path.iterdir()) == []
