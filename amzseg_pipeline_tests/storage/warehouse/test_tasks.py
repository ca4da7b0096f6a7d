"""Tasks give the same published bytes in this process, in local processes and on Dask, and survive killed workers.

Over 250 lines: each backend needs its own cluster and its own way to lose a worker.
"""

import csv
import importlib.util
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from joblib.externals.loky import get_reusable_executor

from amzseg_pipeline.contracts.errors import RefusedInput, SettingsError
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.data_root import data_root_at
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.snapshots import Snapshot, read_latest
from amzseg_pipeline.storage.warehouse.build_context import BuildContext
from amzseg_pipeline.storage.warehouse.tasks import WorkersLost, results
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.defs.runs import people
from amzseg_pipeline_tests.object_store import Store
from amzseg_pipeline_tests.storage.landing.synthetic_exports import csv_of

SAMPLE_RUN = {"n_init": 1, "k": 3, "bucket_rows": 200, "plots": "off"}
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra ray is missing")
needs_dask = pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="the extra dask is missing")


def table_hashes(snapshot: Snapshot) -> dict[str, str]:
    files = {resource["path"]: resource["hash"] for resource in snapshot.manifest["resources"]}
    return {name: sha256 for name, sha256 in files.items() if name.endswith(".parquet")}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, str]]:
    """The hashes of the published tables of a run in one process, by the name of the exports."""

    @lru_cache
    def hashes(exports: str) -> dict[str, str]:
        return published(exports, tmp_path_factory.mktemp(exports), workers="1")

    return hashes


def published(exports: str, root: Path | str, *, workers: str) -> dict[str, str]:
    """The hashes of the published tables of a run on two exports, of people or of the sample."""
    if exports == "sample":
        with scenario.SAMPLE.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        first, second = (csv_of(half) for half in (rows[::2], rows[1::2]))
    else:
        first, second = people(60), people(80, first=40, day=2)
    data_root = scenario.data_root_with(data_root_at(root).root, first=first, second=second)
    settings = SAMPLE_RUN if exports == "sample" else {**scenario.QUICK, "bucket_rows": 50}
    result = scenario.run(data_root, settings={**settings, "workers": workers})
    assert result.success, scenario.failure(result)
    return table_hashes(read_latest(data_root.root))


SIZES = ["people", pytest.param("sample", marks=pytest.mark.slow)]


@pytest.mark.parametrize("exports", SIZES)
def test_local_workers_publish_the_same_bytes(
    tmp_path: Path, expected: Callable[[str], dict[str, str]], exports: str
) -> None:
    assert published(exports, tmp_path / "data", workers="local:2") == expected(exports)
    assert not list((tmp_path / "data/warehouse").rglob("*.tmp"))
    assert not (tmp_path / "data/warehouse/.temporary").exists()


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 20))])
def test_a_run_survives_a_killed_local_worker(
    tmp_path: Path, expected: Callable[[str], dict[str, str]], seed: int
) -> None:
    get_reusable_executor().shutdown(kill_workers=True)  # idle workers of earlier tests
    with killed_after(random.Random(seed).uniform(0.0, 1.5), loky_workers) as killed:
        assert published("people", tmp_path / "data", workers="local:2") == expected("people")
    assert killed


@contextmanager
def killed_after(seconds: float, processes: Callable[[], list[psutil.Process]]) -> Iterator[list[int]]:
    """Kills one of these processes so long after some exist; the list gets its id."""
    killed: list[int] = []
    ended = threading.Event()

    def kill() -> None:
        while not ended.is_set():
            if found := processes():
                time.sleep(seconds)
                found[0].send_signal(signal.SIGKILL)
                killed.append(found[0].pid)
                return
            time.sleep(0.01)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        ended.set()
        thread.join()


def loky_workers() -> list[psutil.Process]:
    children = psutil.Process().children()
    return [child for child in children if "LokyProcess" in " ".join(child.cmdline())]


def context_of(folder: Path, engine: Engine, **settings: Any) -> BuildContext:
    return BuildContext(engine, folder / "warehouse", "1", Settings(**settings), log=[].append)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(Settings(threads=1, memory_limit_mib=100), temporary=tmp_path / "temporary")
    yield engine
    engine.close()


def square(number: int, build: BuildContext) -> int:
    assert build.settings.threads == 1
    return number**2


def refuse(build: BuildContext) -> int:
    raise RefusedInput(f"{build.warehouse.name}/a.csv: refused")


def end(_: BuildContext) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


@pytest.mark.parametrize("workers", ["1", "local:2"])
def test_gives_results_and_errors_of_tasks(tmp_path: Path, engine: Engine, workers: str) -> None:
    build = context_of(tmp_path, engine, workers=workers, threads=1)
    tasks = [partial(square, number) for number in range(5)]
    assert dict(results(tasks, build)) == {number: number**2 for number in range(5)}
    with pytest.raises(RefusedInput, match=r"^warehouse/a\.csv: refused$"):
        list(results([*tasks, refuse], build))


@pytest.mark.slow
def test_a_task_that_always_ends_its_worker_fails_with_the_fix(tmp_path: Path, engine: Engine) -> None:
    build = context_of(tmp_path, engine, workers="local:2", threads=1)
    with pytest.raises(WorkersLost, match=r"workers ended 4 times before a task did .*lower bucket_rows"):
        list(results([end, end], build))


@pytest.mark.parametrize(
    ("workers", "hidden", "message"),
    [
        ("dask:tcp://127.0.0.1:1", "", "needs a data root in an object store"),
        ("ray:ray://127.0.0.1:1", "", "needs a data root in an object store"),
        ("dask:tcp://127.0.0.1:1", "distributed", r'needs dask: pip install "amzseg-pipeline\[dask\]"'),
        ("ray:ray://127.0.0.1:1", "ray", r'needs ray: pip install "amzseg-pipeline\[ray\]"'),
    ],
)
def test_unusable_workers_are_refused_with_the_fix(
    store: Store,
    tmp_path: Path,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    workers: str,
    hidden: str,
    message: str,
) -> None:
    build = context_of(data_root_at(store.address).root if hidden else tmp_path, engine, workers=workers)
    if hidden:
        monkeypatch.setitem(sys.modules, hidden, None)
    with pytest.raises(SettingsError, match=message):
        list(results([partial(square, 1)], build))


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@contextmanager
def dask_cluster(folder: Path) -> Iterator[tuple[str, list[psutil.Process]]]:
    """A scheduler and two workers with directories of their own; the address of the scheduler, and the workers."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard", "--host", "127.0.0.1"]
    started = [subprocess.Popen([*command, "--port", port], stderr=subprocess.DEVNULL, cwd=folder)]
    command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--no-nanny", "--no-dashboard"]
    try:
        for name in ("first", "second"):
            own = folder / name
            own.mkdir()
            environment = {**os.environ, "AMZSEG_LOCAL": str(own / "local"), "TMPDIR": str(own)}
            options = ["--nthreads", "1", "--local-directory", str(own)]
            started.append(subprocess.Popen([*command, *options], env=environment, cwd=own, stderr=subprocess.DEVNULL))
        yield address, [psutil.Process(each.pid) for each in started[1:]]
    finally:
        for each in reversed(started):
            each.kill()
            each.wait()


@needs_dask
@pytest.mark.slow
@pytest.mark.parametrize("exports", ["people", "sample"])
def test_dask_workers_publish_the_same_bytes_on_a_store(
    store: Store, tmp_path: Path, expected: Callable[[str], dict[str, str]], exports: str
) -> None:
    with dask_cluster(tmp_path) as (address, _):
        assert published(exports, store.address, workers=f"dask:{address}") == expected(exports)
    assert not list((tmp_path / "first").rglob("*.parquet"))


@needs_dask
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_a_run_survives_a_killed_dask_worker(
    store: Store, tmp_path: Path, expected: Callable[[str], dict[str, str]], seed: int
) -> None:
    with dask_cluster(tmp_path) as (address, workers):
        timer = threading.Timer(random.Random(seed).uniform(1, 8), workers[seed % 2].kill)
        timer.start()
        assert published("people", store.address, workers=f"dask:{address}") == expected("people")
        timer.join()


@needs_ray
@pytest.mark.slow
def test_ray_workers_publish_the_same_bytes_on_a_store(
    store: Store, tmp_path: Path, expected: Callable[[str], dict[str, str]]
) -> None:
    own = {**os.environ, "AMZSEG_LOCAL": str(tmp_path / "worker"), "RAY_USAGE_STATS_ENABLED": "0"}
    ports = [free_port() for _ in range(2)]
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--num-cpus", "2", "--block"]
    options = ["--port", ports[0], "--ray-client-server-port", ports[1], "--include-dashboard", "false"]
    options += ["--node-ip-address", "127.0.0.1", "--temp-dir", f"/tmp/ray-{ports[0]}"]
    head = subprocess.Popen([*command, *options], env=own, cwd=tmp_path, start_new_session=True)
    try:
        assert published("people", store.address, workers=f"ray:ray://127.0.0.1:{ports[1]}") == expected("people")
    finally:
        os.killpg(head.pid, signal.SIGKILL)
        head.wait()
