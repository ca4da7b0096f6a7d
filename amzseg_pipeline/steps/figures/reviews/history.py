"""Reviews over time, and rejected rows by reason."""

import calendar
import textwrap

import numpy as np
import pandas as pd

from amzseg_pipeline.contracts.reviews import RejectionReason
from amzseg_pipeline.presentation.formatting import counted, percent, sampled
from amzseg_pipeline.steps.figures.gallery import NotApplicable, Plot
from amzseg_pipeline.steps.figures.panels import bars
from amzseg_pipeline.steps.figures.reviews.data import ReviewData
from amzseg_pipeline.steps.figures.style import ACCENT, HIGHLIGHT, canvas, count_axis

_SHORT_HISTORY_DAYS = 92
_MIN_YEARS = 2
_REASON_CHARACTERS = 28
_REASONS = {
    RejectionReason.DAMAGED_RECORD: "damaged record",
    RejectionReason.UNEQUAL_LISTS: "lists of users and\nreviews differ in length",
    RejectionReason.MISSING_USER: "no user id",
    RejectionReason.MISSING_REVIEW: "no review id",
    RejectionReason.MISSING_ITEM: "no item id",
}


def reviews_over_time(data: ReviewData) -> Plot | NotApplicable:
    """Reviews per month, or per day where the history is short."""
    if data.days.empty:
        return NotApplicable("no review has a date")
    dates = np.datetime64("1970-01-01", "D") + data.days["day"].to_numpy(np.int64).astype("timedelta64[D]")
    index = pd.DatetimeIndex(dates)
    daily = pd.Series(data.days["reviews"].to_numpy(), index=index)
    if len(daily) < 2:
        return NotApplicable("all reviews are of one day")
    is_short = (daily.index[-1] - daily.index[0]).days <= _SHORT_HISTORY_DAYS
    counts = daily.resample("D" if is_short else "MS").sum()
    form = "%-d %B %Y" if is_short else "%B %Y"
    peak = counts.idxmax()
    title = f"Reviews peaked in {peak:%B %Y}: {counts.max():,}"
    figure, axes = canvas(title, note=sampled(int(daily.sum()), data.reviews, "review") + " with a date")
    axes.fill_between(counts.index, counts.to_numpy(), color=ACCENT, alpha=0.15, linewidth=0)
    axes.plot(counts.index, counts.to_numpy(), color=ACCENT, linewidth=2)
    axes.plot([peak], [counts.max()], "o", color=HIGHLIGHT, markersize=9, markeredgecolor="white")
    axes.set(xlabel="day" if is_short else "month", ylabel=f"reviews a {'day' if is_short else 'month'}")
    axes.set_ylim(bottom=0)
    axes.grid(axis="x", visible=False)
    count_axis(axes.yaxis)
    newest = daily.index[-1]
    ends = [newest - pd.DateOffset(years=back) for back in range(3)]
    last_year, year_before = (int(daily[(index > ends[i + 1]) & (index <= ends[i])].sum()) for i in range(2))
    trend = (
        f"the year to {newest:%B %Y} had {last_year:,}, {_change(last_year, year_before)} the year before"
        if year_before
        else f"they run from {daily.index[0]:{form}} to {newest:{form}}"
    )
    advice = _season(daily)
    return Plot(title, f"Reviews peaked in {peak:{form}} with {counts.max():,}; {trend}; {advice}.", figure)


def rejected_rows(data: ReviewData) -> Plot | NotApplicable:
    """Rejected rows by reason."""
    if data.rejected.empty:
        return NotApplicable("no row was rejected")
    ranked = data.rejected.sort_values(["rows", "reason"], ascending=[False, True])
    total, first = int(ranked["rows"].sum()), ranked.iloc[0]
    title = f"{counted(total, 'row')} {'was' if total == 1 else 'were'} rejected"
    figure, axes = canvas(
        title, note=f"in addition to {counted(data.reviews, 'cleaned review')}", height=1.7 + 0.7 * len(ranked)
    )
    names = [_REASONS.get(reason) or textwrap.fill(reason, _REASON_CHARACTERS) for reason in ranked["reason"]]
    bars(
        axes, dict(zip(names, ranked["rows"], strict=True)), [f"{rows:,}" for rows in ranked["rows"]], colours=HIGHLIGHT
    )
    axes.set(xlabel="rejected rows", ylabel="")
    count_axis(axes.xaxis)
    share = total / (total + data.reviews + data.duplicates)
    advice = (
        "too few to change a segment"
        if share < 0.01
        else "enough to distort segments, so have the export fixed before you base a campaign on them"
    )
    caption = (
        f'{percent(share)} of raw rows were rejected, most often with the reason "{first["reason"]}" '
        f"({first['rows']:,}): {advice}."
    )
    return Plot(title, caption, figure)


def _season(daily: "pd.Series[int]") -> str:
    """The season and what follows from it: the month with most reviews in each of at least two full calendar years."""
    dates = pd.DatetimeIndex(daily.index)
    years = range(dates[0].year + (dates[0].day_of_year > 1), dates[-1].year + (f"{dates[-1]:%m%d}" == "1231"))
    if len(years) < _MIN_YEARS:
        return "the history has fewer than two full calendar years, so it shows no season"
    full = daily[dates.year.isin(list(years))]
    full_dates = pd.DatetimeIndex(full.index)
    by_month = full.groupby([full_dates.year, full_dates.month]).sum().unstack(fill_value=0)
    busiest = by_month.idxmax(axis=1)
    if busiest.nunique() > 1:
        return "no month is the busiest in every full year, so campaigns need not wait for a season"
    month = int(busiest.iloc[0])
    part = by_month[month].sum() / by_month.to_numpy().sum()
    return (
        f"{calendar.month_name[month]} is the busiest month in each of {len(years)} full years, with {percent(part)} "
        "of their reviews, so prepare campaigns before it"
    )


def _change(now: int, before: int) -> str:
    return f"{abs(now / before - 1):.0%} {'more' if now >= before else 'fewer'} than"
