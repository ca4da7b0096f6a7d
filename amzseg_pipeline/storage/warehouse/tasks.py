"""Runs the tasks of a table: in this process, in processes of this machine, or on a Dask or Ray cluster.

A task is a function of a BuildContext that writes complete parts, named by their inputs. So a task may run twice: tasks
of lost workers are handed out again, and complete parts are not rewritten. The same code runs on every backend: joblib
hands a task to a worker, which opens an engine of its own and reads and writes the data root.

Over 250 lines: all backends and what is retried.
"""

import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import amzseg_pipeline
from amzseg_pipeline.contracts.errors import PipelineError, SettingsError
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.engines.machine import cores, memory_limit_mib
from amzseg_pipeline.storage.fs.object_store import store_of
from amzseg_pipeline.storage.warehouse.build_context import BuildContext

Result = TypeVar("Result")
Task = Callable[[BuildContext], Result]

_MAX_LOSSES = 3
"""A run survives this many losses of workers without a finished task between them; the next loss fails it."""

_SECONDS_BETWEEN_CHECKS = 0.2


class WorkersLost(PipelineError):
    """Workers ended before their tasks did, again and again."""


def is_in_process(settings: Settings) -> bool:
    """Whether tasks run in this process, one after the other."""
    return settings.workers == "1"


def task_results(tasks: Sequence[Task[Result]], build: BuildContext) -> Iterator[tuple[int, Result]]:
    """The results of the tasks, each with the position of its task: as they end.

    A single task runs in this process, not in a local worker, which has only a part of the machine's memory and cores.

    Raises:
        SettingsError: The workers cannot be reached or used.
        WorkersLost: Workers were lost several times in a row; the message says what to do.
    """
    if is_in_process(build.settings) or (build.settings.local_workers and len(tasks) <= 1):
        for position, task in enumerate(tasks):
            yield position, task(build)
        return
    pending = dict(enumerate(tasks))
    if not pending:
        return
    import joblib

    losses = 0
    with _backend(build) as (run, worker):
        while pending:
            jobs = [joblib.delayed(_result)(position, task, worker) for position, task in pending.items()]
            try:
                for position, result in run(jobs):
                    del pending[position]
                    losses = 0
                    yield position, result
            except _lost_worker_errors() as error:
                losses += 1
                if losses > _MAX_LOSSES:
                    raise WorkersLost(
                        f"workers = {build.settings.workers!r}: workers ended {losses} times before a task did "
                        f"({str(error).splitlines()[0]}). Each probably needed more memory than its machine has: "
                        "lower bucket_rows or worker_memory_mib, or start fewer workers on a machine; then run again."
                    ) from error
                build.log(f"a worker was lost; {len(pending):,} tasks are handed out again")


def function_results(
    functions: Sequence[Callable[[Settings], Result]], *, build: BuildContext
) -> Iterator[tuple[int, Result]]:
    """Like `task_results`, for functions of the settings of the worker that calls them."""
    return task_results([partial(_call, function) for function in functions], build)


def end_local_workers() -> None:
    """Ends the processes that wait for more tasks; a run whose process has them would last five minutes longer."""
    if "joblib.externals.loky" in sys.modules:
        sys.modules["joblib.externals.loky"].get_reusable_executor().shutdown()


def _call(function: Callable[[Settings], Result], build: BuildContext) -> Result:
    return function(build.settings)


@dataclass(frozen=True)
class _Worker:
    """What a worker needs to make the BuildContext of a task. Local workers end when the process `parent` ends."""

    warehouse: Path
    code_version: str
    settings: Settings
    code_hash: str
    temporary: str | None = None
    parent: int | None = None


def _result(position: int, task: Task[Result], worker: _Worker) -> tuple[int, Result]:
    """Runs a task in the process of a worker."""
    if worker.parent is not None:
        _end_with(worker.parent)
    if worker.code_hash != code_hash():
        raise SettingsError(
            f"workers: process {os.getpid()} runs another version of amzseg_pipeline than this run; install the same "
            "version on all workers and start them again."
        )
    with TemporaryDirectory(prefix="worker-", dir=worker.temporary, ignore_cleanup_errors=True) as folder:
        engine = Engine(worker.settings, temporary=Path(folder) / "engine", store=store_of(worker.warehouse))
        try:
            log: list[str] = []
            build = BuildContext(engine, worker.warehouse, worker.code_version, worker.settings, log=log.append)
            return position, task(build)
        finally:
            engine.close()


@contextmanager
def _backend(build: BuildContext) -> Iterator[tuple[Callable[[Any], Iterator[Any]], _Worker]]:
    """A function that runs joblib's jobs on the backend that the setting names, and what its workers need."""
    import joblib

    settings = build.settings
    backend, _, address = settings.workers.partition(":")
    worker = _Worker(build.warehouse, build.code_version, settings, code_hash())
    if backend == "local":
        count = settings.local_workers
        memory = max(1, memory_limit_mib(settings.memory_limit_mib) // count)
        limits = {
            "threads": settings.worker_threads or max(1, (settings.threads or cores()) // count),
            "memory_limit_mib": settings.worker_memory_mib or memory,
        }
        temporary = str(build.engine.temporary)
        worker = replace(worker, settings=_changed_settings(settings, limits), temporary=temporary, parent=os.getpid())
        parallel = joblib.Parallel(n_jobs=count, backend="loky", batch_size=1, return_as="generator_unordered")
        yield parallel, worker
        return
    if store_of(build.warehouse) is None:
        raise SettingsError(
            f"settings: workers = {settings.workers!r} needs a data root in an object store, because workers on other "
            "machines see no folder of this one; set AMZSEG_DATA=s3://bucket/prefix, or use local:N."
        )
    limits = {"threads": settings.worker_threads, "memory_limit_mib": settings.worker_memory_mib}
    worker = replace(worker, settings=_changed_settings(settings, limits))
    if backend == "dask":
        with _dask_client(address, settings.workers) as client, joblib.parallel_config(backend="dask", client=client):
            yield joblib.Parallel(n_jobs=-1, batch_size=1, return_as="generator_unordered"), worker
    else:
        _connect_to_ray(address, settings.workers)
        yield _ray_results, worker


@contextmanager
def _dask_client(address: str, workers: str) -> Iterator[Any]:
    try:
        from distributed import Client
    except ImportError as error:
        raise _missing("dask", workers) from error
    try:
        client = Client(address, set_as_default=False)
    except OSError as error:
        raise _unreachable(workers, error) from error
    with client:
        yield client


@lru_cache(maxsize=1)
def _connect_to_ray(address: str, workers: str) -> None:
    """Connects this process until it ends: each new connection costs the cluster seconds for a process of its own."""
    try:
        import ray
    except ImportError as error:
        raise _missing("ray", workers) from error
    ray.shutdown()
    try:
        ray.init(address, log_to_driver=False)
    except (ConnectionError, ValueError) as error:
        raise _unreachable(workers, error) from error


def _ray_results(jobs: Iterable[Any]) -> Iterator[Any]:
    """The results of joblib's jobs as they end. joblib's own backend for Ray gives none before all have ended."""
    import ray

    remote = ray.remote(max_retries=_MAX_LOSSES)(_result)
    running = [remote.remote(*arguments) for _, arguments, _ in jobs]
    while running:
        (ended, *_), running = ray.wait(running)
        try:
            yield ray.get(ended)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error


def _missing(extra: str, workers: str) -> SettingsError:
    return SettingsError(f'settings: workers = {workers!r} needs {extra}: pip install "amzseg-pipeline[{extra}]".')


def _unreachable(workers: str, error: Exception) -> SettingsError:
    return SettingsError(
        f"settings: workers = {workers!r} cannot be reached ({error}); start the cluster, or correct the address."
    )


def _lost_worker_errors() -> tuple[type[Exception], ...]:
    """The errors of the backends in use for a worker that ended."""
    from joblib.externals.loky.process_executor import BrokenProcessPool

    errors: list[type[Exception]] = [BrokenProcessPool]
    if "distributed" in sys.modules:
        errors += [sys.modules["distributed.client"].FutureCancelledError, sys.modules["distributed"].KilledWorker]
    if "ray" in sys.modules:
        errors.append(sys.modules["ray"].exceptions.RayError)
    return tuple(errors)


def _changed_settings(settings: Settings, changes: dict[str, Any]) -> Settings:
    return settings.model_copy(update=changes)


@lru_cache
def code_hash() -> str:
    """The sha256 of this package's source in this process."""
    digest = hashlib.sha256()
    folder = Path(amzseg_pipeline.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


@lru_cache
def _end_with(parent: int) -> None:
    """Ends this process soon after its parent: the worker of a killed run must not write while the next one does."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_SECONDS_BETWEEN_CHECKS)
        os._exit(1)

    threading.Thread(target=watch, name="end with parent", daemon=True).start()
