"""Sidecar files are compared with their export."""

import hashlib
from pathlib import Path

import pytest

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.storage.landing.scan.sidecars import check_sidecars

SHA256 = hashlib.sha256(b"complete").hexdigest()


@pytest.mark.parametrize(
    "sidecars",
    [
        {},
        {"sha256": ""},
        {"sha256": SHA256},
        {"sha256": f"{SHA256.upper()}  export.csv\n"},
        {"rows": "1465"},
        {"rows": "1,465 export.csv\n", "sha256": SHA256},
        {"rows": " \n"},
    ],
)
def test_accepts_matching_and_empty_sidecars(tmp_path: Path, sidecars: dict[str, str]) -> None:
    for ending, content in sidecars.items():
        (tmp_path / f"export.csv.{ending}").write_text(content)
    check_sidecars(tmp_path / "export.csv", sha256=SHA256, records=1465)


@pytest.mark.parametrize(
    ("ending", "content"),
    [
        ("sha256", b"0" * 64),
        ("sha256", SHA256[:63].encode()),
        ("rows", b"1464"),
        ("rows", b"many"),
        ("rows", b"\xff\xfe"),
    ],
)
def test_refuses_a_sidecar_that_differs(tmp_path: Path, ending: str, content: bytes) -> None:
    (tmp_path / f"export.csv.{ending}").write_bytes(content)
    with pytest.raises(RefusedInput, match=rf"export.csv.{ending} says .* but the file has .*; deliver both again"):
        check_sidecars(tmp_path / "export.csv", sha256=SHA256, records=1465)


def test_does_not_follow_sidecar_links(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("secret")
    (tmp_path / "export.csv.sha256").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedInput, match=r"export.csv.sha256 is a link, and links .* deliver a file") as raised:
        check_sidecars(tmp_path / "export.csv", sha256=SHA256, records=1465)
    assert "secret" not in str(raised.value)
