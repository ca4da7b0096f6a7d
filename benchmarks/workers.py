"""CPU seconds on a data root in a store, in process and with workers: of all tasks, or of complete runs.

    python -m benchmarks.workers --exports /big/scale/10000000_parquet/landing --folder /big/workers [--until published]

The store is moto's S3 server in a process of its own, which keeps objects in memory; its CPU seconds are stated apart.
A Dask cluster has a scheduler and two workers of one thread, with folders of their own. Each engine has one
thread. Every run starts without a warehouse; the tables must be the same. By default, only the tasks from exports to
profiles are measured; training, checks and publishing are the same work with and without workers.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import psutil

from amzseg_pipeline_tests.workers.clusters import dask_cluster

_STORE = """
import sys
from amzseg_pipeline_tests.object_store import Server
server = Server()
print(server.store().endpoint, flush=True)
sys.stdin.read()
"""
_RUN = """
import json, sys
from amzseg_pipeline_tests.workers.builds import hashes_of, tables_of
root, workers, bucket_rows = sys.argv[1:]
tables = tables_of(root, workers=workers, bucket_rows=int(bucket_rows), has_exports=True, memory_limit_mib=3072)
print(json.dumps(hashes_of(tables)))
"""


_RUN_TO_PUBLISHED = """
import json, sys
from amzseg_pipeline import read_latest
from amzseg_pipeline.storage.data_root import data_root_at
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.workers.builds import table_hashes
root, workers, bucket_rows = sys.argv[1:]
settings = {"plots": "off", "threads": 1, "worker_threads": 1, "memory_limit_mib": 3072, "worker_memory_mib": 3072}
settings |= {"workers": workers, "bucket_rows": int(bucket_rows)}
result = scenario.run(data_root_at(root), settings=settings)
assert result.success, scenario.failure(result)
print(json.dumps(table_hashes(read_latest(root))))
"""


def main() -> None:
    """Runs each kind of workers once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exports", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="for what the processes write to this machine")
    parser.add_argument("--workers", nargs="+", default=["1", "dask"])
    parser.add_argument("--until", choices=["profiles", "published"], default="profiles")
    parser.add_argument("--bucket-rows", type=int, default=1_250_000)
    given = parser.parse_args()
    given.folder.mkdir(parents=True)
    keys = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "testing")
    os.environ.update({**keys, "AWS_DEFAULT_REGION": "us-east-1", "AMZSEG_LOCAL": str(given.folder / "local")})
    store = subprocess.Popen([sys.executable, "-c", _STORE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert store.stdout is not None
    os.environ["AWS_ENDPOINT_URL"] = store.stdout.readline().strip()
    try:
        runs = [_measured(given, workers, psutil.Process(store.pid)) for workers in given.workers]
        print(f"runs with other tables than the first: {sum(tables != runs[0] for tables in runs)}")
    finally:
        store.kill()
        store.wait()


def _measured(given: argparse.Namespace, workers: str, store: psutil.Process) -> dict[str, str]:
    from amzseg_pipeline.storage.data_root import data_root_at

    prefix = f"run-{workers.replace(':', '-')}"
    root = f"s3://bucket-0/{prefix}"
    landing = data_root_at(root).landing
    for path in given.exports.iterdir():
        (landing / path.name).write_bytes(path.read_bytes())
    own = given.folder / prefix
    own.mkdir()
    with dask_cluster(own) if workers == "dask" else nullcontext() as cluster:
        while cluster is not None and len(cluster.running_workers()) < 2:
            time.sleep(1)
        others = cluster.running_workers() if cluster else []
        before, start = _cpu_seconds([*others, store]), time.perf_counter()
        code = _RUN if given.until == "profiles" else _RUN_TO_PUBLISHED
        command = [sys.executable, "-c", code, root, cluster.workers if cluster else workers, str(given.bucket_rows)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "AMZSEG_PLOTS": "off"}
        )
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        assert status == 0, output
        wall, after = time.perf_counter() - start, _cpu_seconds([*others, store])
    in_workers, in_store = sum(after[:-1]) - sum(before[:-1]), after[-1] - before[-1]
    in_run = used.ru_utime + used.ru_stime
    cpu = f"{in_run + in_workers:.1f} CPU s (run {in_run:.1f}, cluster {in_workers:.1f}; store {in_store:.1f})"
    print(f"{workers}: {cpu}, {wall:.1f} s of wall time, load {os.getloadavg()[0]:.1f}", flush=True)
    hashes: dict[str, str] = json.loads(output.strip().splitlines()[-1])
    return hashes


def _cpu_seconds(processes: list[psutil.Process]) -> list[float]:
    return [sum(process.cpu_times()[:2]) for process in processes]


if __name__ == "__main__":
    main()
