"""A disk that fills up, or takes no file beyond a size: the run fails in words, readers keep their snapshot."""

import random
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from amzseg_pipeline import read_latest
from amzseg_pipeline.storage.home import Home
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.storage.landing.exports import sales_csv

LISTINGS = 400
WORDS = ("No space left on device", "File too large")


def export(night: int) -> bytes:
    """Users that differ, so that every table has bytes of its own."""
    return sales_csv(
        {"discounted_price": f"₹{100 + number * 7 % 5000}", "actual_price": "₹9,999", "rating": f"{1 + number % 5}"}
        for number in range(LISTINGS + night)
    )


@contextmanager
def largest_file(size_bytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_limit_on_the_size_of_files_fails_the_run_in_words(tmp_path: Path) -> None:
    home = scenario.home_with(tmp_path, export=export(0))
    assert scenario.run(home).success
    sizes = [path.stat().st_size for path in (*home.warehouse.rglob("*"), *home.published.rglob("*")) if path.is_file()]
    rng = random.Random(11)
    scenario.home_with(tmp_path, export=export(1))
    for limit in sorted(rng.sample(sorted(sizes), 3)):
        with largest_file(limit - 1):
            result = scenario.run(home)
        assert_failed_in_words(result)
        assert read_latest(home.root).sequence == 1
    assert scenario.run(home).success
    assert read_latest(home.root).sequence == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MiB; the test is skipped, saying so, where none can be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_fails_the_run_in_words_and_the_next_one_needs_no_hand(small_disk: Path) -> None:
    home = scenario.home_with(small_disk / "home", export=export(0))
    assert scenario.run(home).success
    scenario.home_with(home.root, export=export(1))
    failed = 0
    for free_bytes in seeded_free_bytes(home):
        fill(small_disk, free_bytes=free_bytes)
        result = scenario.run(home)
        if not result.success:
            assert_failed_in_words(result)
            failed += 1
            assert read_latest(home.root).sequence == 1
    assert failed >= 2
    (small_disk / "filling").unlink()
    assert scenario.run(home, force=True).success
    assert read_latest(home.root).sequence >= 2


def seeded_free_bytes(home: Home) -> list[int]:
    """From nothing to what the tables of a run take."""
    written = sum(path.stat().st_size for path in home.warehouse.rglob("*") if path.is_file())
    return [0, *sorted(random.Random(12).randrange(written) for _ in range(2))]


def fill(disk: Path, *, free_bytes: int) -> None:
    """Fills the disk but for about so many bytes."""
    filling = disk / "filling"
    filling.unlink(missing_ok=True)
    with filling.open("wb", buffering=0) as stream:
        try:
            while stream.write(bytes(4096)):
                pass
        except OSError:
            stream.truncate(max(0, stream.tell() - free_bytes))


def assert_failed_in_words(result: object) -> None:
    words = scenario.failure(result)  # type: ignore[arg-type]
    assert any(word in words for word in WORDS), words
    assert "see to the space" in words, words
