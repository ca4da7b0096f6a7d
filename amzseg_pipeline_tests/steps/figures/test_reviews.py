"""Plots of the reviews stage against pandas, and with missing data."""

import math

import numpy as np
import pandas as pd
import pytest

from amzseg_pipeline.steps.figures.gallery import NotApplicable, Plot
from amzseg_pipeline.steps.figures.images import png_image
from amzseg_pipeline.steps.figures.reviews import DRAWINGS, review_gallery
from amzseg_pipeline.steps.figures.style import drawing_style
from amzseg_pipeline_tests.frames import ENGINES
from amzseg_pipeline_tests.steps.figures.synthetic import (
    assert_presentable,
    data_of,
    plain,
    rejected,
    reviews,
    with_all,
    without,
)

ROWS = reviews()
REJECTED = rejected(MISSING_USER=3, UNEQUAL_LISTS=2)
DATA = data_of(ROWS, REJECTED)
PLAIN = plain(ROWS)


def drawn(name: str, data=DATA) -> Plot:
    with drawing_style():
        plot = DRAWINGS[name](data)
    assert isinstance(plot, Plot), plot
    return plot


def quarter_means(by: str, of: pd.Series) -> tuple[float, float]:
    known = PLAIN.assign(of=of).dropna(subset=[by, "of"])
    low, high = known[by].quantile([0.25, 0.75])
    return known.loc[known[by] <= low, "of"].mean(), known.loc[known[by] >= high, "of"].mean()


def rank_correlation(first: str, second: str) -> str:
    pairs = PLAIN[[first, second]].dropna()
    return f"{np.corrcoef(pairs[first].rank(), pairs[second].rank())[0, 1]:+.2f}"


def second_levels() -> pd.DataFrame:
    known = PLAIN.dropna(subset=["category"])
    grouped = known.groupby(known["category"].str.split("|").str[1])
    return grouped.agg(products=("item_id", "nunique"), stars=("stars", "mean"), off=("off", "mean"))


def median_of_level(column: str, low: float, high: float) -> float:
    known = PLAIN.dropna(subset=[column, "stars"])
    return known.loc[(known["stars"] >= low) & (known["stars"] < high), column].median()


def last_year() -> str:
    days = PLAIN["reviewed_at_ms"] // 86_400_000
    dates = pd.to_datetime(days, unit="D")
    start = dates.max() - pd.DateOffset(years=1)
    return f"{(dates > start).sum():,}"


def months() -> pd.Series:
    return pd.to_datetime(PLAIN["reviewed_at_ms"], unit="ms").dt.to_period("M").value_counts()


EXPECTED = {
    "price_paid": lambda: (
        [f"₹{PLAIN['paid'].quantile(q):,.0f}" for q in (0.25, 0.5, 0.75, 0.9)] + [f"₹{PLAIN['paid'].mean():,.0f}"]
    ),
    "list_price": lambda: [
        f"₹{PLAIN['listed'].median():,.0f}",
        f"{(PLAIN['listed'] / PLAIN['paid']).median():.1f} times",
    ],
    "discount": lambda: [
        f"{PLAIN['off'].median():.0f}% off",
        f"{(PLAIN['off'].dropna() >= 50).mean() * 100:.0f}% of reviews are of products at 50% off or more",
    ],
    "rating": lambda: [
        f"{(PLAIN['stars'].dropna() >= 4).mean() * 100:.0f}%",
        f"{PLAIN['stars'].mean():.2f} stars",
        f"deviation of {PLAIN['stars'].std(ddof=0):.2f}",
    ],
    "rating_count": lambda: [
        f"{PLAIN['rating_count'].median():,.0f} ratings",
        f"{PLAIN['rating_count'].quantile(0.9):,.0f} or more",
    ],
    "price_and_rating": lambda: (
        [f"{mean:.2f}" for mean in quarter_means("paid", PLAIN["stars"])] + [rank_correlation("paid", "stars")]
    ),
    "rating_count_and_rating": lambda: (
        [f"{mean:.2f}" for mean in quarter_means("rating_count", PLAIN["stars"])]
        + [rank_correlation("rating_count", "stars")]
    ),
    "discount_and_rating": lambda: (
        [f"{mean:.2f}" for mean in quarter_means("off", PLAIN["stars"])] + [rank_correlation("off", "stars")]
    ),
    "list_price_and_price_paid": lambda: [
        f"{mean * 100:.0f}%" for mean in quarter_means("listed", 1 - PLAIN["paid"] / PLAIN["listed"])
    ],
    "price_by_rating_level": lambda: [
        f"₹{median_of_level('paid', 0, 3.5):,.0f} at under 3.5 stars",
        f"₹{median_of_level('paid', 4.5, 6):,.0f} at 4.5 to 5 stars",
    ],
    "discount_by_rating_level": lambda: [
        f"{median_of_level('off', 0, 3.5):.0f}% at under 3.5 stars",
        f"{median_of_level('off', 4.5, 6):.0f}% at 4.5 to 5 stars",
    ],
    "review_correlations": lambda: [rank_correlation("paid", "off")],
    "categories_by_products": lambda: [
        f"{second_levels()['products'].max():,}",
        f"{second_levels()['products'].max() / second_levels()['products'].sum() * 100:.0f}% of the products",
    ],
    "categories_by_rating": lambda: [f"{end:.2f}" for end in second_levels()["stars"].agg(["max", "min"])],
    "categories_by_discount": lambda: [f"{end:.0f}%" for end in second_levels()["off"].agg(["max", "min"])],
    "reviews_over_time": lambda: [f"{months().idxmax():%B %Y} with {months().max()}", f"brought {last_year()}"],
    "rejected_rows": lambda: ["5 rows", "the user id is empty (3)", f"{5 / 605 * 100:.2g}%"],
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_every_plot_agrees_with_pandas(name):
    plot = drawn(name)
    assert_presentable(plot)
    for fragment in EXPECTED[name]():
        assert fragment in f"{plot.title} {plot.sentence}"


MISSING = [
    ("rating_tenths", "rating", "no review has a rating"),
    ("paid_minor", "price_paid", "no review has a price paid"),
    ("list_minor", "list_price", "no review has a list price"),
    ("discount_bp", "discount", "no review has a discount"),
    ("rating_count", "rating_count", "no product has a number of ratings"),
    ("discount_bp", "discount_and_rating", "fewer than 10 reviews have both discount and rating"),
    ("discount_bp", "discount_by_rating_level", "fewer than two levels of rating have 30 reviews with a discount"),
    ("discount_bp", "categories_by_discount", "fewer than two categories have 5 products and a discount"),
    ("list_minor", "list_price_and_price_paid", "fewer than 10 reviews have both list price and price paid"),
    ("category", "categories_by_products", "no review has a category"),
    ("category", "categories_by_rating", "fewer than two categories have 5 products and a rating"),
    ("reviewed_at_ms", "reviews_over_time", "no review has a date"),
]


@pytest.mark.parametrize(("column", "name", "reason"), MISSING)
def test_plot_without_data_is_skipped_with_the_reason(column, name, reason):
    data = data_of(without(ROWS, column))
    assert DRAWINGS[name](data) == NotApplicable(reason)


def test_without_rejected_rows_their_plot_is_skipped():
    assert DRAWINGS["rejected_rows"](data_of(ROWS)) == NotApplicable("no row was rejected")


def test_source_without_prices_and_dates_gives_the_other_plots():
    rows = without(ROWS[:80], "list_minor", "discount_bp", "reviewed_at_ms", "paid_minor", "currency")
    gallery = review_gallery(data_of(rows, currency=None))
    assert {plot.name for plot in gallery.plots} == {
        *("rating", "rating_count", "rating_count_and_rating", "categories_by_products", "categories_by_rating"),
    }
    assert not any(missing.is_fault for missing in gallery.missing)


@pytest.mark.parametrize(
    ("values", "name", "reason"),
    [
        ({"rating_tenths": 40}, "price_and_rating", "all reviews have the same rating"),
        ({"paid_minor": 100}, "price_and_rating", "all reviews have the same price paid"),
        ({"reviewed_at_ms": 0}, "reviews_over_time", "all reviews are of one day"),
    ],
)
def test_constant_values_have_no_relation(values, name, reason):
    assert DRAWINGS[name](data_of(with_all(ROWS, **values))) == NotApplicable(reason)


@pytest.mark.parametrize("name", ["price_paid", "rating", "discount", "price_by_rating_level", "categories_by_rating"])
def test_constant_values_can_be_drawn(name):
    data = data_of(with_all(ROWS, paid_minor=100, discount_bp=0, list_minor=100))
    assert_presentable(drawn(name, data))


def test_integer_stars_are_separate_levels():
    rows = [{**row, "rating_tenths": 10 * (1 + i % 5)} for i, row in enumerate(ROWS)]
    labels = [
        text.get_text() for text in drawn("price_by_rating_level", data_of(rows)).figure.axes[0].get_yticklabels()
    ]
    assert [label.split("\n")[0] for label in labels] == ["1", "2", "3", "4", "5"]


def test_short_history_is_shown_by_day():
    rows = [{**row, "reviewed_at_ms": (15_000 + i % 20) * 86_400_000} for i, row in enumerate(ROWS)]
    plot = drawn("reviews_over_time", data_of(rows))
    assert plot.figure.axes[0].get_ylabel() == "reviews a day"
    assert "no month stands out" in plot.sentence


def test_advice_depends_on_the_data():
    steep = [{**row, "rating_tenths": 10 + 40 * (row["paid_minor"] or 0) // 10**6 % 41} for row in ROWS]
    flat = [{**row, "rating_tenths": 40 + i % 3} for i, row in enumerate(ROWS)]
    assert "recommend the next higher price" in drawn("price_and_rating", data_of(steep)).sentence
    assert "the price says little about the rating" in drawn("price_and_rating", data_of(flat)).sentence


def test_dollar_signs_and_thousands_are_readable():
    plot = drawn("price_paid", data_of(with_all(ROWS, currency="USD"), currency="USD"))
    axes = plot.figure.axes[0]
    with drawing_style():
        png_image(plot.figure)
        texts = [axes.title, axes.xaxis.label, *axes.get_xticklabels()]
    assert "$" in plot.title
    assert not any(text.get_parse_math() for text in texts)
    assert any(text.get_text() == "$1k" for text in texts)


def test_equal_second_levels_are_named_with_their_first_level():
    rows = [{**row, "category": f"{('Home', 'Garden')[i % 2]}|Lighting"} for i, row in enumerate(ROWS)]
    labels = [
        text.get_text() for text in drawn("categories_by_products", data_of(rows)).figure.axes[0].get_yticklabels()
    ]
    assert sorted(labels) == ["Lighting (Garden)", "Lighting (Home)"]


def test_category_with_one_level_is_named_by_it():
    rows = [{**row, "category": ("Gift Cards", "Books|Art")[int(row["item_id"][1:]) % 4 == 0]} for row in ROWS]
    assert drawn("categories_by_products", data_of(rows)).title == "Most products: Gift Cards, 30"


def test_single_category_skips_the_ranking():
    skipped = DRAWINGS["categories_by_products"](data_of(with_all(ROWS, category="Gift Cards")))
    assert skipped == NotApplicable("all products are of one category, Gift Cards")


def test_sample_is_by_hash_on_every_engine():
    wanted = sorted(ROWS, key=lambda row: (row["user_hash"], row["user_id"], row["review_id"]))[:100]
    for engine in ENGINES:
        data = data_of(ROWS[::-1], REJECTED, engine=engine, max_reviews=100)
        assert data.sample["user_id"].tolist() == [row["user_id"] for row in wanted]
        np.testing.assert_allclose(
            data.sample["paid"].to_numpy(float),
            [math.nan if row["paid_minor"] is None else row["paid_minor"] / 100 for row in wanted],
        )
        assert data.reviews == len(ROWS)
        assert data.note(data.sample) == "100 of 600 reviews"


def test_engines_agree_on_categories_days_and_rejections():
    for engine in ENGINES:
        data = data_of(ROWS, REJECTED, engine=engine)
        by_level = data.categories.set_index("second").sort_index()
        assert by_level["products"].to_dict() == second_levels()["products"].to_dict()
        np.testing.assert_allclose(by_level["mean_stars"].to_numpy(float), second_levels()["stars"])
        assert (
            dict(zip(data.days["day"], data.days["reviews"], strict=True))
            == (PLAIN["reviewed_at_ms"] // 86_400_000).value_counts().sort_index().to_dict()
        )
        assert sorted(data.rejected["rows"]) == [2, 3]
