"""Cores, memory limits of containers, and the peak size of a folder."""

import os

import pytest

from amzseg_pipeline.storage.engines.machine import FolderPeak, cores, memory_mib, peak_memory_mib


@pytest.mark.parametrize(
    ("limit", "is_lower"), [("104857600\n", True), ("max\n", False), ("9223372036854771712", False)]
)
def test_memory_is_the_containers_limit_if_lower(tmp_path, limit, is_lower):
    (tmp_path / "memory.max").write_text(limit)
    assert (memory_mib([tmp_path / "memory.max"]) == 100) == is_lower
    assert memory_mib([tmp_path / "missing"]) > 100


def test_this_process_has_cores_and_memory():
    assert 1 <= cores() <= (os.cpu_count() or 1)
    assert peak_memory_mib([os.getpid()]) > 10
    assert peak_memory_mib([2**22 + 1]) == 0


def test_folder_peak_remains_after_files_are_deleted(tmp_path):
    peak = FolderPeak(tmp_path)
    assert peak.mib == 0
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "large").write_bytes(b"\0" * 3 * 2**20)
    assert peak.mib == 3
    (tmp_path / "deep" / "large").unlink()
    assert peak.mib == 3
    peak.close()
