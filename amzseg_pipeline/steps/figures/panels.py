"""Panel types shared by the plots: histogram, density, trend, boxes, bars, heatmap."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from amzseg_pipeline.presentation.formatting import compact
from amzseg_pipeline.steps.figures.style import ACCENT, DIVERGING, HIGHLIGHT, INK, SEQUENTIAL
from amzseg_pipeline.steps.figures.weighted import Values, mean, median, quantiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TREND_GROUPS = 10
_COLUMN_CHARACTERS = 9
_WIDE_SCALE = 100


@dataclass(frozen=True)
class Box:
    """The quantiles that a box plot shows: whiskers from 5% to 95%, the middle half, the median."""

    QUANTILES: ClassVar[tuple[float, ...]] = (0.05, 0.25, 0.5, 0.75, 0.95)

    low: float
    lower_quartile: float
    median: float
    upper_quartile: float
    high: float

    @classmethod
    def of(cls, values: Values) -> "Box":
        """The box of `values`."""
        return cls(*np.quantile(values, cls.QUANTILES).tolist())


def histogram(axes: "Axes", values: Values, *, counts: Values | None = None, log: bool = False, bins: Any = 36) -> None:
    """A histogram of `values`, each of which occurs as often as `counts` says."""
    import seaborn

    # seaborn 0.13 fails for weights with an array of bins.
    bins = bins.tolist() if isinstance(bins, np.ndarray) else bins
    seaborn.histplot(
        x=values,
        weights=counts,
        ax=axes,
        bins=bins,
        log_scale=log,
        color=ACCENT,
        alpha=1,
        edgecolor="white",
        linewidth=0.4,
    )
    axes.grid(axis="x", visible=False)
    axes.margins(y=0.14)


def density(
    axes: "Axes", x: Values, y: Values, *, counts: Values, log: tuple[bool, bool], bins: tuple[Any, Any]
) -> None:
    """A two-dimensional histogram; colours show counts on a logarithmic scale."""
    import seaborn
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import LogLocator, NullFormatter

    seaborn.histplot(
        x=x,
        y=y,
        weights=counts,
        ax=axes,
        log_scale=log,
        bins=bins,
        cmap=SEQUENTIAL,
        norm=LogNorm(),
        vmin=None,
        vmax=None,
        cbar=True,
        cbar_kws={
            "label": "reviews per tile",
            "pad": 0.02,
            "aspect": 28,
            "format": lambda value, _: compact(value),
        },
    )
    bar = axes.collections[-1].colorbar
    if bar is not None:
        # Within two powers of ten, matplotlib would label the minor ticks too, in scientific notation.
        low, high = bar.ax.get_ylim()
        bar.locator = LogLocator(subs=(1.0, 2.0, 5.0) if high < _WIDE_SCALE * low else (1.0,))
        bar.minorformatter = NullFormatter()


def trend_line(axes: "Axes", x: Values, y: Values, *, counts: Values) -> None:
    """The mean of y in each tenth of the rows by x, at the median x of that tenth."""
    limits = quantiles(x, counts, tuple(i / _TREND_GROUPS for i in range(1, _TREND_GROUPS)))
    tenth = np.searchsorted(np.asarray(limits), x, side="left")
    groups = [(x[tenth == i], y[tenth == i], counts[tenth == i]) for i in np.unique(tenth)]
    xs = [median(values, rows) for values, _, rows in groups]
    means = [mean(values, rows) for _, values, rows in groups]
    for width, colour in ((4.5, "white"), (2.2, HIGHLIGHT)):
        axes.plot(xs, means, color=colour, linewidth=width, solid_capstyle="round")
    axes.plot(xs, means, "o", color=HIGHLIGHT, markeredgecolor="white", label="mean of each tenth of reviews")
    axes.legend(loc="lower right", frameon=True, framealpha=0.9, edgecolor="none")


def boxes(axes: "Axes", groups: Mapping[str, Box], *, colours: Sequence[str]) -> None:
    """One horizontal box per group, first on top, with a dot for the median."""
    statistics = [
        {
            "label": label,
            "whislo": box.low,
            "q1": box.lower_quartile,
            "med": box.median,
            "q3": box.upper_quartile,
            "whishi": box.high,
            "fliers": [],
        }
        for label, box in groups.items()
    ]
    drawn = axes.bxp(
        statistics,
        orientation="horizontal",
        widths=0.6,
        patch_artist=True,
        showfliers=False,
        medianprops={"linewidth": 0},
        whiskerprops={"color": INK},
        capprops={"color": INK},
    )
    for patch, colour in zip(drawn["boxes"], colours, strict=True):
        patch.set(facecolor=colour, edgecolor=colour)
    # A box of identical values has no width; the dot shows its location.
    medians = [box.median for box in groups.values()]
    axes.scatter(medians, range(1, len(groups) + 1), s=80, c=list(colours), edgecolor="white", linewidth=1.8, zorder=5)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)


def bars(axes: "Axes", values: Mapping[str, float], labels: Sequence[str], *, colours: Any) -> None:
    """One horizontal bar per name, first on top, with its label at the end."""
    drawn = axes.barh(list(values), list(values.values()), color=colours, height=0.72)
    axes.bar_label(drawn, labels=list(labels), padding=4, color=INK)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    axes.margins(x=0.16)


def heatmap(axes: "Axes", table: pd.DataFrame, *, limit: float, decimals: int, label: str, half: bool = False) -> None:
    """A heatmap of numbers around zero with annotated cells; colours are clipped at +-`limit`.

    `half` shows only the lower triangle of a symmetric table.
    """
    import seaborn

    if half:
        table = table.iloc[1:, :-1]
    seaborn.heatmap(
        table.round(decimals) + 0.0,  # no -0.0
        ax=axes,
        mask=np.triu(np.ones(table.shape, bool), 1) if half else None,
        cmap=DIVERGING,
        vmin=-limit,
        vmax=limit,
        annot=True,
        fmt=f"+.{decimals}f",
        annot_kws={"fontsize": 11.5},
        linewidths=2,
        linecolor="white",
        cbar_kws={"label": label, "pad": 0.02},
    )
    columns = [textwrap.fill(str(name), _COLUMN_CHARACTERS, break_long_words=False) for name in table.columns]
    axes.set_xticks(axes.get_xticks(), columns)
    axes.set(xlabel="", ylabel="")
    axes.grid(visible=False)
    axes.tick_params(length=0, rotation=0)
