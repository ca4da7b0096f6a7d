"""The landing zone is classified by names, times and file types."""

import os
from pathlib import Path

import pytest

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.storage.landing.scan.listing import LandingFile, Listing, landing_listing

NOW = 1_800_000_000.0


def listed(root: Path, *paths: str, settle_seconds: float | None = None) -> Listing:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")
        os.utime(root / path, (NOW - 3600, NOW - 3600))
    return landing_listing(root, now=NOW, settle_seconds=settle_seconds)


def paths_of(files: tuple) -> list[str]:
    return [file.path for file in files]


def test_a_missing_folder_gives_an_empty_listing(tmp_path: Path) -> None:
    assert landing_listing(tmp_path / "landing", now=NOW, settle_seconds=60) == Listing((), (), ())


def test_an_older_mapping_file_that_is_removed_changes_its_export(tmp_path: Path) -> None:
    (tmp_path / "columns.toml").write_text("[columns]\n")
    (mapped,) = listed(tmp_path, "a.csv").files
    (tmp_path / "columns.toml").unlink()
    (plain,) = landing_listing(tmp_path, now=NOW, settle_seconds=None).files
    assert mapped != plain


def test_lists_files_by_path_with_size_and_times(tmp_path: Path) -> None:
    listing = listed(tmp_path, "z.csv", "2024/01/b.csv", "2024/a.csv", "année/₹ 1.csv")
    assert paths_of(listing.files) == ["2024/01/b.csv", "2024/a.csv", "année/₹ 1.csv", "z.csv"]
    status = (tmp_path / "z.csv").stat()
    assert listing.files[-1] == LandingFile("z.csv", 1, status.st_mtime_ns, status.st_ctime_ns)


@pytest.mark.parametrize(
    "path",
    [
        ".hidden.csv",
        "_SUCCESS",
        ".cache/a.csv",
        "_old/2023/a.csv",
        "a.csv.tmp",
        "a.csv.part",
        "a.CRDOWNLOAD",
        "a.csv.filepart",
        "README.md",
        "Licence.txt",
        "desktop.ini",
        "Thumbs.db",
        "~$a.xlsx",
        "a.png",
    ],
)
def test_skips_hidden_and_incomplete_files_with_a_reason(tmp_path: Path, path: str) -> None:
    listing = listed(tmp_path, "a.csv", path)
    assert paths_of(listing.files) == ["a.csv"]
    [skipped] = listing.skipped
    assert skipped.path == path.split("/")[0]
    assert skipped.reason
    assert not listing.refused


@pytest.mark.parametrize(
    ("age_seconds", "is_skipped"),
    [(0, True), (59, True), (61, False), (-30, True), (-3600, False)],
    ids=["now", "young", "old enough", "a clock a little ahead", "a date in the future"],
)
def test_skips_young_files_only_when_settling(tmp_path: Path, age_seconds: float, is_skipped: bool) -> None:
    listed(tmp_path, "a.csv")
    os.utime(tmp_path / "a.csv", (NOW - age_seconds, NOW - age_seconds))
    settling = landing_listing(tmp_path, now=NOW, settle_seconds=60)
    assert (paths_of(settling.skipped) == ["a.csv"]) is is_skipped
    assert (paths_of(settling.files) == []) is is_skipped
    assert paths_of(landing_listing(tmp_path, now=NOW, settle_seconds=None).files) == ["a.csv"]


def test_reads_a_sample_without_other_files(tmp_path: Path) -> None:
    assert paths_of(listed(tmp_path, "sample_amazon.csv", "_README.md").files) == ["sample_amazon.csv"]


def test_skips_samples_when_another_file_is_there(tmp_path: Path) -> None:
    listing = listed(tmp_path, "demo/sample_amazon.csv", "amazon.csv")
    assert paths_of(listing.files) == ["amazon.csv"]
    assert paths_of(listing.skipped) == ["demo/sample_amazon.csv"]
    assert "sample" in listing.skipped[0].reason


def test_skips_samples_while_another_file_settles(tmp_path: Path) -> None:
    listed(tmp_path, "sample_amazon.csv", "amazon.csv")
    os.utime(tmp_path / "amazon.csv", (NOW, NOW))
    listing = landing_listing(tmp_path, now=NOW, settle_seconds=60)
    assert listing.files == ()
    assert [(file.path, file.is_settling) for file in listing.skipped] == [
        ("amazon.csv", True),
        ("sample_amazon.csv", False),
    ]


def test_skips_samples_when_another_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "amazon.csv")
    listing = listed(tmp_path, "sample_amazon.csv")
    assert not listing.files
    assert paths_of(listing.refused) == ["amazon.csv"]


def test_sidecars_are_not_exports(tmp_path: Path) -> None:
    listing = listed(tmp_path, "sample_a.csv", "sample_a.csv.sha256", "gone.csv.rows")
    assert listing == Listing(listing.files, (), (), frozenset({"sample_a.csv.sha256", "gone.csv.rows"}))
    assert paths_of(listing.files) == ["sample_a.csv"]


def test_reads_the_files_in_a_folder_named_like_a_file(tmp_path: Path) -> None:
    listing = listed(tmp_path, "amazon.parquet/part-0.parquet", "amazon.parquet/_SUCCESS", "b.csv")
    assert paths_of(listing.files) == ["amazon.parquet/part-0.parquet", "b.csv"]
    assert paths_of(listing.skipped) == ["amazon.parquet/_SUCCESS"]


def test_refuses_links_outside_the_landing_zone(tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (outside / "secret.csv").write_bytes(b"x")
    landing = tmp_path / "landing"
    landing.mkdir()
    (landing / "file.csv").symlink_to(outside / "secret.csv")
    (landing / "folder").symlink_to(outside)
    (landing / "climbing.csv").symlink_to("../elsewhere/secret.csv")
    (tmp_path / "landing-not").mkdir()
    (landing / "neighbour").symlink_to(tmp_path / "landing-not")
    listing = landing_listing(landing, now=NOW, settle_seconds=None)
    assert not listing.files
    assert paths_of(listing.refused) == ["climbing.csv", "file.csv", "folder", "neighbour"]
    assert all("outside" in file.reason for file in listing.refused)


def test_follows_links_inside_the_landing_zone(tmp_path: Path) -> None:
    listed(tmp_path, "2024/a.csv", "..data/b.csv")
    (tmp_path / "latest.csv").symlink_to("2024/a.csv")
    (tmp_path / "b.csv").symlink_to("..data/b.csv")
    (tmp_path / "this-year").symlink_to("2024")
    (tmp_path / "round").symlink_to(".")
    listing = landing_listing(tmp_path, now=NOW, settle_seconds=None)
    assert paths_of(listing.files) == ["2024/a.csv", "b.csv", "latest.csv"]
    assert paths_of(listing.skipped) == ["..data", "round", "this-year"]
    assert not listing.refused


def test_the_landing_folder_may_be_a_link(tmp_path: Path) -> None:
    listed(tmp_path / "volume", "a.csv")
    (tmp_path / "landing").symlink_to(tmp_path / "volume")
    assert paths_of(landing_listing(tmp_path / "landing", now=NOW, settle_seconds=None).files) == ["a.csv"]


@pytest.mark.parametrize("target", ["nothing.csv", "loop.csv"])
def test_refuses_broken_links(tmp_path: Path, target: str) -> None:
    (tmp_path / "loop.csv").symlink_to(target)
    [refused] = landing_listing(tmp_path, now=NOW, settle_seconds=None).refused
    assert refused.path == "loop.csv"
    assert "link" in refused.reason


def test_refuses_pipes_without_opening_them(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.csv")
    [refused] = landing_listing(tmp_path, now=NOW, settle_seconds=None).refused
    assert "pipe" in refused.reason


@pytest.mark.parametrize("name", [b"caf\xe9.csv", b"two\nlines.csv", b"\x1b[2J.csv"])
def test_refuses_unprintable_names_with_an_escaped_name(tmp_path: Path, name: bytes) -> None:
    (tmp_path / os.fsdecode(name)).touch()
    [refused] = landing_listing(tmp_path, now=NOW, settle_seconds=None).refused
    assert refused.path.isprintable()
    assert "\\" in refused.path
    assert "rename" in refused.reason


def test_refuses_a_file_instead_of_the_landing_folder(tmp_path: Path) -> None:
    (tmp_path / "landing").write_bytes(b"")
    with pytest.raises(RefusedInput, match="landing: cannot be listed"):
        landing_listing(tmp_path / "landing", now=NOW, settle_seconds=None)


def test_refuses_a_folder_without_permission(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    if os.access(closed, os.R_OK):
        pytest.skip("permissions do not bind this user")
    [refused] = landing_listing(tmp_path, now=NOW, settle_seconds=None).refused
    assert refused.path == "closed"
