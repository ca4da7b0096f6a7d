"""What the segments rest on: the data and its checks, the model, and how to read the files."""

from typing import Any

import pandas as pd
import streamlit as st

from amzseg_pipeline.app.components import facts, small_table
from amzseg_pipeline.app.formatting import moment, plain, spoken
from amzseg_pipeline.app.model_card import choice_of_k, drift_figures, model_card, takeover
from amzseg_pipeline.app.page_header import page_head
from amzseg_pipeline.app.published_snapshot import Published
from amzseg_pipeline.app.reading_recipes import RECIPES
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS


def page() -> None:
    """Draws the page."""
    shown = page_head("About the data", "What these segments rest on, and how to read them in your own tools.")
    run = shown.snapshot.run()
    data, model, files = st.tabs(["Data and checks", "Model", "Files and how to read them"])
    with data:
        _accounts(run.get("row_reconciliation", {}))
        _checks(run.get("checks", []))
        _inputs(shown)
    with model:
        model_card(shown)
        choice_of_k(run.get("k") or {})
        takeover(run.get("promotion") or {}, pending=(run.get("promotion_state") or {}).get("pending"))
        drift_figures(run.get("drift") or {})
    with files:
        _files(shown)


def _accounts(row_reconciliation: dict[str, Any]) -> None:
    if not {"raw", "cleaned", "duplicates", "rejected"} <= row_reconciliation.keys():
        return
    st.header("Every row accounted for", anchor=False)
    rejected = sum(row_reconciliation["rejected"].values())
    facts(
        {
            "Rows delivered": f"{row_reconciliation['raw']:,}",
            "Reviews, each counted once": f"{row_reconciliation['cleaned']:,}",
            "Duplicate rows": f"{row_reconciliation['duplicates']:,}",
            "Rejected rows": f"{rejected:,}",
        }
    )
    if rejected:
        st.caption("Why rows were rejected")
        rows = sorted(row_reconciliation["rejected"].items(), key=lambda entry: -entry[1])
        small_table(["Reason", "Rows"], [[reason, f"{count:,}"] for reason, count in rows])
    if unreadable := row_reconciliation.get("unreadable"):
        parts = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in sorted(unreadable.items()))
        st.caption(f"Values that could not be read, and count as not known: {plain(parts)}.")


def _checks(checks: list[dict[str, Any]]) -> None:
    if not checks:
        return
    st.header("Checks of the run", anchor=False)
    passed = sum(bool(check["passed"]) for check in checks)
    warned = "" if passed == len(checks) else " Those marked ! warn; any other that fails publishes nothing."
    st.markdown(f"{passed} of {len(checks)} passed.{warned}")
    small_table(
        ["", "Check", "Of", "What it says"],
        [
            [
                "✓" if check["passed"] else "✗" if check.get("blocking", True) else "!",
                spoken(check["check"]),
                spoken(check["asset"]),
                check.get("description") or "–",
            ]
            for check in checks
        ],
        texts=4,
    )


def _inputs(shown: Published) -> None:
    st.header("Exports it was made from", anchor=False)
    st.dataframe(
        pd.DataFrame(
            {
                "File": [batch.get("path", "") for batch in shown.snapshot.inputs],
                "SHA-256": [batch.get("sha256", "") for batch in shown.snapshot.inputs],
            }
        ),
        hide_index=True,
        key="inputs",
    )


def _files(shown: Published) -> None:
    snapshot = shown.snapshot
    st.header("What is published", anchor=False)
    facts(
        {
            "Snapshot": f"{snapshot.sequence:,}",
            "Published": moment(snapshot.created),
            "Contract": snapshot.contract_version,
            "Model": snapshot.model_version,
            "Code": str(snapshot.manifest["code_version"])[:12],
            "Settings": str(snapshot.manifest["settings_hash"])[:12],
        }
    )
    small_table(
        ["File", "What it holds", "Rows", "Size"],
        [
            [
                entry["path"],
                entry.get("description", ""),
                f"{entry['rows']:,}" if "rows" in entry else "–",
                _size(entry["bytes"]),
            ]
            for entry in snapshot.manifest["resources"]
        ],
        texts=2,
    )
    st.caption("Their SHA-256 was checked when this snapshot was opened, and stands in the manifest, datapackage.json.")
    with st.expander(f"Columns of {SEGMENT_ASSIGNMENTS.name}.parquet"):
        fields = next(e for e in snapshot.manifest["resources"] if e["name"] == SEGMENT_ASSIGNMENTS.name)["schema"]
        small_table(
            ["Column", "Type", "Unit", "What it is"],
            [[f["name"], f["type"], f.get("unit", ""), f["description"]] for f in fields["fields"]],
            texts=4,
        )
    st.header("How to read it", anchor=False)
    st.markdown("Follow the pointer, then open the file by name; a snapshot never changes.")
    for tab, (_, language, text) in zip(st.tabs([name for name, _, _ in RECIPES]), RECIPES, strict=True):
        with tab:
            st.code(text, language=language, wrap_lines=True)


def _size(count: int) -> str:
    for scale, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= scale:
            return f"{count / scale:,.1f} {unit}"
    return f"{count:,} bytes"


page()
