import io
import random
import zipfile
from itertools import pairwise

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.scoring import USERS_TO_SCORE
from amzseg_pipeline.storage.serving import uploads
from amzseg_pipeline.storage.serving.uploads import Upload, template_csv, upload_of

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
    return upload_of(io.BytesIO(content.encode() if isinstance(content, str) else content))


def read(content: bytes | str) -> tuple[pd.DataFrame, list[int]]:
    parts = list(opened(content).text_rows())
    return (
        pa.concat_tables([part.rows for part in parts]).to_pandas(),
        [int(number) for part in parts for number in part.damaged],
    )


def parquet(table: pa.Table) -> bytes:
    target = io.BytesIO()
    pq.write_table(table, target)
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
    ],
)
def test_the_template_is_read_however_it_was_saved(content: bytes | str) -> None:
    rows, damaged = read(content)
    assert list(rows.columns) == ["row_number", *USERS_TO_SCORE.column_names]
    assert rows.iloc[0].to_list() == [1, "user-1", "3", "4.3", "25", "1499.50"]
    assert rows.iloc[1].to_list() == [2, "user-2", "1", "", "60.5", ""]
    assert damaged == []


def test_columns_may_stand_in_any_order_and_others_are_named_but_not_read() -> None:
    upload = opened("avg_spend,note,total_reviews,avg_rating,user_id,avg_discount\n4,hello,1,2,u,3\n")
    assert upload.unused == ("note",)
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
    ],
)
def test_rows_of_other_width_are_counted_by_their_number(content: str, numbers: list, damaged: list) -> None:
    rows, found = read(content)
    assert list(rows["row_number"]) == numbers
    assert found == damaged


def test_row_numbers_hold_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "LONGEST_ROW_BYTES", 200)
    lines = [f"user-{i},{i},,,\n" if i % 7 else f"user-{i},{i}\n" for i in range(1, 500)]
    parts = list(opened(HEADER + "".join(lines)).text_rows())
    rows = pa.concat_tables([part.rows for part in parts]).to_pandas()
    assert len(parts) > 20
    assert (rows["total_reviews"].astype(int) == rows["row_number"]).all()
    assert sorted(int(n) for part in parts for n in part.damaged) == [i for i in range(1, 500) if i % 7 == 0]
    assert all(a <= b for a, b in pairwise(part.read for part in parts))
    assert parts[-1].read == 1.0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \n\n\t\n", "is empty"),
        (HEADER, "header and no rows"),
        (HEADER.rstrip(), "header and no rows"),
        (HEADER + "\n\n", "header and no rows"),
        ("name,age\nx,1\n", "no column user_id, total_reviews"),
        (HEADER.replace("avg_spend", "spend") + ROW, "no column avg_spend"),
        (HEADER.rstrip() + ",Avg_Spend\n" + ROW, "avg_spend twice"),
        (template_csv().replace(",", ";"), "not separated by commas"),
        (template_csv().replace(",", "\t"), "not separated by commas"),
        (template_csv().encode("utf-16"), "not UTF-8"),
        ((HEADER + "ü,1,2,3,4\n").encode("latin-1"), "not UTF-8"),
        ((HEADER + "ü\n").encode("latin-1"), "not UTF-8"),
        (zipped(template_csv()), "a zip or Excel file"),
        (b"\x1f\x8b" + bytes(50), "a gzip file"),
        (random.Random(1).randbytes(20_000_000), "neither a CSV nor a parquet"),
        (bytes(20_000_000), "neither a CSV nor a parquet"),
        (b"a" * 20_000_000, "first line is longer"),
        (HEADER.encode() + bytes(b or 1 for b in random.Random(2).randbytes(300_000)), "not UTF-8"),
        (HEADER + '"open,1,2,3,4\n' + ROW * 900_000, "longer than 4 MiB"),
        (HEADER + "x" * 70_000 + ",1,2,3,4\n", "cell is longer"),
        (b"PAR1" + random.Random(3).randbytes(5_000) + b"PAR1", "cannot be read as parquet"),
        (parquet(TABLE)[:-30], "cannot be read as parquet"),
        (parquet(TABLE.drop_columns(["avg_spend"])), "no column avg_spend"),
        (parquet(TABLE.slice(0, 0)), "header and no rows"),
        (with_column("avg_spend", [[1.0], [2.0]]), "avg_spend holds neither numbers nor text"),
        (with_column("user_id", [b"a", b"b"]), "user_id holds neither numbers nor text"),
        (with_column("user_id", ["a", "x" * 70_000]), "cell is longer"),
    ],
)
def test_what_cannot_be_scored_is_refused_in_words_with_what_to_do(content: bytes | str, words: str) -> None:
    with pytest.raises(RefusedInput, match=words) as refusal:
        read(content)
    assert "Traceback" not in str(refusal.value)


@pytest.mark.parametrize("content", [HEADER + ROW * 9, parquet(pa.concat_tables([TABLE] * 5))])
def test_too_many_rows_are_refused(monkeypatch: pytest.MonkeyPatch, content: bytes | str) -> None:
    monkeypatch.setattr(uploads, "MOST_ROWS", 8)
    with pytest.raises(RefusedInput, match="more than 8"):
        read(content)


def test_one_long_text_that_a_million_rows_share_is_refused_before_it_is_written_out() -> None:
    rows = 1_000_000
    shared = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), ["x" * 100_000])
    numbers = {name: pa.repeat(1, rows) for name in TABLE.column_names[1:]}
    content = parquet(pa.table({"user_id": shared, **numbers}))
    assert len(content) < 1_000_000
    with pytest.raises(RefusedInput, match="cell is longer"):
        read(content)


def test_a_parquet_that_unpacks_beyond_reason_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_SMALL_BYTES", 1000)
    monkeypatch.setattr(uploads, "LARGEST_EXPANSION", 2)
    content = parquet(TABLE.take([0] * 100).set_column(0, "user_id", [[f"{'x' * 2000}{i}" for i in range(100)]]))
    with pytest.raises(RefusedInput, match="100 times"):
        read(content)


def test_values_of_a_parquet_are_the_text_they_would_have_in_a_csv() -> None:
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
        (pa.array([True, False]), ["true", "false"]),
    ],
)
def test_a_column_of_any_simple_type_becomes_text(values: pa.Array, texts: list[str | None]) -> None:
    rows, _ = read(with_column("user_id", values))
    assert rows["user_id"].astype(object).where(rows["user_id"].notna(), None).to_list() == texts
