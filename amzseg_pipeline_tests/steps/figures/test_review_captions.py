"""Recomputes every number and trend in the titles and captions of the reviews plots with pandas, on five data sets.

Over 250 lines: one recomputation per plot."""

import calendar
import re
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from amzseg_pipeline.presentation.formatting import category_name, percent, signed
from amzseg_pipeline.steps.figures import reviews as review_plots
from amzseg_pipeline.steps.figures.gallery import NotApplicable, Plot
from amzseg_pipeline.steps.figures.style import drawing_style
from amzseg_pipeline_tests.steps.figures.captions import Fragments, assert_all_numbers, rupees
from amzseg_pipeline_tests.steps.figures.synthetic import data_of, plain, rejected, reviews, without

Rows = list[dict[str, Any]]


def rising() -> Rows:
    """Expensive products are rated better and discounted less, without an exception in any group."""
    draw = np.random.default_rng(7)
    rows = []
    for row in reviews(seed=5):
        level = np.log((row["paid_minor"] or 60_000) / 100)
        tenths = int(np.clip(9 * level - 18 + draw.normal(0, 2), 10, 50))
        rows.append({**row, "rating_tenths": tenths, "discount_bp": int(np.clip(12_000 - 1_300 * level, 0, 9_500))})
    return rows


def jagged() -> Rows:
    """Median discounts of about 29, 61, 32 and 31 by rating level; prices are random."""
    draw = np.random.default_rng(1)
    discounts = {32: 2_900, 37: 6_100, 42: 3_200, 47: 3_100}
    rows = []
    for i, row in enumerate(reviews(seed=2)):
        tenths = list(discounts)[i % 4]
        rows.append({**row, "rating_tenths": tenths, "discount_bp": discounts[tenths] + int(draw.integers(-200, 200))})
    return rows


def falling() -> Rows:
    """Expensive products are rated worse."""
    draw = np.random.default_rng(3)
    return [
        {**row, "rating_tenths": int(np.clip(95 - 8 * np.log(row["paid_minor"] / 100) + draw.normal(0, 3), 10, 50))}
        for row in reviews(seed=4)
        if row["paid_minor"]
    ]


def integer_stars() -> Rows:
    """Integer ratings, prices of items and dates over three years: no list price, no discount, no rating count."""
    draw = np.random.default_rng(5)
    rows = without(reviews(900, seed=6), "list_minor", "discount_bp", "rating_count")
    return [{**row, "rating_tenths": 10 * int(draw.choice(5, p=[0.15, 0.05, 0.1, 0.2, 0.5]) + 1)} for row in rows]


def listings() -> Rows:
    """Reviews that repeat the values of 40 products, as in the Amazon Sales Dataset."""
    products = {row["item_id"]: row for row in reviews(seed=8)}
    shared = ("rating_tenths", "rating_count", "paid_minor", "list_minor", "discount_bp", "category")
    rows = without(reviews(500, seed=9), "reviewed_at_ms")
    return [{**row, **{name: products.get(row["item_id"], row)[name] for name in shared}} for row in rows]


DATASETS = {each.__name__: each for each in (rising, jagged, falling, integer_stars, listings)}
DIRECTIONS = {
    "rising": {"paid": 1, "off": -1},
    "jagged": {"paid": 0, "off": 0},
    "falling": {"paid": -1},
    "integer_stars": {"paid": 0},
}
LEVELS = {"under 3.5": (0, 3.5), "3.5 to 3.9": (3.5, 4), "4 to 4.4": (4, 4.5), "4.5 to 5": (4.5, 6)}
INTEGER_LEVELS = {str(n): (n, n + 1) for n in range(1, 6)}
ORDER = ("rise", "no clear trend", "fall")


class Table:
    """The reviews of a data set, row by row, in readable units."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rows = DATASETS[name]()
        for i, row in enumerate(self.rows):
            row["duplicate_count"] = i % 3 // 2
        self.rejected = rejected(MISSING_USER=3, UNEQUAL_LISTS=2)
        self.plain = plain(
            [{**dict.fromkeys(("list_minor", "discount_bp", "rating_count")), **row} for row in self.rows]
        )
        self.plain["ratings"] = self.plain["rating_count"].astype(float)
        self.data = data_of(self.rows, self.rejected, has_product_ratings=name == "listings")

    def known(self, *columns: str) -> pd.DataFrame:
        found = self.plain.dropna(subset=list(columns))
        return found[(found[[name for name in columns if name not in ("off", "stars")]] > 0).all(axis=1)]


@cache
def table_of(name: str) -> Table:
    return Table(name)


def joined(texts: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))


def quarters(table: pd.DataFrame, by: str, of: "pd.Series[float]") -> list[float]:
    low, middle, high = table[by].quantile([0.25, 0.5, 0.75])
    rows = (
        table[by] <= low,
        (table[by] > low) & (table[by] <= middle),
        (table[by] > middle) & (table[by] < high),
        table[by] >= high,
    )
    return [float(of[each].mean()) for each in rows if each.any()]


def is_steady(values: list[float], direction: int) -> bool:
    return all(direction * (later - earlier) >= 0 for earlier, later in pairwise(values))


def trend(table: Table, column: str) -> tuple[float, list[float], dict[str, float], int]:
    """Rank correlation, mean stars per quarter, medians per level, and the direction of a steady trend."""
    known = table.known(column, "stars")
    correlation = known[[column, "stars"]].corr(method="spearman").iloc[0, 1]
    means = quarters(known, column, known["stars"])
    levels = INTEGER_LEVELS if (known["stars"] % 1 == 0).all() else LEVELS
    groups = {name: known.loc[(known["stars"] >= a) & (known["stars"] < b), column] for name, (a, b) in levels.items()}
    medians = {name: float(values.median()) for name, values in groups.items() if len(values) >= 30}
    direction = int(np.sign(correlation))
    ends = list(medians.values())
    has_effect = {"paid": max(ends[-1] / ends[0], ends[0] / ends[-1]) >= 1.25, "off": abs(ends[-1] - ends[0]) >= 5}
    is_trend = (
        abs(correlation) >= 0.1
        and abs(means[-1] - means[0]) >= 0.1
        and is_steady(means, direction)
        and (column == "ratings" or (has_effect[column] and is_steady(ends, direction)))
    )
    return correlation, means, medians, direction if is_trend else 0


def against_stars(column: str, subject: str) -> Callable[[Table], Fragments]:
    def expected(table: Table) -> Fragments:
        correlation, means, _, direction = trend(table, column)
        coefficient = f"(rank correlation {signed(correlation, decimals=2)})"
        title = (
            f"Ratings {'rise' if direction > 0 else 'fall'} with the {subject}: {means[0]:.2f} to {means[-1]:.2f} stars"
            if direction
            else f"Ratings show no clear trend with the {subject} {coefficient}"
        )
        return [title, f"{joined([f'{mean:.2f}' for mean in means])} stars {coefficient}"]

    return expected


def by_level(column: str, subject: str, formatted: Callable[[float], str]) -> Callable[[Table], Fragments]:
    def expected(table: Table) -> Fragments:
        _, _, medians, direction = trend(table, column)
        ends = list(medians.values())
        title = (
            f"{subject} {'rise' if direction > 0 else 'fall'} with the rating: median {formatted(ends[0])} to "
            f"{formatted(ends[-1])}"
            if direction
            else f"{subject} show no clear trend with the rating: medians of {formatted(min(ends))} to "
            f"{formatted(max(ends))}"
        )
        return [title, joined([f"{formatted(median)} at {name} stars" for name, median in medians.items()])]

    return expected


def prices(table: Table) -> Fragments:
    paid = table.known("paid")["paid"]
    low, median, high, top = (rupees(paid.quantile(q)) for q in (0.25, 0.5, 0.75, 0.9))
    is_skewed = paid.mean() > 1.25 * paid.median()
    mean = f"{'raise the mean to' if is_skewed else 'the mean,'} {rupees(paid.mean())}"
    return [f"cost {median} or less", f"at {low} to {high}", f"at {top} or more", mean]


def list_prices(table: Table) -> Fragments:
    both = table.known("listed", "paid")
    median = rupees(table.known("listed")["listed"].median())
    ratio = (both["listed"] / both["paid"]).median()
    return [f"listed at {median} or more", f"price is {median}", f"at {ratio:.1f} times"]


def discounts(table: Table) -> Fragments:
    off = table.known("off")["off"]
    return [
        f"at {off.median():.0f}% off or more",
        f"{percent((off >= 50).mean())} of reviews are of products at 50% off or more",
        f"{percent((off == 0).mean())} of products without",
    ]


def ratings(table: Table) -> Fragments:
    stars = table.known("stars")["stars"]
    good = percent((stars >= 4).mean())
    return [
        f"{good} of reviews are of products rated 4 stars"
        if table.name == "listings"
        else f"{good} of ratings are 4 st",
        f"mean rating is {stars.mean():.2f} stars with a standard deviation of {stars.std(ddof=0):.2f}",
        f"{percent((stars < 3).mean())} are below 3 stars",
    ]


def rating_counts(table: Table) -> Fragments:
    counts = table.known("ratings")["ratings"]
    return [
        f"with {counts.median():,.0f} ratings or more",
        f"{percent((counts < 100).mean())} of reviews are of products with fewer than 100 ratings",
        f"with {counts.quantile(0.9):,.0f} or more",
    ]


def list_and_paid(table: Table) -> Fragments:
    known = table.known("listed", "paid")
    means = quarters(known, "listed", 1 - known["paid"] / known["listed"])
    direction = int(np.sign(means[-1] - means[0]))
    is_trend = abs(means[-1] - means[0]) >= 0.1 and is_steady(means, direction)
    title = f"{'Expensive' if direction > 0 else 'Cheap'} products have deeper" if is_trend else "no clear trend"
    return [title, joined([percent(mean) for mean in means])]


def correlations(table: Table) -> Fragments:
    names = {
        "paid": "price paid",
        "listed": "list price",
        "off": "discount",
        "stars": "rating",
        "ratings": "number of ",
    }
    varying = [name for name in names if table.plain[name].nunique() > 1]
    matrix = table.plain[varying].astype(float).corr(method="spearman")
    pairs = {
        (a, b): matrix.loc[a, b]
        for i, a in enumerate(varying)
        for b in varying[i + 1 :]
        if (a, b) != ("paid", "listed")
    }
    strongest, weakest = (pick(pairs, key=lambda pair: abs(pairs[pair])) for pick in (max, min))
    found = [f"({signed(pairs[pair], decimals=2)})" for pair in (strongest, weakest)]
    return [*found, names[strongest[0]], names[strongest[1]]]


def second_levels(table: Table) -> pd.DataFrame:
    known = table.plain.dropna(subset=["category"])
    name = known["category"].str.split("|").str[1].map(category_name)
    return known.groupby(name).agg(
        products=("item_id", "nunique"), stars=("stars", "mean"), rated=("stars", "count"), off=("off", "mean")
    )


def products(table: Table) -> Fragments:
    counts = second_levels(table)["products"].sort_values(ascending=False)
    return [
        f"Most products: {counts.index[0]}, {counts.iloc[0]}",
        f"{percent(counts.iloc[0] / counts.sum())} of the products",
        f"the {len(counts)} largest categories 100%",
    ]


def rated_categories(table: Table) -> Fragments:
    levels = second_levels(table).sort_values("stars", ascending=False)
    low, high = levels["stars"].iloc[-1], levels["stars"].iloc[0]
    overall = np.average(levels["stars"], weights=levels["rated"])
    title = f"{high:.2f} stars" if high - low >= 0.1 else f"{low:.2f} to {high:.2f} stars"
    return [title, f"{high:.2f} stars in {levels.index[0]}, {overall:.2f}", f"in {levels.index[-1]}, {low:.2f}"]


def discounted_categories(table: Table) -> Fragments:
    levels = second_levels(table).sort_values("off", ascending=False)
    low, high = levels["off"].iloc[-1], levels["off"].iloc[0]
    title = f"{levels.index[0]}, {high:.0f}% off" if high - low >= 5 else f"{low:.0f}% to {high:.0f}%"
    return [title, f"{high:.0f}% in {levels.index[0]}", f"{low:.0f}% in {levels.index[-1]}"]


def over_time(table: Table) -> Fragments:
    dates = pd.to_datetime(table.plain["reviewed_at_ms"].dropna(), unit="ms").dt.normalize()
    months = dates.dt.to_period("M").value_counts().sort_index()
    peak, newest = months.idxmax(), dates.max()
    starts = [newest - pd.DateOffset(years=back) for back in range(3)]
    last, before = (int(((dates > starts[i + 1]) & (dates <= starts[i])).sum()) for i in range(2))
    change = f"{abs(last / before - 1):.0%} {'more' if last >= before else 'fewer'} than"
    first_year, last_year = dates.min().year + (dates.min().day_of_year > 1), newest.year - (newest.day_of_year < 365)
    full = dates[(dates.dt.year >= first_year) & (dates.dt.year <= last_year)]
    busiest = {year: group.dt.month.value_counts().idxmax() for year, group in full.groupby(full.dt.year)}
    if len(busiest) < 2:
        season = "fewer than two full calendar years"
    elif len(set(busiest.values())) > 1:
        season = "no month is the busiest in every full year"
    else:
        month = next(iter(busiest.values()))
        share = (full.dt.month == month).mean()
        season = f"{calendar.month_name[month]} is the busiest month in each of {len(busiest)} full years, with "
        season += percent(share)
    return [
        f"peaked in {peak:%B %Y}: {months.max():,}",
        f"peaked in {peak:%B %Y} with {months.max():,}",
        f"the year to {newest:%B %Y} had {last:,}, {change}",
        season,
    ]


def rejections(table: Table) -> Fragments:
    raw = len(table.rows) + sum(row["duplicate_count"] for row in table.rows) + 5
    return ["5 rows were", f"{percent(5 / raw)} of raw rows", "(3)"]


REVIEW_PLOTS: dict[str, Callable[[Table], Fragments]] = {
    "price_paid": prices,
    "list_price": list_prices,
    "discount": discounts,
    "rating": ratings,
    "rating_count": rating_counts,
    "price_and_rating": against_stars("paid", "price"),
    "rating_count_and_rating": against_stars("ratings", "number of ratings"),
    "discount_and_rating": against_stars("off", "discount"),
    "list_price_and_price_paid": list_and_paid,
    "price_by_rating_level": by_level("paid", "Prices", rupees),
    "discount_by_rating_level": by_level("off", "Discounts", lambda off: f"{off:.0f}%"),
    "review_correlations": correlations,
    "categories_by_products": products,
    "categories_by_rating": rated_categories,
    "categories_by_discount": discounted_categories,
    "reviews_over_time": over_time,
    "rejected_rows": rejections,
}

TRENDS = ("rising", "jagged", "falling")
"""Data sets that differ in relations between columns only."""

RELATIONS = {name for name in REVIEW_PLOTS if "_and_" in name or "_by_" in name or "correlations" in name}


@cache
def drawn(name: str, dataset: str) -> Plot | NotApplicable:
    with drawing_style():
        return review_plots.DRAWINGS[name](table_of(dataset).data)


@pytest.mark.parametrize(
    ("name", "dataset"),
    [(n, d) for n in review_plots.DRAWINGS for d in DATASETS if n in RELATIONS or d not in TRENDS[1:]],
)
def test_numbers_and_trends_of_review_plots(name: str, dataset: str) -> None:
    table, plot = table_of(dataset), drawn(name, dataset)
    if isinstance(plot, NotApplicable):
        missing = {"integer_stars": ("list", "discount", "number of ratings"), "listings": ("date",)}
        assert any(name in plot.reason for name in missing[dataset])
        return
    assert_all_numbers(plot, REVIEW_PLOTS[name](table))


@pytest.mark.parametrize(
    ("dataset", "column", "direction"), [(d, c, n) for d, x in DIRECTIONS.items() for c, n in x.items()]
)
def test_related_plots_state_the_same_trend(dataset: str, column: str, direction: int) -> None:
    names = {
        "paid": ("price_and_rating", "price_by_rating_level"),
        "off": ("discount_and_rating", "discount_by_rating_level"),
    }
    titles = [drawn(name, dataset).title for name in names[column]]
    assert trend(table_of(dataset), column)[3] == direction
    assert all(ORDER[1 - direction] in title for title in titles)


def test_captions_on_product_ratings_do_not_describe_reviewers() -> None:
    plots = [drawn(name, "listings") for name in review_plots.DRAWINGS]
    texts = " ".join(f"{plot.title} {plot.caption}" for plot in plots if isinstance(plot, Plot)).lower()
    assert not re.search("satisf|delight|disappoint|content customer|happy|pleased|buyers pay", texts)
