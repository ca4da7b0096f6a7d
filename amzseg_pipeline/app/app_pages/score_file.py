"""Score an uploaded file row by row: its required columns, the result, rejected rows with reasons, downloads."""

import pandas as pd
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from amzseg_pipeline.app import cached_queries
from amzseg_pipeline.app.components import facts, html_table
from amzseg_pipeline.app.downloads import download_buttons
from amzseg_pipeline.app.page_header import page_header
from amzseg_pipeline.app.published_snapshot import ShownSnapshot
from amzseg_pipeline.app.user_tables import column_config, feature_columns, margin_text
from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.schema import Column
from amzseg_pipeline.contracts.scoring import USERS_TO_SCORE
from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.presentation.formatting import markdown_escaped, money_unit, percent
from amzseg_pipeline.presentation.labels import FEATURE_LABELS
from amzseg_pipeline.presentation.segment_texts import confidence
from amzseg_pipeline.storage.serving.batch_scoring import ScoredUpload, scored_upload
from amzseg_pipeline.storage.serving.exports import parquet_file_as
from amzseg_pipeline.storage.serving.uploads import MAX_ROWS, Upload, opened_upload, template_csv

_ROW = "Data row"
_SHOWN_ROWS = 100
_PREVIEW_ROWS = 5
_UPLOADED_FEATURES = tuple(name for name in FEATURES if name in USERS_TO_SCORE.column_names)


def page() -> None:
    """Draws the page."""
    shown = page_header("Score a file", "Upload users and download their segments. Nothing is stored.")
    _required_columns(shown)
    uploaded = st.file_uploader("CSV (UTF-8), Excel (.xlsx) or Parquet", key="upload", max_upload_size=200)
    if uploaded is None:
        st.session_state.pop("scored_file", None)
        return
    try:
        upload, result = _scored(shown, uploaded)
    except RefusedInput as refusal:
        st.session_state.pop("scored_file", None)
        st.error(f"This file cannot be scored: {markdown_escaped(str(refusal))}", icon=":material/block:")
        return
    _result(shown, upload, result)
    _understood(upload)


def _required_columns(shown: ShownSnapshot) -> None:
    with st.expander("Required columns", expanded=not st.session_state.get("upload"), icon=":material/table:"):
        html_table(
            ["Column", "Description", "Values", "May be empty"],
            [
                [column.name, column.description, _range(column, shown), "yes" if column.nullable else "no"]
                for column in USERS_TO_SCORE.columns
            ],
            text_columns=4,
        )
        st.caption(
            "The first line names the columns, in any order; other columns are ignored. Engagement is derived: "
            f"reviews × average rating. At most {MAX_ROWS:,} rows and 200 MB."
        )
    st.download_button(
        "Download a template",
        template_csv(),
        file_name="users-to-score.csv",
        mime="text/csv",
        on_click="ignore",
        icon=":material/download:",
        key="template",
    )


def _range(column: Column, shown: ShownSnapshot) -> str:
    if column.minimum is None or column.maximum is None:
        return "text"
    unit = money_unit(shown.currency) if column.name == "avg_spend" else column.unit
    return f"{column.minimum:,.0f} to {column.maximum:,.0f} {unit}"


def _scored(shown: ShownSnapshot, uploaded: UploadedFile) -> tuple[Upload, ScoredUpload]:
    """The upload and its scores, kept in the session until another file or snapshot replaces them."""
    key = (uploaded.file_id, shown.sha256)
    cached: tuple[tuple[str, str], Upload, ScoredUpload] | None = st.session_state.get("scored_file")
    if cached is not None and cached[0] == key:
        return cached[1:]
    st.session_state.pop("scored_file", None)
    upload = opened_upload(uploaded)
    bar = st.progress(0.0, "Reading the file …")

    def progress(share: float, rows: int) -> None:
        bar.progress(min(share, 1.0), f"{rows:,} rows scored")

    try:
        result = scored_upload(upload, shown.model, progress=progress)
    finally:
        bar.empty()
    st.session_state["scored_file"] = (key, upload, result)
    return upload, result


def _understood(upload: Upload) -> None:
    """How the file was read: format, columns, first rows as text."""
    with st.expander("How the file was read", icon=":material/preview:"):
        renamed = [f"{theirs} as {name}" for name, theirs in upload.columns.items() if theirs != name]
        columns = f"Columns: {', '.join(renamed)}." if renamed else ""
        st.caption(
            f"{upload.description}, {upload.row_count:,} rows. {markdown_escaped(columns)} "
            "The first rows as text, before they were parsed:"
        )
        rows = next(upload.text_rows()).rows.slice(0, _PREVIEW_ROWS).to_pandas()
        headings = {
            "row_number": _ROW,
            "user_id": "User",
            **{name: FEATURE_LABELS[name].label for name in _UPLOADED_FEATURES},
        }
        st.dataframe(rows.rename(columns=headings), hide_index=True, key="understood")


def _result(shown: ShownSnapshot, upload: Upload, result: ScoredUpload) -> None:
    scored, rejected = result.users.total(), result.reasons.total()
    st.header("Result", anchor=False)
    facts({"Rows scored": f"{scored:,}", "Rows rejected": f"{rejected:,}", "File": upload.file_format})
    if scored:
        _segments(shown, result, scored)
    if rejected:
        _rejected(result)
    if upload.unused_columns:
        with st.expander(f"Ignored columns: {len(upload.unused_columns):,}"):
            st.dataframe(pd.DataFrame({"Column": upload.unused_columns}), hide_index=True, key="unused")


def _segments(shown: ShownSnapshot, result: ScoredUpload, scored: int) -> None:
    spend = cached_queries.spend_shares(shown)
    html_table(
        ["Segment", "Users in the file", "Share of the file", "Share of published users", "Share of published spend"],
        [
            [
                shown.name(segment_id),
                f"{result.users[segment_id]:,}",
                percent(result.users[segment_id] / scored, decimals=1),
                percent(shown.profile(segment_id)["share"], decimals=1),
                percent(spend[segment_id], decimals=1) if spend else "–",
            ]
            for segment_id in shown.segment_ids
        ],
        colours=[shown.colours[segment_id] for segment_id in shown.segment_ids],
    )
    download_buttons(
        lambda file_format: parquet_file_as(result.scored, file_format=file_format),
        name="scored-users", what="the result", key="scored",
    )  # fmt: skip
    users = result.first(result.scored, rows=_SHOWN_ROWS)
    st.dataframe(
        pd.DataFrame(
            {
                _ROW: users["row_number"],
                "User": users["user_id"],
                "Segment": users["segment_name"],
                "Confidence": [confidence(margin).level for margin in users["margin"].replace({float("nan"): None})],
                "Margin": users["margin"].map(margin_text),
                "Second best": users["second_segment_name"].fillna("–"),
                "Outlier": users["is_outlier"].map({True: "yes", False: "no"}),
                **feature_columns(shown, users, _UPLOADED_FEATURES),
            }
        ),
        hide_index=True,
        key="scored_rows",
        column_config={
            _ROW: st.column_config.NumberColumn(format="localized", width="small"),
            **column_config(shown, _UPLOADED_FEATURES),
        },
    )
    if scored > _SHOWN_ROWS:
        st.caption(f"The first {_SHOWN_ROWS} of {scored:,}; the download has all of them.")


def _rejected(result: ScoredUpload) -> None:
    st.subheader("Rejected rows", anchor=False)
    html_table(["Reason", "Rows"], [[reason, f"{count:,}"] for reason, count in result.reasons.most_common()])
    download_buttons(
        lambda file_format: parquet_file_as(result.rejected, file_format=file_format),
        name="rejected-rows", what="the rejected rows", key="rejected",
    )  # fmt: skip
    rows = result.first(result.rejected, rows=_SHOWN_ROWS)
    headings = {
        "row_number": _ROW,
        "reason": "Reason",
        "user_id": "User",
        **{name: FEATURE_LABELS[name].label for name in _UPLOADED_FEATURES},
    }
    st.dataframe(
        rows.rename(columns=headings),
        hide_index=True,
        key="rejected_rows",
        column_config={
            _ROW: st.column_config.NumberColumn(format="localized", width="small"),
            "Reason": st.column_config.TextColumn(width=520),
        },
    )


page()
