"""Parsing of uploaded users: one anchored pattern per value, no guessing."""

import narwhals as nw

from amzseg_pipeline.contracts.scoring import MAX_REVIEWS, MAX_SPEND, MAX_USER_ID_CHARACTERS, USERS_TO_SCORE, RowIssue

_DIGITS = "(?:[0-9]{1,13}|[0-9]{1,3}(?:,[0-9]{3}){1,4}|[0-9]{1,2}(?:,[0-9]{2}){1,5},[0-9]{3})"

INTEGER = rf"^{_DIGITS}(?:\.0{{1,6}})?$"
"""Western (1,234,567) or Indian (12,34,567) grouping; tables with missing values write 3 as `3.0`."""

NUMBER = rf"^{_DIGITS}(?:\.[0-9]{{1,20}})?(?:[eE][+-]?[0-9]{{1,2}})?$"
"""No sign, because no value is negative; no `nan` or `inf`; `1e-05` is a small number."""

CONTROL_CHARACTER = r"[\x00-\x1f\x7f]"
PERCENTAGE = rf"{NUMBER[:-1]} ?%?$"


def users_to_score(rows: nw.LazyFrame) -> nw.LazyFrame:
    """`rows` (row_number and contracts.USERS_TO_SCORE as text) with parsed numbers, engagement_score and `issue`.

    `issue` is the RowIssue of the row, null for a valid row. Empty text is a missing value. A number that does not
    match its pattern or is out of range becomes null and sets `issue`.
    """
    return (
        rows.with_columns(nw.col(name).str.strip_chars() for name in USERS_TO_SCORE.column_names)
        .with_columns(nw.when(nw.col(name) != "").then(nw.col(name)) for name in USERS_TO_SCORE.column_names)
        .with_columns(
            reviews_number=_number("total_reviews", INTEGER, low=1, high=MAX_REVIEWS),
            rating_number=_number("avg_rating", NUMBER, low=1, high=5),
            discount_number=_number("avg_discount", PERCENTAGE, low=0, high=100),
            spend_number=_number("avg_spend", NUMBER, low=0, high=MAX_SPEND),
        )
        .select(
            "row_number",
            "user_id",
            total_reviews=nw.col("reviews_number").cast(nw.Int64),
            avg_rating=nw.col("rating_number"),
            avg_discount=nw.col("discount_number"),
            avg_spend=nw.col("spend_number"),
            engagement_score=nw.col("reviews_number") * nw.col("rating_number"),
            issue=nw.coalesce(
                _issue(RowIssue.USER, _is_invalid_user_id()),
                _issue(RowIssue.REVIEWS, nw.col("reviews_number").is_null()),
                _issue(RowIssue.RATING, _is_unparsed("avg_rating", "rating_number")),
                _issue(RowIssue.DISCOUNT, _is_unparsed("avg_discount", "discount_number")),
                _issue(RowIssue.SPEND, _is_unparsed("avg_spend", "spend_number")),
            ),
        )
    )


def _number(name: str, pattern: str, *, low: float, high: float) -> nw.Expr:
    text = nw.col(name)
    digits = nw.when(text.str.contains(pattern)).then(text.str.replace_all("[^0-9.eE+-]", ""))
    number = digits.cast(nw.Float64)
    return nw.when((number >= low) & (number <= high)).then(number)


def _is_invalid_user_id() -> nw.Expr:
    user_id = nw.col("user_id")
    return (
        user_id.is_null() | (user_id.str.len_chars() > MAX_USER_ID_CHARACTERS) | user_id.str.contains(CONTROL_CHARACTER)
    )


def _is_unparsed(name: str, number: str) -> nw.Expr:
    return ~nw.col(name).is_null() & nw.col(number).is_null()


def _issue(issue: RowIssue, holds: nw.Expr) -> nw.Expr:
    return nw.when(holds.fill_null(False)).then(nw.lit(issue.value))
