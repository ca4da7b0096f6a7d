import io
import random
import zipfile

import pandas as pd
import pytest

from amzseg_pipeline.contracts.scoring import USERS_TO_SCORE
from amzseg_pipeline.storage.serving.uploads import template_csv
from amzseg_pipeline.storage.snapshots import Snapshot
from amzseg_pipeline_tests.app.pages import errors, opened, prose

pytestmark = pytest.mark.usefixtures("shown_home")

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


def test_the_page_tells_what_a_file_must_hold_and_offers_a_template() -> None:
    session = opened("score_file")
    text = prose(session)
    for column in USERS_TO_SCORE.columns:
        assert column.name in text
        assert column.description in text
    assert [button.label for button in session.download_button] == ["Download a template"]
    assert "Engagement is derived, not asked" in text


def test_the_template_can_be_scored_as_it_stands() -> None:
    session = uploaded(template_csv())
    assert errors(session) == []
    assert list(session.dataframe[0].value["User"]) == ["user-1", "user-2"]


def test_published_users_get_their_segments_and_all_is_counted(snapshot: Snapshot) -> None:
    everyone = snapshot.segment_assignments()
    content = everyone[list(USERS_TO_SCORE.column_names)].to_csv(index=False)
    session = uploaded(content + "x,0,,,\ny,1\n")
    assert errors(session) == []
    text = prose(session)
    assert f"{len(everyone):,}" in text
    assert "total_reviews is not a whole number" in text
    assert "more or fewer fields" in text
    agreeing = session.dataframe[0].value["Segment"].to_numpy() == everyone["segment_name"].head(100).to_numpy()
    assert agreeing.mean() > 0.95
    assert list(session.dataframe[1].value["Row"]) == [len(everyone) + 1, len(everyone) + 2]
    assert len(session.download_button) == 5


def test_a_parquet_file_is_scored(snapshot: Snapshot) -> None:
    target = io.BytesIO()
    snapshot.segment_assignments().to_parquet(target)
    session = uploaded(target.getvalue(), "users.parquet")
    assert errors(session) == []
    assert "Columns that were not used" in prose(session)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (HEADER, "header and no rows"),
        ("name,city\nann,rome\n", "has no column"),
        (random.Random(1).randbytes(20_000_000), "neither a CSV nor a parquet"),
        (bytes(b or 32 for b in random.Random(4).randbytes(200_000)), "cannot be scored"),
        (zipped(template_csv()), "a zip or Excel file"),
        (template_csv().replace(",", ";"), "not separated by commas"),
        (b"PAR1 not really", "cannot be read as parquet"),
        (f"{HEADER}<img src=x onerror=alert(1)>{'x' * 70_000},1,,,\n", "cell is longer"),
    ],
)
def test_a_file_that_cannot_be_scored_is_refused_in_words(content: bytes | str, words: str) -> None:
    session = uploaded(content)
    assert not session.exception
    assert len(session.error) == 1
    assert words in session.error[0].value.replace("\\", "")
    assert not session.dataframe


@pytest.mark.parametrize(
    ("place", "value"), [(1, "NaN"), (1, "1e99"), (2, "-1"), (2, "=1+1"), (3, "abc"), (4, "inf"), (4, "9" * 500)]
)
def test_a_value_that_cannot_be_read_rejects_its_row_alone(place: int, value: str) -> None:
    cells = ["bad", "3", "4", "20", "300"]
    cells[place] = value
    session = uploaded(f"{HEADER}good,3,4,20,300\n{','.join(cells)}\n")
    assert errors(session) == []
    assert list(session.dataframe[0].value["User"]) == ["good"]
    assert list(session.dataframe[1].value["User"]) == ["bad"]


def test_formulas_and_markup_stand_in_tables_alone() -> None:
    evil = ["=cmd|' /C calc'!A0", "<script>alert(1)</script>", "**bold** [x](http://evil.example)"]
    rows = "".join(f'"{text}",3,4,20,300\n"{text}",x,4,20,300\n' for text in evil)
    session = uploaded(HEADER.strip() + ",<b>extra</b>\n" + "".join(f"{row},1\n" for row in rows.splitlines()))
    assert errors(session) == []
    assert list(session.dataframe[0].value["User"]) == evil
    assert list(session.dataframe[1].value["User"]) == evil
    for text in (*evil, "<b>extra</b>"):
        assert text not in prose(session)


def test_only_rejected_rows_show_no_segments() -> None:
    session = uploaded(HEADER + "a,0,,,\n")
    assert errors(session) == []
    assert len(session.dataframe) == 1
    assert isinstance(session.dataframe[0].value, pd.DataFrame)


def test_the_result_is_kept_while_the_page_is_used_and_goes_with_the_file() -> None:
    session = uploaded(template_csv())
    kept = session.session_state["scored_file"][1]
    session.run()
    assert session.session_state["scored_file"][1] is kept
    session.file_uploader(key="upload").set_value(None)
    session.run()
    assert "scored_file" not in session.session_state
