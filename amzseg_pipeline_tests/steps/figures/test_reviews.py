"""Plots of the reviews stage: their form, missing data, engines. test_review_captions checks their numbers."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from amzseg_pipeline.steps.figures.gallery import NotApplicable, Plot
from amzseg_pipeline.steps.figures.images import png_image
from amzseg_pipeline.steps.figures.reviews import DRAWINGS, review_gallery
from amzseg_pipeline.steps.figures.style import drawing_style
from amzseg_pipeline_tests.frames import ENGINES
from amzseg_pipeline_tests.steps.figures.synthetic import (
    DAY_MS,
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


def second_levels() -> pd.DataFrame:
    known = PLAIN.dropna(subset=["category"])
    grouped = known.groupby(known["category"].str.split("|").str[1])
    return grouped.agg(products=("item_id", "nunique"), stars=("stars", "mean"), off=("off", "mean"))


@pytest.mark.parametrize("name", DRAWINGS)
def test_every_plot_is_presentable(name):
    assert_presentable(drawn(name))


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


@pytest.mark.parametrize("name", ["price_paid", "rating", "discount", "categories_by_rating"])
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
    assert "shows no season" in plot.caption


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


def test_values_count_every_review_on_every_engine():
    columns = ["paid", "listed", "off", "stars", "rating_count"]
    expected = PLAIN[columns].astype(float).value_counts(dropna=False).sort_index()
    for engine in ENGINES:
        data = data_of(ROWS[::-1], REJECTED, engine=engine)
        found = data.values.set_index(list(data.values.columns[:-1]))["reviews"].sort_index()
        np.testing.assert_array_equal(found.to_numpy(), expected.to_numpy())
        np.testing.assert_allclose(found.reset_index().to_numpy(float), expected.reset_index().to_numpy(float))
        assert (data.reviews, data.duplicates, data.scope) == (600, 0, "")


def test_too_many_values_become_a_sample_that_sentences_name():
    first = sorted(ROWS, key=lambda row: (row["user_hash"], row["user_id"], row["review_id"]))[:100]
    for engine in ENGINES:
        data = data_of(ROWS[::-1], REJECTED, engine=engine, max_combinations=100)
        assert data.sampled_reviews == 100
        assert sorted(data.known("paid")["paid"]) == sorted(
            {row["paid_minor"] / 100 for row in first if row["paid_minor"]}
        )
        assert data.note(data.values) == "100 of 600 reviews"
    assert drawn("rating", data).caption.startswith("Sample of 100 reviews. The mean rating")


def test_ratings_of_products_are_called_so():
    product, reviewer = (drawn("rating", data_of(ROWS, has_product_ratings=each)) for each in (True, False))
    assert product.figure.axes[0].get_xlabel() == "mean rating of the product (stars)"
    assert "of reviews are of products rated 4 stars or better" in product.title
    assert "of ratings are 4 stars or better" in reviewer.title


@pytest.mark.parametrize(
    ("months", "season"),
    [
        ({(2022, 11): 5, (2023, 11): 4}, "November is the busiest month in each of 2 full years"),
        ({(2022, 11): 5, (2023, 3): 4}, "no month is the busiest in every full year"),
        ({(2023, 11): 5}, "the history has fewer than two full calendar years"),
    ],
)
def test_season_needs_the_same_month_in_every_full_year(months, season):
    years = sorted({year for year, _ in months})
    days = [date(year, month, 15) for year in years for month in range(1, 13)]
    days += [date(year, month, 10) for (year, month), extra in months.items() for _ in range(extra)]
    days += [date(years[0], 1, 1), date(years[-1], 12, 31)]
    rows = [{**ROWS[i], "reviewed_at_ms": (day - date(1970, 1, 1)).days * DAY_MS} for i, day in enumerate(days)]
    assert season in drawn("reviews_over_time", data_of(rows)).caption


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
