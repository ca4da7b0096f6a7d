"""Fixtures for tests of more than one directory."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from sqlalchemy import event
from sqlalchemy.engine import Engine

from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.snapshots import Snapshot, read_latest

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection

    from amzseg_pipeline_tests.object_store import Server, Store

# Plots take ten times as long as the rest of a run; tests that need them turn them on.
os.environ.setdefault("AMZSEG_PLOTS", "off")

# The time of an example depends on the load of the machine. More examples: pytest --hypothesis-profile=thorough.
settings.register_profile("quick", deadline=None, max_examples=10)
settings.register_profile("thorough", deadline=None, max_examples=500)
settings.load_profile("quick")


def _without_flushing(_: int) -> None:
    """In place of os.fsync: no test cuts the power, and the disk would take longer than the code."""


os.fsync = _without_flushing

# A shell that starts the tests in the background ignores SIGINT; Dagster would handle SIGTERM in the same way.
signal.signal(signal.SIGINT, signal.default_int_handler)


@event.listens_for(Engine, "connect")
def _write_sqlite_without_flushing(connection: "DBAPIConnection", _: Any) -> None:
    if type(connection).__module__.startswith("sqlite3"):
        connection.cursor().execute("PRAGMA synchronous = OFF")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """No bytes in the ids of cases: compressed ones contain the time, and all workers need the same ids."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture
def real_data() -> Path:
    """The folder of real exports; skips the test if there is none."""
    folder = Path(os.environ.get("AMZSEG_REAL_DATA") or "missing")
    if not (folder / "amazon.csv").exists():
        pytest.skip("AMZSEG_REAL_DATA does not name a folder with the real exports")
    return folder


@pytest.fixture(scope="session")
def _sample_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from amzseg_pipeline_tests import scenario

    def make(root: Path) -> None:
        data_root = scenario.data_root_with(root, sample=scenario.SAMPLE.read_bytes())
        scenario.published(data_root, settings={**scenario.QUICK, "k": 3, "k_max": 6})

    return scenario.made_once(tmp_path_factory, "sample_run", make)


@pytest.fixture
def published_data_root(_sample_run: Path, tmp_path: Path) -> DataRoot:
    """A data root with the bundled sample published: a copy for the test, the run happens once."""
    shutil.copytree(_sample_run, tmp_path / "data")
    return DataRoot(tmp_path / "data")


@pytest.fixture
def snapshot(published_data_root: DataRoot) -> Snapshot:
    """The snapshot of `published_data_root`."""
    return read_latest(published_data_root.root)


@pytest.fixture(scope="session")
def _s3_server() -> Iterator["Server"]:
    from amzseg_pipeline_tests.object_store import Server

    with pytest.MonkeyPatch.context() as patch:
        _set_keys(patch)
        server = Server()
    yield server
    server.stop()


@pytest.fixture
def store(_s3_server: "Server", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Store":
    """A bucket of an S3 server on this machine; AMZSEG_LOCAL is `tmp_path`/local."""
    _set_keys(monkeypatch)
    store = _s3_server.store()
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.endpoint)
    monkeypatch.setenv("AMZSEG_LOCAL", str(tmp_path / "local"))
    return store


def _set_keys(patch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        patch.setenv(name, "testing")
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
