"""Parsing of uploaded users."""

from typing import Any

import narwhals as nw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amzseg_pipeline.contracts.schema import Column, Table
from amzseg_pipeline.contracts.scoring import MAX_REVIEWS, MAX_SPEND, MAX_USER_ID_CHARACTERS, USERS_TO_SCORE, RowIssue
from amzseg_pipeline.steps.users_to_score import users_to_score
from amzseg_pipeline_tests.frames import ENGINES, frame, rows_of

TEXT = Table(
    "text",
    "",
    (
        Column("row_number", "int64", ""),
        *(Column(name, "string", "", nullable=True) for name in USERS_TO_SCORE.column_names),
    ),
)
VALID_ROW = {"user_id": "u", "total_reviews": "3", "avg_rating": "4.2", "avg_discount": "25", "avg_spend": "1499.5"}


def read(engine: str = "duckdb", **cells: str | None) -> dict[str, Any]:
    row = {"row_number": 1, **VALID_ROW, **cells}
    return rows_of(users_to_score(frame(TEXT, [row], engine=engine)), "row_number")[0]


@pytest.mark.parametrize("engine", ENGINES)
def test_valid_row_becomes_numbers_with_derived_engagement(engine: str) -> None:
    assert read(engine) == {
        "row_number": 1,
        "user_id": "u",
        "total_reviews": 3,
        "avg_rating": 4.2,
        "avg_discount": 25.0,
        "avg_spend": 1499.5,
        "engagement_score": pytest.approx(12.6),
        "issue": None,
    }


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("column", "text", "number"),
    [
        ("total_reviews", "1", 1),
        ("total_reviews", " 12 ", 12),
        ("total_reviews", "3.0", 3),
        ("total_reviews", "1,234", 1234),
        ("total_reviews", "1,23,456", 123456),
        ("total_reviews", str(MAX_REVIEWS), MAX_REVIEWS),
        ("avg_rating", "1", 1.0),
        ("avg_rating", "5.00", 5.0),
        ("avg_rating", "4.333333333333333", 4.333333333333333),
        ("avg_rating", "", None),
        ("avg_rating", None, None),
        ("avg_rating", "   ", None),
        ("avg_discount", "0", 0.0),
        ("avg_discount", "100", 100.0),
        ("avg_discount", "64%", 64.0),
        ("avg_discount", "64.5 %", 64.5),
        ("avg_discount", "1e-05", 1e-05),
        ("avg_spend", "1,234.50", 1234.5),
        ("avg_spend", "1,39,900", 139900.0),
        ("avg_spend", "1e+06", 1e6),
        ("avg_spend", str(MAX_SPEND), float(MAX_SPEND)),
        ("avg_spend", "", None),
    ],
)
def test_matching_text_is_parsed(engine: str, column: str, text: str | None, number: Any) -> None:
    row = read(engine, **{column: text})
    assert row["issue"] is None
    assert row[column] == number


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("column", "text", "issue"),
    [
        ("user_id", "", RowIssue.USER),
        ("user_id", None, RowIssue.USER),
        ("user_id", "  ", RowIssue.USER),
        ("user_id", "x" * (MAX_USER_ID_CHARACTERS + 1), RowIssue.USER),
        ("user_id", "a\nb", RowIssue.USER),
        ("user_id", "a\x00b", RowIssue.USER),
        *(
            ("total_reviews", text, RowIssue.REVIEWS)
            for text in (
                "",
                None,
                "0",
                "-1",
                "1.5",
                "nan",
                "inf",
                "three",
                "=1+1",
                "1e3",
                "1234567890123456789",
                "12,34",
            )
        ),
        *(
            ("avg_rating", text, RowIssue.RATING)
            for text in ("0", "0.99", "5.01", "-4", "NaN", "inf", "4,2", "four", "=4", "4.2 stars", "1e99")
        ),
        *(("avg_discount", text, RowIssue.DISCOUNT) for text in ("-1", "100.1", "nan", "%", "50%%", "=50", "+50")),
        *(
            ("avg_spend", text, RowIssue.SPEND)
            for text in ("-0.01", "nan", "-inf", "₹499", "free", "1e13", "9" * 400, "=SUM(A1)", "1,2345")
        ),
    ],
)
def test_other_text_is_an_issue(engine: str, column: str, text: str | None, issue: RowIssue) -> None:
    assert read(engine, **{column: text})["issue"] == issue.value


@pytest.mark.parametrize("engine", ENGINES)
def test_row_has_its_first_issue(engine: str) -> None:
    assert read(engine, user_id="", total_reviews="0", avg_rating="9")["issue"] == RowIssue.USER.value
    assert read(engine, total_reviews="0", avg_rating="9", avg_spend="x")["issue"] == RowIssue.REVIEWS.value


def test_user_without_a_rating_has_no_engagement() -> None:
    assert read(avg_rating="")["engagement_score"] is None


@settings(deadline=None)
@given(st.lists(st.fixed_dictionaries({name: st.text() | st.none() for name in VALID_ROW}), max_size=5))
def test_arbitrary_text_keeps_all_rows_and_ranges(rows: list[dict[str, str]]) -> None:
    given_rows = [{"row_number": i, **row} for i, row in enumerate(rows)]
    found = rows_of(users_to_score(frame(TEXT, given_rows, engine="polars")), "row_number")
    assert [row["row_number"] for row in found] == list(range(len(rows)))
    for row in found:
        if row["issue"] is None:
            assert 1 <= row["total_reviews"] <= MAX_REVIEWS
            assert row["avg_rating"] is None or 1 <= row["avg_rating"] <= 5
            assert row["avg_discount"] is None or 0 <= row["avg_discount"] <= 100
            assert row["avg_spend"] is None or 0 <= row["avg_spend"] <= MAX_SPEND


@settings(deadline=None)
@given(st.floats(0, MAX_SPEND), st.floats(1, 5), st.floats(0, 100), st.integers(1, MAX_REVIEWS))
def test_python_numbers_round_trip(spend: float, rating: float, discount: float, reviews: int) -> None:
    row = read(
        "polars",
        avg_spend=repr(spend),
        avg_rating=repr(rating),
        avg_discount=repr(discount),
        total_reviews=str(reviews),
    )
    expected = RowIssue.DISCOUNT if 0 < discount < 1e-99 else RowIssue.SPEND if 0 < spend < 1e-99 else None
    if expected is None:
        assert (row["avg_spend"], row["avg_rating"], row["avg_discount"], row["total_reviews"]) == (
            spend,
            rating,
            discount,
            reviews,
        )
    assert row["issue"] == (expected and expected.value)


def test_input_is_not_changed() -> None:
    rows = frame(TEXT, [{"row_number": 1, **VALID_ROW}], engine="pandas")
    users_to_score(rows).collect()
    assert rows.collect_schema().names() == ["row_number", *USERS_TO_SCORE.column_names]
    assert isinstance(rows, nw.LazyFrame)
