"""Second-level categories by products, mean rating and mean discount."""

import pandas as pd

from amzseg_pipeline.presentation.formatting import category_name, counted, percent
from amzseg_pipeline.steps.figures.gallery import NotApplicable, Plot
from amzseg_pipeline.steps.figures.panels import bars
from amzseg_pipeline.steps.figures.reviews.data import ReviewData
from amzseg_pipeline.steps.figures.style import ACCENT, HIGHLIGHT, PALE, canvas, count_axis, number_axis, percent_axis

_MAX_SHOWN = 10
_MIN_PRODUCTS = 5
_LEADING_SHARE = 0.15
_RELEVANT_STARS = 0.1
_RELEVANT_PERCENT = 5
_HEIGHT = 5.0


def categories_by_products(data: ReviewData) -> Plot | NotApplicable:
    """The ten categories with the most products."""
    if data.categories.empty:
        return NotApplicable("no review has a category")
    ranked = _named(data.categories).sort_values(["products", "name"], ascending=[False, True])
    if len(ranked) == 1:
        return NotApplicable(f"all products are of one category, {ranked['name'].iloc[0]}")
    top, products = ranked.head(_MAX_SHOWN), int(ranked["products"].sum())
    first, most = str(top["name"].iloc[0]), int(top["products"].iloc[0])
    title = f"Most products: {first}, {most:,}"
    note = f"{counted(products, 'product')}, {len(ranked):,} second-level categories"
    figure, axes = canvas(title, note=note, height=_HEIGHT)
    bars(axes, _by_name(top, "products"), [f"{n:,}" for n in top["products"]], colours=_first_highlighted(top))
    axes.set(xlabel="distinct products", ylabel="")
    count_axis(axes.xaxis)
    advice = (
        f"segments describe mostly its buyers, so test offers in {first} first"
        if most / products >= _LEADING_SHARE
        else "no category dominates, so choose offers by the category a user buys in"
    )
    caption = (
        f"{first} holds {percent(most / products)} of the products, the {len(top)} largest categories "
        f"{percent(top['products'].sum() / products)}: {advice}."
    )
    return Plot(title, caption, figure)


def categories_by_rating(data: ReviewData) -> Plot | NotApplicable:
    """The ten categories with the best mean rating, among those with at least 5 products."""
    ranked = _ranked(data.categories, "mean_stars")
    if len(ranked) < 2:
        return NotApplicable(_too_few_categories("rating"))
    top = ranked.head(_MAX_SHOWN)
    (best, high), (worst, low) = _ends(ranked, "mean_stars")
    overall = float((ranked["mean_stars"] * ranked["rated"]).sum() / ranked["rated"].sum())
    differ = high - low >= _RELEVANT_STARS
    title = (
        f"Rated best: {best}, {high:.2f} stars"
        if differ
        else f"Categories have similar ratings, {low:.2f} to {high:.2f} stars"
    )
    figure, axes = canvas(title, note=_note(ranked), height=_HEIGHT)
    # Dots, because bars would have to start at 0 stars and would all look identical.
    axes.hlines(top["name"], overall, top["mean_stars"], color=PALE, linewidth=4)
    axes.scatter(top["mean_stars"], top["name"], s=90, color=ACCENT, zorder=3)
    for name, stars in zip(top["name"], top["mean_stars"], strict=True):
        side = 1 if stars >= overall else -1
        axes.annotate(
            f"{stars:.2f}", (stars, name), xytext=(9 * side, 0), textcoords="offset points",
            ha="left" if side > 0 else "right", va="center",
        )  # fmt: skip
    axes.axvline(overall, color=HIGHLIGHT, linewidth=1.8)
    axes.annotate(
        f"all these categories: {overall:.2f}", (overall, -0.75), xytext=(6, 0), textcoords="offset points",
        va="center", color=HIGHLIGHT, fontweight="bold",
    )  # fmt: skip
    padding = 0.2 * max(high - low, _RELEVANT_STARS)
    axes.set(xlim=(min(overall, top["mean_stars"].min()) - padding, max(high, overall + _RELEVANT_STARS) + padding))
    axes.set(
        xlabel=data.rating_label if data.has_product_ratings else "mean rating (stars)",
        ylabel="",
        ylim=(len(top) - 0.5, -1.2),
    )
    axes.grid(axis="y", visible=False)
    number_axis(axes.xaxis)
    advice = (
        "promote the first to new customers, and review the quality of the last before promoting it"
        if differ
        else "ratings are no reason to prefer one of them"
    )
    caption = (
        f"The mean rating is {high:.2f} stars in {best}, {overall:.2f} in all these categories, and "
        f"lowest in {worst}, {low:.2f}: "
        f"{advice}."
    )
    return Plot(title, caption, figure)


def categories_by_discount(data: ReviewData) -> Plot | NotApplicable:
    """The ten categories with the deepest mean discount, among those with at least 5 products."""
    ranked = _ranked(data.categories, "mean_discount")
    if len(ranked) < 2:
        return NotApplicable(_too_few_categories("discount"))
    top = ranked.head(_MAX_SHOWN)
    (deepest, high), (smallest, low) = _ends(ranked, "mean_discount")
    differ = high - low >= _RELEVANT_PERCENT
    title = (
        f"Most deeply discounted: {deepest}, {high:.0f}% off"
        if differ
        else f"Categories have similar discounts, {low:.0f}% to {high:.0f}%"
    )
    figure, axes = canvas(title, note=_note(ranked), height=_HEIGHT)
    labels = [f"{discount:.0f}%" for discount in top["mean_discount"]]
    bars(axes, _by_name(top, "mean_discount"), labels, colours=_first_highlighted(top))
    axes.set(xlabel="mean discount (% of list price)", ylabel="")
    percent_axis(axes.xaxis)
    advice = (
        "reach deal seekers in the first, and avoid training buyers of the last to wait for offers"
        if differ
        else "deal seekers are found in all of them"
    )
    caption = f"The mean discount of reviews is {high:.0f}% in {deepest} and {low:.0f}% in {smallest}: {advice}."
    return Plot(title, caption, figure)


def _ends(ranked: pd.DataFrame, column: str) -> tuple[tuple[str, float], tuple[str, float]]:
    """Name and value of the first and of the last row."""
    first, last = ((str(ranked["name"].iloc[i]), float(ranked[column].iloc[i])) for i in (0, -1))
    return first, last


def _named(categories: pd.DataFrame) -> pd.DataFrame:
    """Adds `name`: the second level, or the first if there is no second, or both if the second is not unique."""
    plain = categories["second"].where(categories["second"] != "", categories["top"]).map(category_name)
    full = plain + " (" + categories["top"].map(category_name) + ")"
    return categories.assign(name=plain.where(~plain.duplicated(keep=False), full))


def _ranked(categories: pd.DataFrame, column: str) -> pd.DataFrame:
    """The categories with a value and enough products, highest value first."""
    known = _named(categories).dropna(subset=[column])
    return known[known["products"] >= _MIN_PRODUCTS].sort_values([column, "name"], ascending=[False, True])


def _by_name(categories: pd.DataFrame, column: str) -> dict[str, float]:
    return dict(zip(categories["name"], categories[column], strict=True))


def _first_highlighted(categories: pd.DataFrame) -> list[str]:
    return [ACCENT] + [PALE] * (len(categories) - 1)


def _too_few_categories(what: str) -> str:
    return f"fewer than two categories have {_MIN_PRODUCTS} products and a {what}"


def _note(ranked: pd.DataFrame) -> str:
    reviews = counted(int(ranked["reviews"].sum()), "review")
    return f"{reviews}, {len(ranked):,} second-level categories of {_MIN_PRODUCTS} products or more"
