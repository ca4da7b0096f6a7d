"""The banner: what needs attention, and what to do."""

from typing import Any

import streamlit as st

from amzseg_pipeline.app.published_snapshot import ShownSnapshot
from amzseg_pipeline.presentation.formatting import capitalized, markdown_escaped


def attention_items(run: dict[str, Any]) -> list[tuple[str, str]]:
    """What needs attention according to run.json, each with what to do."""
    items: list[tuple[str, str]] = []
    if pending := (run.get("promotion_state") or {}).get("pending"):
        version, reason = pending["model"]["version"], str(pending["report"]["reason"]).replace("_", " ")
        items.append(
            (
                f"Model {version} is pending approval: {reason}.",
                "Compare it with the current model on the page About the data, then have the operator approve it "
                "(the runbook describes how), or do nothing: a newer model replaces it.",
            )
        )
    if warnings := (run.get("drift") or {}).get("warnings"):
        items.append(
            (
                " ".join(f"{capitalized(warning)}." for warning in warnings),
                "The segments are less reliable than at training. A new model is trained soon if drift is "
                "large, else weekly; check its promotion on the page About the data.",
            )
        )
    if (run.get("k") or {}).get("confidence") == "low":
        items.append(
            (
                "The data does not support this number of segments well.",
                "Use the segments as a convention: target by the features themselves, or ask the operator for "
                "another number of segments (setting k).",
            )
        )
    return items


def show_attention(shown: ShownSnapshot) -> None:
    """Draws the banner; nothing if nothing needs attention. The page header warns of stale data."""
    for problem, advice in attention_items(shown.snapshot.run()):
        st.warning(
            f"**{markdown_escaped(problem)}** {markdown_escaped(advice)}", icon=":material/notification_important:"
        )
