"""The write lease of a store: the run that started last holds it."""

from pathlib import Path

import pytest

from amzseg_pipeline.contracts.errors import WriteError
from amzseg_pipeline.storage.data_root import DataRoot, data_root_at
from amzseg_pipeline.storage.fs.atomic_writes import delete
from amzseg_pipeline.storage.fs.write_lease import acquire_lease, require_lease
from amzseg_pipeline_tests.object_store import Store

FIRST, SECOND = "1" * 36, "2" * 36


def test_the_last_run_to_start_holds_the_lease(store: Store) -> None:
    warehouse = data_root_at(store.address).warehouse
    acquire_lease(warehouse, FIRST)
    require_lease(warehouse, FIRST)
    acquire_lease(warehouse, SECOND)
    require_lease(warehouse, SECOND)
    with pytest.raises(WriteError, match=r"lease\.json: this run stops, because run 22222222 \(.+\) holds the write"):
        require_lease(warehouse, FIRST)


def test_a_run_stops_when_its_warehouse_was_deleted(store: Store) -> None:
    warehouse = data_root_at(store.address).warehouse
    acquire_lease(warehouse, FIRST)
    delete(warehouse)
    with pytest.raises(WriteError, match=r"because run none \(the warehouse was deleted\) holds"):
        require_lease(warehouse, FIRST)


def test_a_local_folder_has_no_lease(tmp_path: Path) -> None:
    warehouse = DataRoot(tmp_path).warehouse
    acquire_lease(warehouse, FIRST)
    require_lease(warehouse, SECOND)
    assert not warehouse.exists()
