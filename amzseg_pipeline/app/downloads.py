"""Download buttons whose file is made when somebody clicks, not before."""

from collections.abc import Callable
from typing import NamedTuple

import streamlit as st

from amzseg_pipeline.storage.serving.exports import FileFormat


class Kind(NamedTuple):
    """What a format is called, by people and by browsers."""

    label: str
    mime: str


FILE_FORMATS: dict[FileFormat, Kind] = {
    "csv": Kind("CSV", "text/csv"),
    "parquet": Kind("parquet", "application/vnd.apache.parquet"),
}


def download_buttons(made: Callable[[FileFormat], bytes], *, name: str, what: str = "", key: str) -> None:
    """One button per format, side by side; `name` is the file's, without its ending."""
    with st.container(horizontal=True):
        for file_format, (label, mime) in FILE_FORMATS.items():
            st.download_button(
                f"Download {what}as {label}",
                _deferred(made, file_format),
                file_name=f"{name}.{file_format}",
                mime=mime,
                on_click="ignore",
                icon=":material/download:",
                key=f"{key}_{file_format}",
            )


def _deferred(made: Callable[[FileFormat], bytes], file_format: FileFormat) -> Callable[[], bytes]:
    return lambda: made(file_format)
