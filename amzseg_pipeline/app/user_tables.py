"""Tables with users in them: ids are other people's text, and stand in tables alone."""

import pandas as pd
import streamlit as st

from amzseg_pipeline.app.components import small_table
from amzseg_pipeline.app.formatting import FEATURE_WORDS, feature_heading, feature_value
from amzseg_pipeline.app.published_snapshot import Published
from amzseg_pipeline.contracts.users import FEATURES


def users_table(shown: Published, users: pd.DataFrame, *, key: str) -> None:
    """Users with their features and how sure their segment is."""
    st.dataframe(
        pd.DataFrame(
            {
                "User": users["user_id"],
                **{
                    feature_heading(name, shown.currency): [
                        feature_value(name, value, currency=shown.currency, unit=name == "avg_spend")
                        for value in users[name].astype(float)
                    ]
                    for name in FEATURES
                },
                "Margin": users["margin"].map(lambda margin: "–" if pd.isna(margin) else f"{margin:.2f}"),
                "Second best": users["second_segment_id"].map(
                    lambda segment_id: "–" if pd.isna(segment_id) else shown.name(segment_id)
                ),
            }
        ),
        hide_index=True,
        key=key,
        column_config={
            "User": st.column_config.TextColumn(width=290),
            "Margin": st.column_config.TextColumn(
                help="How much closer the own centre is than the second-best: 0 undecided, 1 certain.",
                alignment="right",
            ),
            **{
                feature_heading(name, shown.currency): st.column_config.TextColumn(
                    help=FEATURE_WORDS[name].meaning, alignment="right"
                )
                for name in FEATURES
            },
        },
    )


def feature_table(
    shown: Published, user: dict[str, float | None], *, means: dict[str, dict[str, float | None]]
) -> None:
    """Features as rows: the user's values, and beside them the means of those that the heads of `means` name."""
    small_table(
        ["", "This user", *means],
        [
            [
                FEATURE_WORDS[name].label,
                feature_value(name, user.get(name), currency=shown.currency),
                *(feature_value(name, of[name], currency=shown.currency, is_mean=True) for of in means.values()),
            ]
            for name in FEATURES
        ],
    )
