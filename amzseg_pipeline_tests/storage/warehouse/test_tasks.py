"""Tasks give the same published bytes in this process and in local processes, and survive killed workers."""

import os
import random
import signal
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
from amzseg_pipeline.storage.warehouse.build_context import BuildContext
from amzseg_pipeline.storage.warehouse.tasks import WorkersLost, function_results, task_results
from amzseg_pipeline_tests.object_store import Store
from amzseg_pipeline_tests.workers.builds import published


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, str]]:
    """The hashes of the published tables of a run in one process, by the name of the exports."""

    @lru_cache
    def hashes(exports: str) -> dict[str, str]:
        return published(exports, tmp_path_factory.mktemp(exports), workers="1")

    return hashes


SIZES = ["people", pytest.param("sample", marks=pytest.mark.slow)]


@pytest.mark.parametrize("exports", SIZES)
def test_local_workers_publish_the_same_bytes(
    tmp_path: Path, expected: Callable[[str], dict[str, str]], exports: str
) -> None:
    assert published(exports, tmp_path / "data", workers="local:2") == expected(exports)
    assert not list((tmp_path / "data/warehouse").rglob("*.tmp"))
    assert not (tmp_path / "data/warehouse/.temporary").exists()
    assert not loky_workers(), "the process of a run waits for them"


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
    assert dict(task_results(tasks, build)) == {number: number**2 for number in range(5)}
    with pytest.raises(RefusedInput, match=r"^warehouse/a\.csv: refused$"):
        list(task_results([*tasks, refuse], build))


def limits(number: int, settings: Settings) -> tuple[int, int, int]:
    return number, settings.threads, settings.memory_limit_mib


def test_functions_get_the_settings_of_their_worker(tmp_path: Path, engine: Engine) -> None:
    build = context_of(tmp_path, engine, workers="local:2", threads=4, worker_threads=1, worker_memory_mib=70)
    functions = [partial(limits, number) for number in range(2)]
    assert dict(function_results(functions, build=build)) == {number: (number, 1, 70) for number in range(2)}


@pytest.mark.slow
def test_a_task_that_always_ends_its_worker_fails_with_the_fix(tmp_path: Path, engine: Engine) -> None:
    build = context_of(tmp_path, engine, workers="local:2", threads=1)
    with pytest.raises(WorkersLost, match=r"workers ended 4 times before a task did .*lower bucket_rows"):
        list(task_results([end, end], build))


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
        list(task_results([partial(square, 1)], build))
