"""Distributions of prices, discounts, ratings and numbers of ratings."""

import numpy as np

from amzseg_pipeline.presentation.formatting import money, money_unit, percent
from amzseg_pipeline.steps.figures.gallery import NotApplicable, Plot
from amzseg_pipeline.steps.figures.panels import Values, histogram
from amzseg_pipeline.steps.figures.reviews.data import ReviewData
from amzseg_pipeline.steps.figures.style import canvas, count_axis, marked_line, money_axis, percent_axis

_DEEP_DISCOUNT_PERCENT = 50
_FEW_RATINGS = 100


def price_paid(data: ReviewData) -> Plot | NotApplicable:
    """The distribution of prices paid."""
    paid = data.known("paid").query("paid > 0")
    if paid.empty:
        return NotApplicable("no review has a price paid")
    low, median, high, highest = (
        money(value, data.currency) for value in paid["paid"].quantile([0.25, 0.5, 0.75, 0.9])
    )
    mean, typical = paid["paid"].mean(), paid["paid"].median()
    title = f"Half of all reviews are of products that cost {median} or less"
    advice = (
        f"a few expensive products pull the mean up to {money(mean, data.currency)}, so set offers by price "
        "band and not by the mean"
        if mean > 1.5 * typical
        else f"the mean, {money(mean, data.currency)}, is near the middle, so one level of offers suits most buyers"
    )
    figure, axes = canvas(title, note=data.note(paid))
    histogram(axes, paid["paid"].to_numpy(), log=_spans_decades(paid["paid"].to_numpy()))
    axes.set(xlabel=f"price paid ({money_unit(data.currency)})", ylabel="reviews")
    money_axis(axes.xaxis, data.currency)
    count_axis(axes.yaxis)
    marked_line(axes, typical, f"median {median}")
    sentence = (
        f"The middle half of reviews are of products at {low} to {high}, and one in ten is of a product at {highest} "
        f"or more: {advice}."
    )
    return Plot(title, sentence, figure)


def list_price(data: ReviewData) -> Plot | NotApplicable:
    """The distribution of list prices."""
    listed = data.known("list_price").query("list_price > 0")
    if listed.empty:
        return NotApplicable("no review has a list price")
    typical = listed["list_price"].median()
    median = money(typical, data.currency)
    title = f"Half of all reviews are of products listed at {median} or more"
    figure, axes = canvas(title, note=data.note(listed))
    histogram(axes, listed["list_price"].to_numpy(), log=_spans_decades(listed["list_price"].to_numpy()))
    axes.set(xlabel=f"list price ({money_unit(data.currency)})", ylabel="reviews")
    money_axis(axes.xaxis, data.currency)
    count_axis(axes.yaxis)
    marked_line(axes, typical, f"median {median}")
    paid = data.known("paid", "list_price").query("paid > 0")
    if paid.empty:
        advice = "without prices paid, it shows what sellers ask, not what buyers pay"
    else:
        ratio = (paid["list_price"] / paid["paid"]).median()
        advice = f"half of the products are listed at {ratio:.1f} times the price paid or more, so " + (
            "show the list price next to the price as an anchor"
            if ratio >= 1.5
            else "the list price is close to the price paid and does not work as an anchor"
        )
    return Plot(title, f"The median list price is {median}; {advice}.", figure)


def discount(data: ReviewData) -> Plot | NotApplicable:
    """The distribution of discounts."""
    known = data.known("discount")
    if known.empty:
        return NotApplicable("no review has a discount")
    typical = known["discount"].median()
    deep = (known["discount"] >= _DEEP_DISCOUNT_PERCENT).mean()
    title = f"Half of all reviews are of products at {typical:.0f}% off or more"
    figure, axes = canvas(title, note=data.note(known))
    histogram(axes, known["discount"].to_numpy(), bins=np.arange(0, 102.5, 2.5))
    axes.set(xlabel="discount (% of list price)", ylabel="reviews", xlim=(0, 100))
    percent_axis(axes.xaxis)
    count_axis(axes.yaxis)
    marked_line(axes, typical, f"median {typical:.0f}%")
    advice = (
        "a discount alone sets no offer apart here, so say what is saved in money"
        if deep >= 0.4
        else "a deep discount is rare enough to be noticed, so keep it for deal seekers"
    )
    none = (known["discount"] < 0.5).mean()
    sentence = (
        f"{percent(deep)} of reviews are of products at {_DEEP_DISCOUNT_PERCENT}% off or more and {percent(none)} of "
        f"products without discount: {advice}."
    )
    return Plot(title, sentence, figure)


def rating(data: ReviewData) -> Plot | NotApplicable:
    """The distribution of ratings."""
    known = data.known("stars")
    if known.empty:
        return NotApplicable("no review has a rating")
    stars = known["stars"]
    good, low, spread = (stars >= 4).mean(), (stars < 3).mean(), stars.std(ddof=0)
    title = f"{percent(good)} of ratings are 4 stars or better"
    figure, axes = canvas(title, note=data.note(known))
    histogram(axes, stars.to_numpy(), bins=star_edges(stars.to_numpy()))
    axes.set(xlabel="rating (stars)", ylabel="reviews")
    count_axis(axes.yaxis)
    marked_line(axes, stars.mean(), f"mean {stars.mean():.2f}")
    advice = (
        "ratings differ little between reviews, so combine them with other features"
        if spread < 0.6
        else "ratings differ clearly between reviews, so follow up the low ones first"
    )
    sentence = (
        f"The mean rating is {stars.mean():.2f} stars with a standard deviation of {spread:.2f}, and {percent(low)} "
        f"are under 3 stars: {advice}."
    )
    return Plot(title, sentence, figure)


def rating_count(data: ReviewData) -> Plot | NotApplicable:
    """The distribution of the number of ratings a product has, on a logarithmic axis."""
    known = data.known("ratings").query("ratings > 0")
    if known.empty:
        return NotApplicable("no product has a number of ratings")
    ratings = known["ratings"]
    few = (ratings < _FEW_RATINGS).mean()
    title = f"Half of all reviews are of products with {ratings.median():,.0f} ratings or more"
    figure, axes = canvas(title, note=data.note(known))
    histogram(axes, ratings.to_numpy(), log=_spans_decades(ratings.to_numpy()))
    axes.set(xlabel="ratings the product has", ylabel="reviews")
    count_axis(axes.xaxis)
    count_axis(axes.yaxis)
    marked_line(axes, ratings.median(), f"median {ratings.median():,.0f}")
    advice = (
        "most products carry their own proof, so quote the number of ratings in campaigns"
        if few < 0.2
        else "many products lack proof, so ask their buyers for a rating first"
    )
    sentence = (
        f"{percent(few)} of reviews are of products with fewer than {_FEW_RATINGS} ratings, while one in ten is of a "
        f"product with {ratings.quantile(0.9):,.0f} or more: {advice}."
    )
    return Plot(title, sentence, figure)


def star_edges(stars: Values) -> Values:
    """Bin edges around ratings: integer stars if all are integers, else tenths of a star."""
    step = 1.0 if bool((stars == np.round(stars)).all()) else 0.1
    lowest = 1.0 if step == 1.0 else float(stars.min())
    return np.arange(lowest - step / 2, 5 + step, step)


def _spans_decades(values: Values) -> bool:
    """Whether a logarithmic axis serves better than a plain one."""
    low, high = np.percentile(values, [1, 99])
    return bool(high > 20 * low)
