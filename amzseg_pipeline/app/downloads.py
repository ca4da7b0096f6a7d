"""Download buttons that create their file on click."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import streamlit as st

from amzseg_pipeline.storage.serving.exports import FileFormat


class FileType(NamedTuple):
    """The label and MIME type of a file format."""

    label: str
    mime: str


FILE_TYPES: dict[FileFormat, FileType] = {
    "csv": FileType("CSV", "text/csv"),
    "parquet": FileType("Parquet", "application/vnd.apache.parquet"),
}


def download_buttons(content: Callable[[FileFormat], bytes], *, name: str, what: str, key: str) -> None:
    """One button per file format, side by side.

    Args:
        content: returns the bytes of the file in a format.
        name: file name without extension.
        what: what is downloaded, for the label.
        key: prefix of the widget keys.
    """
    with st.container(horizontal=True):
        for file_format, (label, mime) in FILE_TYPES.items():
            st.download_button(
                f"Download {what} as {label}",
                partial(content, file_format),
                file_name=f"{name}.{file_format}",
                mime=mime,
                on_click="ignore",
                icon=":material/download:",
                key=f"{key}_{file_format}",
            )
