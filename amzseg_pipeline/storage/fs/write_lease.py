"""Whose turn it is to write to the warehouse of a data root in a store, which a lock of one machine does not guard.

On a folder nothing is done here: there the run lock holds. A turn that was taken is nobody's to give back: a killed
run leaves nothing that another would have to wait for.
"""

import json
import platform
from pathlib import Path

from amzseg_pipeline.contracts.errors import WriteError
from amzseg_pipeline.storage.fs.atomic_writes import atomic_write
from amzseg_pipeline.storage.fs.object_store import content_of, store_of


def acquire_lease(warehouse: Path, run_id: str) -> None:
    """Makes it this run's turn; one that still writes elsewhere is refused from now on."""
    if store_of(warehouse) is not None:
        with atomic_write(_lease_file(warehouse)) as temporary:
            temporary.write_text(json.dumps({"run_id": run_id, "machine": platform.node()}), encoding="utf-8")


def require_lease(warehouse: Path, run_id: str) -> None:
    """Raises WriteError where another run has begun since, or the warehouse was deleted: tables of two would mix."""
    if store_of(warehouse) is None:
        return
    try:
        turn = json.loads(content_of(_lease_file(warehouse)))
    except FileNotFoundError:
        turn = {"run_id": "", "machine": "nobody: the warehouse was deleted"}
    if turn["run_id"] != run_id:
        raise WriteError(
            f"{_lease_file(warehouse)}: this run gives way, for it is the turn of run {turn['run_id'][:8] or 'none'} "
            f"({turn['machine']}). Let one run at a time work on a store (one queue, one daemon), then run again."
        )


def _lease_file(warehouse: Path) -> Path:
    return warehouse / "lease.json"
