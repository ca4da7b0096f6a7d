"""An id is found in every file type, only as a complete word."""

import gzip
import io
from pathlib import Path

import pandas as pd
import pytest

from amzseg_pipeline.storage.erasure.search import files_containing

ID = "AE2X"


def parquet(values: list[str], **options: object) -> bytes:
    stream = io.BytesIO()
    pd.DataFrame({"n": range(len(values)), "id": values}).to_parquet(stream, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "is_there"),
    [
        (f"x,{ID},y\n".encode(), True),
        (f'{{"user_id": "{ID}"}}'.encode(), True),
        (ID.encode(), True),
        (f"{ID}1".encode(), False),
        (f"1{ID}".encode(), False),
        (f"_{ID}".encode(), False),
        (b"", False),
        (b"\0" * (2**20 - 2) + ID.encode(), True),
        (b"\0" * (2**20 - 4) + f"{ID}1".encode() + b"\0" * 2**20, False),
        (b"\0" * (2**20 - 8192 - 1) + f"x{ID}".encode() + b"\0" * 2**20, False),
        (gzip.compress(f"a\n{ID}\n".encode()), True),
        (gzip.compress(b"a\n"), False),
        (gzip.compress(f"a\n{ID}\n".encode() * 9_000)[:-9], True),
        (b"\x1f\x8b nothing packed", False),
        (parquet([ID, "b"], compression="zstd"), True),
        (parquet(["a" * 50, ID] * 500, compression="snappy"), True),
        (parquet([f"{ID}1", "b"], compression="zstd"), False),
        (b"PAR1 no parquet", False),
        (f"PAR1 {ID}".encode(), True),
    ],
)
def test_finds_an_id_as_a_word_in_every_file_type(tmp_path: Path, content: bytes, is_there: bool) -> None:
    path = tmp_path / "a" / "file"
    path.parent.mkdir()
    path.write_bytes(content)
    assert files_containing([ID, "another"], tmp_path) == ([path] if is_there else [])


def test_skips_links_and_excluded_folders(tmp_path: Path) -> None:
    for folder in ("in", "out"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file").write_text(ID)
    (tmp_path / "in/link").symlink_to(tmp_path / "out/file")
    assert files_containing([ID], tmp_path / "in") == [tmp_path / "in/file"]
    assert files_containing([ID], tmp_path, without=tmp_path / "out") == [tmp_path / "in/file"]
    assert files_containing([ID], tmp_path / "missing") == []


def test_escapes_regular_expressions(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("A.B")
    assert files_containing(["A.B"], tmp_path) == [tmp_path / "file"]
    (tmp_path / "file").write_text("AXB")
    assert files_containing(["A.B"], tmp_path) == []
