"""What the machine offers, also from inside a container, and how a folder's largest size is told."""

import os

import pytest

from amzseg_pipeline.storage.engines.machine import FolderPeak, cores, memory_mib, peak_memory_mib


@pytest.mark.parametrize(
    ("limit", "is_lower"), [("104857600\n", True), ("max\n", False), ("9223372036854771712", False)]
)
def test_a_containers_limit_counts_where_it_is_lower_than_the_machine(tmp_path, limit, is_lower):
    (tmp_path / "memory.max").write_text(limit)
    assert (memory_mib([tmp_path / "memory.max"]) == 100) == is_lower
    assert memory_mib([tmp_path / "missing"]) > 100


def test_there_is_a_core_and_this_process_has_memory():
    assert 1 <= cores() <= (os.cpu_count() or 1)
    assert peak_memory_mib([os.getpid()]) > 10
    assert peak_memory_mib([2**22 + 1]) == 0


def test_the_largest_size_of_a_folder_stays_after_its_files_are_gone(tmp_path):
    peak = FolderPeak(tmp_path)
    assert peak.mib == 0
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "large").write_bytes(b"\0" * 3 * 2**20)
    assert peak.mib == 3
    (tmp_path / "deep" / "large").unlink()
    assert peak.mib == 3
    peak.close()
