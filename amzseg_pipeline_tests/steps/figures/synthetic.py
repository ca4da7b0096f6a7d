"""Synthetic tables for the tests of this folder, and assertions on plots."""

import hashlib
from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from amzseg_pipeline.contracts.reviews import CLEANED_REVIEWS, REJECTED_REVIEWS, RejectionReason
from amzseg_pipeline.steps.figures.gallery import Plot
from amzseg_pipeline.steps.figures.reviews import ReviewData, review_data
from amzseg_pipeline_tests.frames import frame

CATEGORIES = ("Electronics|HomeAudio|Speakers", "Electronics|Cameras&Photography", "Home|Kitchen,Dining&Bar|Cups")
DAY_MS = 86_400_000


def hash_of(user: str) -> int:
    """The user_hash of a user."""
    return int(hashlib.md5(user.encode()).hexdigest()[:8], 16)


def reviews(count: int = 600, *, seed: int = 5) -> list[dict[str, Any]]:
    """Rows of cleaned_reviews: expensive products are rated better and discounted less; a few values are unknown."""
    draw = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        user, product = f"U{draw.integers(count // 2)}", int(draw.integers(40))
        paid = round(float(np.exp(draw.normal(6.5, 0.9))), 2)
        off = float(np.clip(draw.normal(65 - 5 * np.log(paid), 10), 0, 95))
        rows.append(
            {
                "user_id": user,
                "user_hash": hash_of(user),
                "item_id": f"P{product}",
                "review_id": f"R{i}",
                "rating_tenths": int(np.clip(draw.normal(35 + np.log(paid), 5), 10, 50)),
                "rating_count": int(np.exp(draw.normal(6, 1.5))) + 1,
                "paid_minor": round(paid * 100),
                "list_minor": round(paid * 100 / (1 - off / 100)),
                "discount_bp": round(off * 100),
                "currency": "INR",
                "category": CATEGORIES[product % 3],
                "reviewed_at_ms": (15_000 + int(draw.integers(1_200))) * DAY_MS,
                "duplicate_count": 0,
            }
        )
    for name in ("rating_tenths", "discount_bp", "paid_minor", "category"):
        rows[int(draw.integers(count))][name] = None
    return rows


def without(rows: list[dict[str, Any]], *columns: str) -> list[dict[str, Any]]:
    """The rows without the columns."""
    return [{name: value for name, value in row.items() if name not in columns} for row in rows]


def with_all(rows: list[dict[str, Any]], **values: Any) -> list[dict[str, Any]]:
    """The rows with constant values in the given columns."""
    return [{**row, **values} for row in rows]


def rejected(**rows_by_reason: int) -> list[dict[str, Any]]:
    """Rows of rejected_reviews: as many as given for each RejectionReason, by its name."""
    names = [name for name, rows in rows_by_reason.items() for _ in range(rows)]
    return [
        {"source_file": "a.csv", "batch": "0" * 16, "row_number": i + 1, "reason": str(RejectionReason[name])}
        for i, name in enumerate(names)
    ]


def data_of(
    rows: list[dict[str, Any]],
    rejected_rows: Sequence[dict[str, Any]] = (),
    *,
    engine: str = "duckdb",
    currency: str | None = "INR",
    **options: Any,
) -> ReviewData:
    """The data of the reviews plots."""
    cleaned: nw.LazyFrame = frame(CLEANED_REVIEWS, rows, engine=engine)
    rejections: nw.LazyFrame = frame(REJECTED_REVIEWS, list(rejected_rows), engine=engine)
    return review_data(cleaned, rejections, currency=currency, **options)


def plain(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The rows in readable units, computed without the pipeline."""
    table = pd.DataFrame(rows)
    scaled = {"paid": ("paid_minor", 100), "listed": ("list_minor", 100), "off": ("discount_bp", 100)}
    for name, (column, units) in (scaled | {"stars": ("rating_tenths", 10)}).items():
        table[name] = table[column].astype(float) / units
    return table


def panels(figure: Figure) -> list[Axes]:
    """The axes with data, without colour bars and legends."""
    return [axes for axes in figure.axes if axes.axison and axes.get_label() != "<colorbar>"]


def is_labelled(axes: Axes) -> bool:
    """Whether both axes have a label or named ticks."""
    return all(
        label or any(tick.get_text() for tick in ticks)
        for label, ticks in (
            (axes.get_xlabel(), axes.get_xticklabels()),
            (axes.get_ylabel(), axes.get_yticklabels()),
        )
    )


def assert_presentable(plot: Plot) -> None:
    """Asserts a title, labelled panels and a complete caption."""
    assert " ".join(plot.figure.get_suptitle().split()) == plot.title
    assert plot.title
    assert panels(plot.figure)
    assert is_labelled(panels(plot.figure)[0])
    assert all(axes.get_xlabel() or is_labelled(axes) for axes in panels(plot.figure))
    assert plot.caption.endswith(".")
    assert plot.caption[0].isupper() or plot.caption[0].isdigit()
    assert not any(wrong in plot.title + plot.caption for wrong in ("nan", "None", "{", "}", "inf "))
