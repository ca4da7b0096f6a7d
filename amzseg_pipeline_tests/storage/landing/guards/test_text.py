"""Bytes that are not complete text are refused with location and fix."""

import bz2
import codecs
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.landing.guards.text import check_size, checked_head, refuse_unreadable, text_chunks
from amzseg_pipeline_tests.storage.landing.synthetic_exports import opened

CHUNK = 2**20


def complete_text(content: bytes) -> bytes:
    return b"".join(chunk for _, chunk in text_chunks(io.BytesIO(content)))


def zipped(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.csv", content)
    return stream.getvalue()


def tarred(content: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo("a.csv")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (zipped(b"a\n1\n"), "zip"),
        (gzip.compress(gzip.compress(b"{}\n")), "gzip file in a gzip"),
        (gzip.compress(zipped(b"{}\n")), "zip"),
        (gzip.compress(tarred(b"{}\n")), "tar"),
        (bz2.compress(b"a\n1\n"), "bzip2"),
        (lzma.compress(b"a\n1\n"), "xz"),
        (gzip.compress(pa.compress(b"a\n1\n", codec="zstd", asbytes=True)), "zstd"),
        (tarred(b"a\n1\n"), "tar"),
        (b"7z\xbc\xaf\x27\x1c\x00\x04", "7z"),
        (b"Rar!\x1a\x07\x01\x00", "rar"),
        (gzip.compress(b"PAR1\x15\x04"), "compressed parquet"),
    ],
)
def test_refuses_archives_by_name(tmp_path: Path, content: bytes, kind: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(RefusedInput, match=f"{kind}.* deliver the plain text"):
        opened(tmp_path / "a.csv")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_reads_the_header_of_utf_16(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.csv").write_bytes("product_id,rating\n".encode(encoding))
    export = opened(tmp_path / "a.csv")
    assert (export.names, export.is_utf_16) == ((("product_id", "rating"),), True)


def test_refuses_utf_32(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("product_id,rating\n".encode("utf-32"))
    with pytest.raises(RefusedInput, match="UTF-32; save it as UTF-8"):
        opened(tmp_path / "a.csv")


def test_removes_the_byte_order_mark() -> None:
    assert checked_head(codecs.BOM_UTF8 + b"a,b\n") == b"a,b\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\nb\0c\n", r"line 2 \(byte 3 of the file.*NUL"),
        (b"a\ncaf\xe9,1\n", r"line 2 \(byte 5 .*0xE9 is not UTF-8; save the export as UTF-8"),
        (codecs.BOM_UTF8 + b"caf\xe9\n", r"line 1 \(byte 6 .*0xE9"),
        (b"a\r\nb\r\n\x80\r\n", r"line 3 \(byte 6 .*0x80"),
        (b"\xed\xa0\x80\n", r"byte 0 .*0xED"),
        (b"\xc0\xaf\n", r"byte 0 .*0xC0"),
        (b"a\n" + "é".encode()[:1], r"looks cut: the last record \(line 2\) has no line end; deliver it again"),
        (b"a\nb", r"looks cut: the last record \(line 2\) has no line end; deliver it again"),
        (b"a\n" * 1500 + b"b", r"line 1,501\) has no line end"),
        (codecs.BOM_UTF8, "looks cut"),
        (b"", "looks cut"),
        (b"x\n" * (CHUNK // 2) + b"\xe9\n", rf"line {CHUNK // 2 + 1:,} \(byte {CHUNK:,} "),
        (b"x" * (CHUNK - 1) + b"\xe2\x82x\n", rf"line 1 \(byte {CHUNK - 1:,} .*0xE2"),
        (b"x" * (CHUNK - 2) + b"\n\xe2\x82\xb9", "line 2"),
    ],
)
def test_refuses_incomplete_text_with_line_and_byte(content: bytes, message: str) -> None:
    with pytest.raises(RefusedInput, match=message):
        complete_text(content)


@pytest.mark.parametrize(
    "content",
    [b"\n", b"a\r\n", b"a\r", "₹🙂é\n".encode(), b"x" * (CHUNK - 1) + "₹".encode() + b"\n", b"\xef\xbf\xbe\n"],
)
def test_complete_text_is_unchanged(content: bytes) -> None:
    assert complete_text(content) == content
    assert complete_text(codecs.BOM_UTF8 + content) == content


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_accepts_exactly_the_text_python_decodes(content: bytes) -> None:
    try:
        content.decode()
        is_text = b"\0" not in content and content.endswith((b"\n", b"\r"))
    except UnicodeDecodeError:
        is_text = False
    try:
        assert complete_text(content) == content.removeprefix(codecs.BOM_UTF8)
        assert is_text
    except RefusedInput:
        assert not is_text


def test_refuses_an_empty_file() -> None:
    with pytest.raises(RefusedInput, match="empty"):
        check_size(0, Settings())


def test_reads_up_to_the_maximum_file_size() -> None:
    check_size(1000, Settings(max_file_bytes=1000))
    with pytest.raises(RefusedInput, match=r"1,001 bytes are more than max_file_bytes = 1,000"):
        check_size(1001, Settings(max_file_bytes=1000))


@pytest.mark.parametrize(
    ("name", "message"),
    [("", "folder"), ("broken.csv", "deleted while"), ("round.csv", "cannot be read .*symbolic links")],
)
def test_refuses_unreadable_files_with_the_fix(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "broken.csv").symlink_to("nothing")
    (tmp_path / "round.csv").symlink_to("round.csv")
    with pytest.raises(RefusedInput, match=message):
        opened(tmp_path / name)


def test_refuses_a_file_without_permission_with_the_fix(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a\n")
    (tmp_path / "a.csv").chmod(0)
    if os.access(tmp_path / "a.csv", os.R_OK):
        pytest.skip("permissions do not bind this user")
    with pytest.raises(RefusedInput, match="permission"):
        opened(tmp_path / "a.csv")


def test_a_permission_error_has_its_own_message() -> None:
    with pytest.raises(RefusedInput, match="chmod"), refuse_unreadable():
        raise PermissionError
