"""Whose turn it is on a store: the run that began last, on whatever machine."""

from pathlib import Path

import pytest

from amzseg_pipeline.contracts.errors import WriteError
from amzseg_pipeline.storage.data_root import DataRoot, data_root_at
from amzseg_pipeline.storage.fs.atomic_writes import delete
from amzseg_pipeline.storage.fs.write_lease import acquire_lease, require_lease
from amzseg_pipeline_tests.object_store import Store

FIRST, SECOND = "1" * 36, "2" * 36


def test_the_run_that_begins_later_has_the_turn(store: Store) -> None:
    warehouse = data_root_at(store.address).warehouse
    acquire_lease(warehouse, FIRST)
    require_lease(warehouse, FIRST)
    acquire_lease(warehouse, SECOND)
    require_lease(warehouse, SECOND)
    with pytest.raises(WriteError, match=r"turn\.json: this run gives way, for it is the turn of run 22222222 \(.+\)"):
        require_lease(warehouse, FIRST)


def test_a_run_whose_warehouse_was_deleted_gives_way(store: Store) -> None:
    warehouse = data_root_at(store.address).warehouse
    acquire_lease(warehouse, FIRST)
    delete(warehouse)
    with pytest.raises(WriteError, match=r"the turn of run none \(nobody: the warehouse was deleted\)"):
        require_lease(warehouse, FIRST)


def test_a_folder_knows_no_turns(tmp_path: Path) -> None:
    warehouse = DataRoot(tmp_path).warehouse
    acquire_lease(warehouse, FIRST)
    require_lease(warehouse, SECOND)
    assert not warehouse.exists()
