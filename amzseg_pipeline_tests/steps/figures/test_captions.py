"""Recomputes every number and trend in the titles and captions of the plots with pandas, on five data sets each."""

import calendar
import re
from collections.abc import Callable
from datetime import date
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.contracts.users import FEATURES, USER_FEATURES
from amzseg_pipeline.presentation.formatting import category_name, money, percent, signed
from amzseg_pipeline.presentation.labels import FEATURE_NOUNS, feature_value
from amzseg_pipeline.steps.figures import reviews as review_plots
from amzseg_pipeline.steps.figures import segments as segment_plots
from amzseg_pipeline.steps.figures import users as user_plots
from amzseg_pipeline.steps.figures.gallery import NotApplicable, Plot
from amzseg_pipeline.steps.figures.style import drawing_style
from amzseg_pipeline.steps.segments import scaled_features, scored_users, segment_profiles
from amzseg_pipeline_tests.frames import frame
from amzseg_pipeline_tests.steps.figures.synthetic import data_of, plain, rejected, reviews, without
from amzseg_pipeline_tests.steps.segments.users import model_of, scaling_of, three_types, users_of

Rows = list[dict[str, Any]]
Fragments = list[str]


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


def rupees(amount: float) -> str:
    return money(amount, "INR")


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


def assert_all_numbers(plot: Plot, fragments: Fragments) -> None:
    """Asserts that each fragment occurs, and that no number is left without them."""
    text = rest = f"{plot.title} | {plot.caption}"
    for fragment in sorted(fragments, key=len, reverse=True):
        assert fragment in text
        rest = rest.replace(fragment, "")
    assert not re.search(r"\d", rest), rest


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("name", review_plots.DRAWINGS)
def test_numbers_and_trends_of_review_plots(name: str, dataset: str) -> None:
    table = table_of(dataset)
    with drawing_style():
        plot = review_plots.DRAWINGS[name](table.data)
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
    with drawing_style():
        titles = [review_plots.DRAWINGS[name](table_of(dataset).data).title for name in names[column]]
    assert trend(table_of(dataset), column)[3] == direction
    assert all(ORDER[1 - direction] in title for title in titles)


def test_captions_on_product_ratings_do_not_describe_reviewers() -> None:
    with drawing_style():
        plots = [draw(table_of("listings").data) for draw in review_plots.DRAWINGS.values()]
    texts = " ".join(f"{plot.title} {plot.caption}" for plot in plots if isinstance(plot, Plot)).lower()
    assert not re.search("satisf|delight|disappoint|content customer|happy|pleased|buyers pay", texts)


USERS: dict[str, Callable[[], pd.DataFrame]] = {
    "three types": lambda: three_types(400),
    "few unknown values": lambda: three_types(300, seed=1, unknown=0),
    "many unknown values": lambda: three_types(300, seed=2, unknown=0.4),
    "several reviews each": lambda: users_of([(5 + i % 4, 3.0 + i % 3, 10.0 + i % 7, 100.0 + i) for i in range(200)]),
    "heavy tail": lambda: users_of([(1 + 400 // (i + 1), 3.0 + i % 3, i % 60, 10.0 * (i + 1)) for i in range(250)]),
}


@cache
def users_named(name: str) -> pd.DataFrame:
    return USERS[name]()


@cache
def user_data_of(name: str) -> user_plots.UserData:
    rows = pa.Table.from_pandas(users_named(name), preserve_index=False).to_pylist()
    return user_plots.user_data(frame(USER_FEATURES, rows), transform="log", currency="INR")


def reviews_per_user(users: pd.DataFrame) -> Fragments:
    total = users["total_reviews"].astype(int)
    once, several = (total == 1).mean(), total[total > 1]
    median = sorted(total)[(len(total) + 1) // 2 - 1]
    summary = [
        f"{len(several):,} users with several reviews, {percent(len(several) / len(total))} of all, wrote "
        f"{percent(several.sum() / total.sum())} of the reviews"
    ]
    return [
        f"{percent(once)} of users wrote a single" if once >= 0.01 else f"users wrote {median} reviews or more",
        *(summary if once else [f"Every user wrote {total.min()} reviews"]),
        f"no user more than {total.max():,}",
    ]


def scaled_feature(users: pd.DataFrame, feature: str) -> Fragments:
    before = users[feature].astype(float).dropna()
    after = scaled_features(users, scaling_of(users, transform="log"))[feature].astype(float).dropna()
    skewness = [((x - x.mean()) ** 3).mean() / x.std(ddof=0) ** 3 for x in (before, after)]
    extreme = int((after.abs() > 3).sum())
    return [
        f"{percent(extreme / len(after))} of users are beyond 3 sd" if extreme else "no user is beyond 3 sd",
        f"{skewness[0]:.1f} before and {skewness[1]:.1f} after",
        f"{extreme} user{'' if extreme == 1 else 's'} beyond 3 standard deviations",
    ]


def feature_correlations(users: pd.DataFrame) -> Fragments:
    varying = [name for name in FEATURES if users[name].nunique() > 1]
    table = users[varying].astype(float).corr(method="spearman")
    pairs = {(a, b): table.loc[a, b] for i, a in enumerate(varying) for b in varying[i + 1 :]}
    first, second = max(pairs, key=lambda pair: abs(pairs[pair]))
    strongest = signed(pairs[first, second], decimals=2)
    close = sum(abs(value) >= 0.5 for value in pairs.values())
    return [
        f"{FEATURE_NOUNS[second]} are",
        f"({strongest})",
        f"have {strongest}",
        f"correlation of 0.5 or more: {close} pair",
    ]


@pytest.mark.parametrize("dataset", USERS)
@pytest.mark.parametrize("name", user_plots.DRAWINGS)
def test_numbers_of_user_plots(name: str, dataset: str) -> None:
    with drawing_style():
        plot = user_plots.DRAWINGS[name](user_data_of(dataset))
    users = users_named(dataset)
    if name == "reviews_per_user":
        expected = reviews_per_user(users)
    elif name == "feature_correlations":
        expected = feature_correlations(users)
    else:
        expected = scaled_feature(users, name.removeprefix("scaling_of_"))
    assert isinstance(plot, Plot), plot
    assert_all_numbers(plot, expected)


class Segments:
    """A model of a data set, its scored users and the data of the plots."""

    def __init__(self, name: str) -> None:
        self.users = users_named(name)
        self.model = model_of(self.users, k=3, k_max=5, n_init=1, prediction_splits=2, jaccard_bootstraps=2)
        self.names = {segment.segment_id: segment.name for segment in self.model.segments}
        self.axes = [feature.name for feature in self.model.scaling.features]
        scored = scored_users(self.users, self.model, as_of=date(2024, 1, 1))
        self.features = scored.set_index("user_id")[list(FEATURES)].astype(float)
        self.segment = scored.set_index("user_id")["segment_id"].astype(str)
        scaled = scaled_features(self.users, self.model.scaling).set_index("user_id")
        self.scaled = scaled[self.axes].astype(float).reindex(self.features.index)
        assignments = frame(SEGMENT_ASSIGNMENTS, pa.Table.from_pandas(scored, preserve_index=False).to_pylist())
        users = frame(USER_FEATURES, pa.Table.from_pandas(self.users, preserve_index=False).to_pylist())
        profiles = segment_profiles(assignments, self.model)
        self.data = segment_plots.segment_data(assignments, users, profiles, self.model, currency="INR")


@cache
def segments_of(name: str) -> Segments:
    return Segments(name)


def sizes(data: Segments) -> Fragments:
    counts = data.segment.value_counts()
    largest, smallest = counts.index[0], counts.index[-1]
    return [
        f"{data.names[largest]} are the largest segment: {percent(counts.iloc[0] / counts.sum())} of users",
        f"{data.names[largest]} are {counts.iloc[0]} users",
        f"{data.names[smallest]} {counts.iloc[-1]}",
    ]


def profile(data: Segments) -> Fragments:
    means = data.scaled.groupby(data.segment).mean()
    extremes = {segment: (row.abs().idxmax(), row[row.abs().idxmax()]) for segment, row in means.iterrows()}
    special = max(extremes, key=lambda segment: abs(extremes[segment][1]))
    return [
        f"{data.names[special]} differ most: {FEATURE_NOUNS[extremes[special][0]]} {abs(extremes[special][1]):.1f} sd",
        *(f"{FEATURE_NOUNS[feature]} ({value:+.1f} sd)" for feature, value in extremes.values()),
    ]


def feature_boxes(data: Segments) -> Fragments:
    shares = {}
    for name in FEATURES:
        known = data.features[name].dropna()
        between = known.groupby(data.segment).transform("mean")
        shares[name] = between.var(ddof=0) / known.var(ddof=0)
    best = max(shares, key=shares.__getitem__)
    medians = data.features[best].groupby(data.segment).median()
    high, low = (feature_value(best, medians[pick()], currency="INR") for pick in (medians.idxmax, medians.idxmin))
    return [
        f"{percent(shares[best])} of the variance of the {FEATURE_NOUNS[best]}",
        f"{high} for {data.names[medians.idxmax()]} and {low} for {data.names[medians.idxmin()]}",
    ]


def price_and_discount(data: Segments) -> Fragments:
    known = data.features[["avg_discount", "avg_spend"]].dropna().query("avg_spend > 0")
    medians = known.groupby(data.segment).median()
    discount, spend = (medians[name].max() for name in medians)
    first, second = (data.names[str(medians[name].idxmax())] for name in medians)
    return [
        f"median discount: {first}, {discount:.0f}%",
        f"median price: {second}, {rupees(spend)}",
        f"Half of {first} have a mean discount of {discount:.0f}% or more",
        f"half of {second} a mean price of {rupees(spend)} or more",
    ]


def projected(data: Segments) -> Fragments:
    variances = np.sort(np.linalg.eigvalsh(np.cov(data.scaled.to_numpy().T)))[::-1]
    both, first = variances[:2].sum() / variances.sum(), variances[0] / variances.sum()
    return [f"show {percent(both)} of", f"shows {percent(both)} of", f"{percent(first)}, in the direction"]


def inertias(data: Segments) -> Fragments:
    choice = data.model.choice
    total = ((data.scaled - data.scaled.mean()) ** 2).to_numpy().sum()
    within = ((data.scaled - data.scaled.groupby(data.segment).transform("mean")) ** 2).to_numpy().sum()
    next_k = next(each.inertia for each in choice.evidence if each.k == 4)
    knee = [f"bends at {choice.knee} segments"] if choice.knee else ["no clear bend"]
    return [
        f"3 segments explain {percent(1 - within / total)} of",
        f"another {percent((within - next_k) / total)}",
        *knee,
    ]


def silhouettes_by_k(data: Segments) -> Fragments:
    from sklearn.metrics import silhouette_score

    limits = data.model.choice.limits
    measured = {e.k: e.silhouette for e in data.model.choice.evidence if limits.k_min <= e.k <= limits.k_max}
    best = max(measured, key=measured.__getitem__)
    chosen = silhouette_score(data.scaled.to_numpy(), data.segment.to_numpy())
    return [
        f"Of {limits.k_min} to {limits.k_max} segments, {best} are best separated: silhouette {measured[best]:.2f}",
        f"3 segments chosen reach {chosen:.2f} of at most 1",
        "the best value" if best == 3 else f"{percent(chosen / measured[best])} of the best, at k = {best}",
    ]


def silhouettes_by_user(data: Segments) -> Fragments:
    from sklearn.metrics import silhouette_samples

    widths = pd.Series(silhouette_samples(data.scaled.to_numpy(), data.segment.to_numpy()), index=data.segment.index)
    means = widths.groupby(data.segment).mean()
    return [
        f"{means.max():.2f} for {data.names[means.idxmax()]} and {means.min():.2f} for {data.names[means.idxmin()]}",
        f"{percent((widths < 0).mean())} of users are closer to another segment",
    ]


SEGMENT_PLOTS = {
    "segment_sizes": sizes,
    "segment_profile": profile,
    "features_by_segment": feature_boxes,
    "price_and_discount": price_and_discount,
    "projection": projected,
    "elbow": inertias,
    "silhouette_by_k": silhouettes_by_k,
    "silhouette_by_user": silhouettes_by_user,
}
"""evidence_for_k quotes the criteria of the model, which test_segments checks."""


@pytest.mark.parametrize("dataset", USERS)
@pytest.mark.parametrize("name", SEGMENT_PLOTS)
def test_numbers_of_segment_plots(name: str, dataset: str) -> None:
    data = segments_of(dataset)
    with drawing_style():
        plot = segment_plots.DRAWINGS[name](data.data)
    assert isinstance(plot, Plot), plot
    assert_all_numbers(plot, SEGMENT_PLOTS[name](data))
