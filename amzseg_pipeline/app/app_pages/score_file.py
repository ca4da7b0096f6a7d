"""A file of users, scored row by row: what it must hold, the result with what was rejected and why, downloads."""

import pandas as pd
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from amzseg_pipeline.app.components import facts, small_table
from amzseg_pipeline.app.downloads import download_buttons
from amzseg_pipeline.app.formatting import FEATURE_WORDS, feature_heading, feature_value, plain, share_of
from amzseg_pipeline.app.page_header import page_head
from amzseg_pipeline.app.published_snapshot import Published
from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.schema import Column
from amzseg_pipeline.contracts.scoring import USERS_TO_SCORE
from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.presentation.formatting import money_unit
from amzseg_pipeline.storage.serving.batch_scoring import ScoredUpload, scored_upload
from amzseg_pipeline.storage.serving.exports import parquet_file_as
from amzseg_pipeline.storage.serving.uploads import MAX_ROWS, Upload, template_csv, upload_of

_SHOWN_ROWS = 100
_ASKED = tuple(name for name in FEATURES if name in USERS_TO_SCORE.column_names)


def page() -> None:
    """Draws the page."""
    shown = page_head("Score a file", "Bring users of your own and take their segments away. Nothing is stored here.")
    _columns(shown)
    uploaded = st.file_uploader(
        "CSV (UTF-8, commas) or parquet", type=["csv", "parquet"], key="upload", max_upload_size=200
    )
    if uploaded is None:
        st.session_state.pop("scored_file", None)
        return
    try:
        upload = upload_of(uploaded)
        result = _scored(shown, uploaded, upload)
    except RefusedInput as refusal:
        st.session_state.pop("scored_file", None)
        st.error(f"This file cannot be scored. {plain(str(refusal))}", icon=":material/block:")
        return
    _result(shown, upload, result)


def _columns(shown: Published) -> None:
    with st.expander("What the file must hold", expanded=not st.session_state.get("upload"), icon=":material/table:"):
        small_table(
            ["Column", "What it is", "Values", "May be empty"],
            [
                [column.name, column.description, _values(column, shown), "yes" if column.nullable else "no"]
                for column in USERS_TO_SCORE.columns
            ],
            texts=4,
        )
        st.caption(
            "The first line names the columns, in any order; other columns are left alone. Engagement is derived, not "
            f"asked: reviews × average rating. Up to {MAX_ROWS:,} rows and 200 MB."
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


def _values(column: Column, shown: Published) -> str:
    if column.minimum is None or column.maximum is None:
        return "text"
    unit = money_unit(shown.currency) if column.name == "avg_spend" else column.unit
    return f"{column.minimum:,.0f} to {column.maximum:,.0f} {unit}"


def _scored(shown: Published, uploaded: UploadedFile, upload: Upload) -> ScoredUpload:
    """The result of this upload by this snapshot's model; it is made once and goes with the session."""
    key = (uploaded.file_id, shown.sha256)
    kept: tuple[tuple[str, str], ScoredUpload] | None = st.session_state.get("scored_file")
    if kept is not None and kept[0] == key:
        return kept[1]
    st.session_state.pop("scored_file", None)
    bar = st.progress(0.0, "Reading the file …")

    def progress(done: float, rows: int) -> None:
        bar.progress(min(done, 1.0), f"{rows:,} rows done")

    result = scored_upload(upload, shown.model, progress=progress)
    bar.empty()
    st.session_state["scored_file"] = (key, result)
    return result


def _result(shown: Published, upload: Upload, result: ScoredUpload) -> None:
    scored, rejected = result.users.total(), result.reasons.total()
    st.header("Result", anchor=False)
    facts({"Rows scored": f"{scored:,}", "Rows rejected": f"{rejected:,}", "File": upload.file_format})
    if scored:
        _segments(shown, result, scored)
    if rejected:
        _rejected(result)
    if upload.unused:
        with st.expander(f"Columns that were not used: {len(upload.unused):,}"):
            st.dataframe(pd.DataFrame({"Column": upload.unused}), hide_index=True, key="unused")


def _segments(shown: Published, result: ScoredUpload, scored: int) -> None:
    small_table(
        ["Segment", "Users in the file", "Share of the file", "Share of the published users"],
        [
            [
                shown.name(segment_id),
                f"{result.users[segment_id]:,}",
                share_of(result.users[segment_id] / scored),
                share_of(shown.profile(segment_id)["share"]),
            ]
            for segment_id in shown.segment_ids
        ],
        colours=[shown.colours[segment_id] for segment_id in shown.segment_ids],
    )
    download_buttons(
        lambda file_format: parquet_file_as(result.scored, file_format=file_format),
        name="scored-users", what="the result ", key="scored",
    )  # fmt: skip
    users = result.first(result.scored, rows=_SHOWN_ROWS)
    st.dataframe(
        pd.DataFrame(
            {
                "Row": users["row_number"],
                "User": users["user_id"],
                "Segment": users["segment_name"],
                "Margin": users["margin"].map(lambda margin: "–" if pd.isna(margin) else f"{margin:.2f}"),
                "Second best": users["second_segment_name"].fillna("–"),
                "Unlike others": users["is_outlier"].map({True: "yes", False: "no"}),
                **{
                    feature_heading(name, shown.currency): [
                        feature_value(name, value, currency=shown.currency, unit=name == "avg_spend")
                        for value in users[name].astype(float)
                    ]
                    for name in _ASKED
                },
            }
        ),
        hide_index=True,
        key="scored_rows",
        column_config={
            "Row": st.column_config.NumberColumn(format="localized", width="small"),
            **{
                name: st.column_config.TextColumn(alignment="right", help=meaning)
                for name, meaning in (
                    ("Margin", "How much closer the own centre is than the second-best: 0 undecided, 1 certain."),
                    *((feature_heading(each, shown.currency), FEATURE_WORDS[each].meaning) for each in _ASKED),
                )
            },
        },
    )
    if scored > _SHOWN_ROWS:
        st.caption(f"The first {_SHOWN_ROWS} of {scored:,}; the download holds all of them.")


def _rejected(result: ScoredUpload) -> None:
    st.subheader("Rejected rows", anchor=False)
    small_table(["Why", "Rows"], [[reason, f"{count:,}"] for reason, count in result.reasons.most_common()])
    download_buttons(
        lambda file_format: parquet_file_as(result.rejected, file_format=file_format),
        name="rejected-rows", what="the rejected rows ", key="rejected",
    )  # fmt: skip
    rows = result.first(result.rejected, rows=_SHOWN_ROWS)
    names = {"row_number": "Row", "reason": "Why", "user_id": "User"}
    labels = {column: FEATURE_WORDS[column].label for column in rows.columns if column in FEATURE_WORDS}
    st.dataframe(
        rows.rename(columns={**names, **labels}),
        hide_index=True,
        key="rejected_rows",
        column_config={
            "Row": st.column_config.NumberColumn(format="localized", width="small"),
            "Why": st.column_config.TextColumn(width="large"),
        },
    )


page()
