"""What the segments are based on: the data and its checks, the model, and how to read the files."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from amzseg_pipeline.app.components import facts, html_table
from amzseg_pipeline.app.model_card import drift_measures, k_choice, model_card, promotion_decision
from amzseg_pipeline.app.page_header import page_header
from amzseg_pipeline.app.published_snapshot import ShownSnapshot
from amzseg_pipeline.app.reading_recipes import RECIPES
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.presentation.formatting import markdown_escaped, moment, sentence_case

_SIZES = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def page() -> None:
    """Draws the page."""
    shown = page_header("About the data", "What these segments are based on, and how to read them in your own tools.")
    run = shown.snapshot.run()
    data, model, files = st.tabs(["Data and checks", "Model", "Files and how to read them"])
    with data:
        _row_reconciliation(run.get("row_reconciliation", {}))
        _checks(run.get("checks", []))
        _inputs(shown)
    with model:
        model_card(shown)
        k_choice(run.get("k") or {})
        promotion_decision(run.get("promotion") or {}, pending=(run.get("promotion_state") or {}).get("pending"))
        drift_measures(run.get("drift") or {})
    with files:
        _files(shown)
        _recipes()


def _row_reconciliation(counts: Mapping[str, Any]) -> None:
    if not {"raw", "cleaned", "duplicates", "rejected", "rejected_by_reason"} <= counts.keys():
        return
    st.header("Row reconciliation", anchor=False)
    facts(
        {
            "Raw rows": f"{counts['raw']:,}",
            "Distinct reviews": f"{counts['cleaned']:,}",
            "Duplicate rows": f"{counts['duplicates']:,}",
            "Rejected rows": f"{counts['rejected']:,}",
        }
    )
    if counts["rejected"]:
        st.caption("Rejected rows by reason")
        reasons = sorted(counts["rejected_by_reason"].items(), key=lambda entry: -entry[1])
        html_table(["Reason", "Rows"], [[reason, f"{count:,}"] for reason, count in reasons])
    if unreadable := counts.get("unreadable"):
        columns = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in sorted(unreadable.items()))
        st.caption(f"Values that could not be read and count as unknown: {markdown_escaped(columns)}.")


def _checks(checks: list[dict[str, Any]]) -> None:
    if not checks:
        return
    st.header("Checks of the run", anchor=False)
    passed = sum(bool(check["passed"]) for check in checks)
    failed = "" if passed == len(checks) else " Checks marked ! only warn; a failed blocking check prevents publishing."
    st.markdown(f"{passed} of {len(checks)} passed.{failed}")
    html_table(
        ["", "Check", "Asset", "Description"],
        [
            [
                "✓" if check["passed"] else "✗" if check.get("blocking", True) else "!",
                sentence_case(check["check"]),
                sentence_case(check["asset"]),
                check.get("description") or "–",
            ]
            for check in checks
        ],
        text_columns=4,
    )


def _inputs(shown: ShownSnapshot) -> None:
    st.header("Source exports", anchor=False)
    inputs = shown.snapshot.inputs
    st.dataframe(
        pd.DataFrame({"File": [item.get("path", "") for item in inputs],
                      "SHA-256": [item.get("sha256", "") for item in inputs]}),
        hide_index=True,
        key="inputs",
    )  # fmt: skip


def _files(shown: ShownSnapshot) -> None:
    snapshot = shown.snapshot
    st.header("Published files", anchor=False)
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
    html_table(
        ["File", "Content", "Rows", "Size"],
        [
            [
                resource["path"],
                resource.get("description", ""),
                f"{resource['rows']:,}" if "rows" in resource else "–",
                _file_size(resource["bytes"]),
            ]
            for resource in snapshot.manifest["resources"]
        ],
        text_columns=2,
    )
    st.caption("Every file was verified against its SHA-256 in the manifest, datapackage.json.")
    with st.expander(f"Columns of {SEGMENT_ASSIGNMENTS.name}.parquet"):
        resources = {resource["name"]: resource for resource in snapshot.manifest["resources"]}
        html_table(
            ["Column", "Type", "Unit", "Description"],
            [
                [column["name"], column["type"], column.get("unit", ""), column["description"]]
                for column in resources[SEGMENT_ASSIGNMENTS.name]["schema"]["fields"]
            ],
            text_columns=4,
        )


def _recipes() -> None:
    st.header("How to read it", anchor=False)
    st.markdown("Read the pointer, then open the file by name; a snapshot never changes.")
    for tab, (_, language, code) in zip(st.tabs([tool for tool, _, _ in RECIPES]), RECIPES, strict=True):
        with tab:
            st.code(code, language=language, wrap_lines=True)


def _file_size(size_bytes: int) -> str:
    for scale, unit in _SIZES:
        if size_bytes >= scale:
            return f"{size_bytes / scale:,.1f} {unit}"
    return f"{size_bytes:,} bytes"


page()
