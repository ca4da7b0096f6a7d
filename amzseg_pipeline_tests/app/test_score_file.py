"""The page Score a file."""

import io
import random
import zipfile

import pandas as pd
import pytest

from amzseg_pipeline.contracts.scoring import USERS_TO_SCORE
from amzseg_pipeline.storage.serving.uploads import template_csv
from amzseg_pipeline.storage.snapshots import Snapshot
from amzseg_pipeline_tests.app.pages import errors, opened, prose

pytestmark = pytest.mark.usefixtures("sample_data_root")

HEADER = ",".join(USERS_TO_SCORE.column_names) + "\n"


def zipped(content: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("users.csv", content)
    return target.getvalue()


def uploaded(content: bytes | str, name: str = "users.csv"):
    session = opened("score_file")
    data = content.encode() if isinstance(content, str) else content
    session.file_uploader(key="upload").upload(name, data, "text/csv")
    return session.run()


def test_required_columns_and_template() -> None:
    session = opened("score_file")
    text = prose(session)
    for column in USERS_TO_SCORE.columns:
        assert column.name in text
        assert column.description in text
    assert [button.label for button in session.download_button] == ["Download a template"]
    assert "Engagement is derived" in text


def test_the_template_can_be_scored() -> None:
    session = uploaded(template_csv())
    assert errors(session) == []
    assert list(session.dataframe[0].value["User"]) == ["user-1", "user-2"]


def test_published_users_keep_their_segments(snapshot: Snapshot) -> None:
    assignments = snapshot.segment_assignments()
    content = assignments[list(USERS_TO_SCORE.column_names)].to_csv(index=False)
    session = uploaded(content + "x,0,,,\ny,1\n")
    assert errors(session) == []
    text = prose(session)
    assert f"{len(assignments):,}" in text
    assert "total_reviews is not an integer" in text
    assert "more or fewer fields" in text
    agreeing = session.dataframe[0].value["Segment"].to_numpy() == assignments["segment_name"].head(100).to_numpy()
    assert agreeing.mean() > 0.95
    assert list(session.dataframe[1].value["Data row"]) == [len(assignments) + 1, len(assignments) + 2]
    assert len(session.download_button) == 5


def test_a_parquet_file_is_scored(snapshot: Snapshot) -> None:
    target = io.BytesIO()
    snapshot.segment_assignments().to_parquet(target)
    session = uploaded(target.getvalue(), "users.parquet")
    assert errors(session) == []
    assert "Ignored columns" in prose(session)


def test_a_workbook_is_scored_and_how_it_was_read_is_shown() -> None:
    target = io.BytesIO()
    renamed = template_csv().replace("user_id", "User_ID")
    pd.read_csv(io.StringIO(renamed)).to_excel(target, index=False)
    session = uploaded(target.getvalue(), "users.xlsx")
    assert errors(session) == []
    assert list(session.dataframe[0].value["User"]) == ["user-1", "user-2"]
    text = prose(session).replace("\\", "")
    assert "Excel, 2 rows. Columns: User_ID as user_id." in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (HEADER, "header but no record"),
        ("name,city\nann,rome\n", "has no column"),
        (random.Random(1).randbytes(2_000_000), "cannot be scored"),
        (bytes(b or 32 for b in random.Random(4).randbytes(200_000)), "cannot be scored"),
        (zipped(template_csv()), "a zip archive"),
        (b"PAR1 not really", "damaged or cut"),
    ],
)
def test_files_that_cannot_be_scored_are_refused(content: bytes | str, message: str) -> None:
    session = uploaded(content)
    assert not session.exception
    assert len(session.error) == 1
    assert message in session.error[0].value.replace("\\", "")
    assert not session.dataframe


@pytest.mark.parametrize(
    ("column", "value"), [(1, "NaN"), (1, "1e99"), (2, "-1"), (2, "=1+1"), (3, "abc"), (4, "inf"), (4, "9" * 500)]
)
def test_an_unreadable_value_rejects_only_its_row(column: int, value: str) -> None:
    cells = ["bad", "3", "4", "20", "300"]
    cells[column] = value
    session = uploaded(f"{HEADER}good,3,4,20,300\n{','.join(cells)}\n")
    assert errors(session) == []
    assert list(session.dataframe[0].value["User"]) == ["good"]
    assert list(session.dataframe[1].value["User"]) == ["bad"]


def test_formulas_and_markup_appear_only_in_tables() -> None:
    evil = ["=cmd|' /C calc'!A0", "<script>alert(1)</script>", "**bold** [x](http://evil.example)"]
    rows = "".join(f'"{text}",3,4,20,300\n"{text}",x,4,20,300\n' for text in evil)
    session = uploaded(HEADER.strip() + ",<b>extra</b>\n" + "".join(f"{row},1\n" for row in rows.splitlines()))
    assert errors(session) == []
    assert list(session.dataframe[0].value["User"]) == evil
    assert list(session.dataframe[1].value["User"]) == evil
    for text in (*evil, "<b>extra</b>"):
        assert text not in prose(session)


def test_a_file_without_valid_rows() -> None:
    session = uploaded(HEADER + "a,0,,,\n")
    assert errors(session) == []
    assert len(session.dataframe) == 2
    assert isinstance(session.dataframe[0].value, pd.DataFrame)


def test_the_result_is_cached_until_the_file_is_removed() -> None:
    session = uploaded(template_csv())
    cached = session.session_state["scored_file"][1]
    session.run()
    assert session.session_state["scored_file"][1] is cached
    session.file_uploader(key="upload").set_value(None)
    session.run()
    assert "scored_file" not in session.session_state
