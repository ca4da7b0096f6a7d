"""From the text of a file somebody brings to users that can be scored: one anchored rule per value, nothing guessed."""

import narwhals as nw

from amzseg_pipeline.contracts.scoring import MAX_REVIEWS, MAX_SPEND, MAX_USER_ID_CHARACTERS, USERS_TO_SCORE, RowIssue

_DIGITS = "(?:[0-9]{1,13}|[0-9]{1,3}(?:,[0-9]{3}){1,4}|[0-9]{1,2}(?:,[0-9]{2}){1,5},[0-9]{3})"

WHOLE_NUMBER = rf"^{_DIGITS}(?:\.0{{1,6}})?$"
"""Western (1,234,567) or Indian (12,34,567) grouping; `3.0` is how a table with gaps writes 3."""

NUMBER = rf"^{_DIGITS}(?:\.[0-9]{{1,20}})?(?:[eE][+-]?[0-9]{{1,2}})?$"
"""No sign: nothing here can be negative. `nan` and `inf` are no numbers; `1e-05` is how tables write small ones."""

CONTROL_CHARACTER = r"[\x00-\x1f\x7f]"
PERCENTAGE = rf"{NUMBER[:-1]} ?%?$"


def users_to_score(rows: nw.LazyFrame) -> nw.LazyFrame:
    """`rows` (row_number and contracts.USERS_TO_SCORE as text) with numbers for text, engagement_score and `fault`.

    `fault` is the row's contracts.RowIssue, null where all is well; an empty text is a missing value. A number that is
    not of its rule or out of its range is null, and the row's fault says so.
    """
    return (
        rows.with_columns(nw.col(name).str.strip_chars() for name in USERS_TO_SCORE.column_names)
        .with_columns(nw.when(nw.col(name) != "").then(nw.col(name)) for name in USERS_TO_SCORE.column_names)
        .with_columns(
            reviews_number=_number("total_reviews", WHOLE_NUMBER, low=1, high=MAX_REVIEWS),
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
            fault=nw.coalesce(
                _fault(RowIssue.USER, _is_no_user_id()),
                _fault(RowIssue.REVIEWS, nw.col("reviews_number").is_null()),
                _fault(RowIssue.RATING, _is_unread("avg_rating", "rating_number")),
                _fault(RowIssue.DISCOUNT, _is_unread("avg_discount", "discount_number")),
                _fault(RowIssue.SPEND, _is_unread("avg_spend", "spend_number")),
            ),
        )
    )


def _number(name: str, pattern: str, *, low: float, high: float) -> nw.Expr:
    text = nw.col(name)
    digits = nw.when(text.str.contains(pattern)).then(text.str.replace_all("[^0-9.eE+-]", ""))
    number = digits.cast(nw.Float64)
    return nw.when((number >= low) & (number <= high)).then(number)


def _is_no_user_id() -> nw.Expr:
    user_id = nw.col("user_id")
    return (
        user_id.is_null() | (user_id.str.len_chars() > MAX_USER_ID_CHARACTERS) | user_id.str.contains(CONTROL_CHARACTER)
    )


def _is_unread(name: str, number: str) -> nw.Expr:
    return ~nw.col(name).is_null() & nw.col(number).is_null()


def _fault(fault: RowIssue, holds: nw.Expr) -> nw.Expr:
    return nw.when(holds.fill_null(False)).then(nw.lit(fault.value))
