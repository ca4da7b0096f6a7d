"""Tables of users. User ids are text from data and appear in st.dataframe only."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from amzseg_pipeline.app.components import html_table
from amzseg_pipeline.app.published_snapshot import ShownSnapshot
from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.presentation.labels import FEATURE_LABELS, feature_heading, feature_value

_HEADINGS = {"segment_id": "Segment now", "second_segment_id": "Second best"}
MARGIN_HELP = "How much closer the user is to this segment than to the second best: 0 undecided, 1 certain."


def margin_text(margin: float) -> str:
    """A margin with two decimals, a dash if there is only one segment."""
    return "–" if pd.isna(margin) else f"{margin:.2f}"


def feature_columns(shown: ShownSnapshot, users: pd.DataFrame, features: tuple[str, ...]) -> dict[str, list[str]]:
    """Heading -> values as text, for st.dataframe."""
    return {
        feature_heading(name, shown.currency): [
            feature_value(name, value, currency=shown.currency, unit=name == "avg_spend")
            for value in users[name].astype(float)
        ]
        for name in features
    }


def column_config(shown: ShownSnapshot, features: tuple[str, ...]) -> dict[str, Any]:
    """The column configuration of the margin and of `feature_columns`."""
    help_texts = {
        "Margin": MARGIN_HELP,
        **{feature_heading(name, shown.currency): FEATURE_LABELS[name].description for name in features},
    }
    return {name: st.column_config.TextColumn(help=text, alignment="right") for name, text in help_texts.items()}


def users_table(shown: ShownSnapshot, users: pd.DataFrame, *, other_segment: str, key: str) -> None:
    """Users with their features, margin, and `other_segment`: the segment they are in, or their second best."""
    names = users[other_segment].map(lambda segment_id: "–" if pd.isna(segment_id) else shown.name(segment_id))
    st.dataframe(
        pd.DataFrame(
            {
                "User": users["user_id"],
                **feature_columns(shown, users, FEATURES),
                "Margin": users["margin"].map(margin_text),
                _HEADINGS[other_segment]: names,
            }
        ),
        hide_index=True,
        key=key,
        column_config={
            "User": st.column_config.TextColumn(width=290),
            **column_config(shown, FEATURES),
        },
    )


def feature_table(
    shown: ShownSnapshot, user: Mapping[str, float | None], *, means: Mapping[str, Mapping[str, float | None]]
) -> None:
    """One row per feature: the user's value, and a column for each entry of `means` (heading -> mean by feature)."""
    html_table(
        ["", "This user", *means],
        [
            [
                FEATURE_LABELS[name].label,
                feature_value(name, user.get(name), currency=shown.currency),
                *(feature_value(name, mean[name], currency=shown.currency, is_mean=True) for mean in means.values()),
            ]
            for name in FEATURES
        ],
    )
