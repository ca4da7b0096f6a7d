"""Distributions of prices, discounts, ratings and numbers of ratings."""

import numpy as np
import pandas as pd

from amzseg_pipeline.presentation.formatting import money, money_unit, percent
from amzseg_pipeline.steps.figures.gallery import NotApplicable, Plot
from amzseg_pipeline.steps.figures.panels import histogram
from amzseg_pipeline.steps.figures.reviews.data import ReviewData
from amzseg_pipeline.steps.figures.style import canvas, count_axis, marked_line, money_axis, percent_axis
from amzseg_pipeline.steps.figures.weighted import Values, mean, median, quantiles, share, standard_deviation

_DEEP_DISCOUNT_PERCENT = 50
_FEW_RATINGS = 100
_SKEWED_RATIO = 1.25
_ANCHOR_RATIO = 1.5
_FREQUENT_SHARE = 0.1


def price_paid(data: ReviewData) -> Plot | NotApplicable:
    """The distribution of prices."""
    known = data.known("paid", positive=("paid",))
    if known.empty:
        return NotApplicable("no review has a price paid")
    paid, reviews = _columns(known)
    low, typical, high, highest = quantiles(paid, reviews, (0.25, 0.5, 0.75, 0.9))
    average = mean(paid, reviews)
    low_text, median_text, high_text, highest_text, mean_text = (
        money(amount, data.currency) for amount in (low, typical, high, highest, average)
    )
    title = f"Half of all reviews are of products that cost {median_text} or less"
    advice = (
        f"a few expensive products raise the mean to {mean_text}, so set offers by price band and not by the mean"
        if average > _SKEWED_RATIO * typical
        else f"the mean, {mean_text}, is close to the median, so one level of offers suits most products"
    )
    figure, axes = canvas(title, note=data.note(known))
    histogram(axes, paid, counts=reviews, log=_spans_decades(paid, reviews))
    axes.set(xlabel=f"price ({money_unit(data.currency)})", ylabel="reviews")
    money_axis(axes.xaxis, data.currency)
    count_axis(axes.yaxis)
    marked_line(axes, typical, f"median {median_text}")
    caption = (
        f"The middle half of reviews are of products at {low_text} to {high_text}, and one in ten is of a product at "
        f"{highest_text} or more: {advice}."
    )
    return Plot(title, data.scope + caption, figure)


def list_price(data: ReviewData) -> Plot | NotApplicable:
    """The distribution of list prices."""
    known = data.known("list_price", positive=("list_price",))
    if known.empty:
        return NotApplicable("no review has a list price")
    listed, reviews = _columns(known)
    typical = median(listed, reviews)
    median_text = money(typical, data.currency)
    title = f"Half of all reviews are of products listed at {median_text} or more"
    figure, axes = canvas(title, note=data.note(known))
    histogram(axes, listed, counts=reviews, log=_spans_decades(listed, reviews))
    axes.set(xlabel=f"list price ({money_unit(data.currency)})", ylabel="reviews")
    money_axis(axes.xaxis, data.currency)
    count_axis(axes.yaxis)
    marked_line(axes, typical, f"median {median_text}")
    both = data.known("list_price", "paid", positive=("list_price", "paid"))
    if both.empty:
        advice = "without prices, it shows what sellers ask, not what products cost"
    else:
        ratio = median((both["list_price"] / both["paid"]).to_numpy(), both["reviews"].to_numpy())
        advice = f"half of the reviews are of products listed at {ratio:.1f} times their price or more, so " + (
            "show the list price next to the price as an anchor"
            if ratio >= _ANCHOR_RATIO
            else "the list price does not work as an anchor"
        )
    return Plot(title, f"{data.scope}The median list price is {median_text}: {advice}.", figure)


def discount(data: ReviewData) -> Plot | NotApplicable:
    """The distribution of discounts."""
    known = data.known("discount")
    if known.empty:
        return NotApplicable("no review has a discount")
    discounts, reviews = _columns(known)
    typical = median(discounts, reviews)
    deep = share(discounts >= _DEEP_DISCOUNT_PERCENT, reviews)
    none = share(discounts == 0, reviews)
    title = f"Half of all reviews are of products at {typical:.0f}% off or more"
    figure, axes = canvas(title, note=data.note(known))
    histogram(axes, discounts, counts=reviews, bins=np.arange(0, 102.5, 2.5))
    axes.set(xlabel="discount (% of list price)", ylabel="reviews", xlim=(0, 100))
    percent_axis(axes.xaxis)
    count_axis(axes.yaxis)
    marked_line(axes, typical, f"median {typical:.0f}%")
    advice = (
        "a discount alone does not make an offer special, so state the saving in money"
        if deep >= 0.4
        else "a deep discount is rare enough to be noticed, so keep it for deal seekers"
    )
    caption = (
        f"{percent(deep)} of reviews are of products at {_DEEP_DISCOUNT_PERCENT}% off or more and {percent(none)} of "
        f"products without a discount: {advice}."
    )
    return Plot(title, data.scope + caption, figure)


def rating(data: ReviewData) -> Plot | NotApplicable:
    """The distribution of ratings."""
    known = data.known("stars")
    if known.empty:
        return NotApplicable("no review has a rating")
    stars, reviews = _columns(known)
    good, low = share(stars >= 4, reviews), share(stars < 3, reviews)
    average, spread = mean(stars, reviews), standard_deviation(stars, reviews)
    title = (
        f"{percent(good)} of reviews are of products rated 4 stars or better"
        if data.has_product_ratings
        else f"{percent(good)} of ratings are 4 stars or better"
    )
    figure, axes = canvas(title, note=data.note(known))
    histogram(axes, stars, counts=reviews, bins=star_edges(stars))
    axes.set(xlabel=data.rating_label, ylabel="reviews")
    count_axis(axes.yaxis)
    marked_line(axes, average, f"mean {average:.2f}")
    if data.has_product_ratings:
        advice = "these are mean ratings of products, so use them to choose products and not to judge reviewers"
    elif low >= _FREQUENT_SHARE:
        advice = "low ratings are frequent enough for a service campaign"
    else:
        advice = "low ratings are rare, so handle them case by case"
    caption = (
        f"The mean rating is {average:.2f} stars with a standard deviation of {spread:.2f}, and {percent(low)} are "
        f"below 3 stars: {advice}."
    )
    return Plot(title, data.scope + caption, figure)


def rating_count(data: ReviewData) -> Plot | NotApplicable:
    """The distribution of the number of ratings of a product, on a logarithmic axis."""
    known = data.known("ratings", positive=("ratings",))
    if known.empty:
        return NotApplicable("no product has a number of ratings")
    ratings, reviews = _columns(known)
    few = share(ratings < _FEW_RATINGS, reviews)
    typical, highest = quantiles(ratings, reviews, (0.5, 0.9))
    title = f"Half of all reviews are of products with {typical:,.0f} ratings or more"
    figure, axes = canvas(title, note=data.note(known))
    histogram(axes, ratings, counts=reviews, log=_spans_decades(ratings, reviews))
    axes.set(xlabel="ratings of the product", ylabel="reviews")
    count_axis(axes.xaxis)
    count_axis(axes.yaxis)
    marked_line(axes, typical, f"median {typical:,.0f}")
    advice = (
        "most products have many ratings, so quote their number in campaigns"
        if few < 0.2
        else "many products have few ratings, so ask their buyers for one first"
    )
    caption = (
        f"{percent(few)} of reviews are of products with fewer than {_FEW_RATINGS} ratings, and one in ten is of a "
        f"product with {highest:,.0f} or more: {advice}."
    )
    return Plot(title, data.scope + caption, figure)


def star_edges(stars: Values) -> Values:
    """Bin edges around ratings: integer stars if all are integers, else tenths of a star."""
    step = 1.0 if bool((stars == np.round(stars)).all()) else 0.1
    lowest = 1.0 if step == 1.0 else float(stars.min())
    return np.arange(lowest - step / 2, 5 + step, step)


def _columns(known: pd.DataFrame) -> tuple[Values, Values]:
    return known.iloc[:, 0].to_numpy(), known["reviews"].to_numpy(dtype=np.float64)


def _spans_decades(values: Values, counts: Values) -> bool:
    """Whether a logarithmic axis fits better than a linear one."""
    low, high = quantiles(values, counts, (0.01, 0.99))
    return bool(high > 20 * low)
