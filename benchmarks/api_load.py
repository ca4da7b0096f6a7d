"""Load test of POST /score: a fixed rate of requests on a snapshot of a million users.

    python -m benchmarks.api_load --data data --out /tmp/api_load

The snapshot of --data is published again below --out with its users repeated, see app_load. Requests are sent at fixed
times, whether or not earlier ones were answered, and timed from the moment they were due. Prints the percentiles.
"""

import argparse
import asyncio
import json
import time
from pathlib import Path

import httpx
import numpy as np

from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.snapshots import read_latest
from amzseg_pipeline_tests.app.serving import served_app
from benchmarks.app_load.snapshots import scaled_snapshot

_WARM_UP_REQUESTS = 20


async def latencies_ms(address: str, *, rate: int, seconds: int, users: int) -> list[float]:
    """Milliseconds from the time each request was due until its answer. Raises if one is not answered with 200."""
    random = np.random.default_rng(3)
    async with httpx.AsyncClient(base_url=address, timeout=30) as client:

        async def request(due: float) -> float:
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            rows = [
                {
                    "user_id": f"customer-{random.integers(10**7)}",
                    "total_reviews": int(random.geometric(0.5)),
                    "avg_rating": round(float(random.uniform(1, 5)), 1),
                    "avg_discount": round(float(random.uniform(0, 90)), 1),
                    "avg_spend": round(float(np.exp(random.normal(6.5, 1.2))), 2),
                }
                for _ in range(users)
            ]
            answer = await client.post("/api/v1/score", json={"users": rows})
            answer.raise_for_status()
            assert len(answer.json()["users"]) == users
            return (time.perf_counter() - due) * 1000

        for _ in range(_WARM_UP_REQUESTS):
            await request(time.perf_counter())
        started = time.perf_counter() + 0.5
        return await asyncio.gather(*(request(started + i / rate) for i in range(rate * seconds)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a data root with a snapshot")
    parser.add_argument("--out", type=Path, required=True, help="folder for the snapshot and the log")
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=50, help="requests a second")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--users-per-request", type=int, default=1)
    options = parser.parse_args()
    data_root = DataRoot(options.out.absolute() / f"data-{options.users}")
    data_root.root.mkdir(parents=True, exist_ok=True)
    if not data_root.published.exists():
        scaled_snapshot(read_latest(options.data), data_root, users=options.users)
    with served_app(data_root.root, log=options.out / "app.log", environment={"AMZSEG_API": "on"}) as address:
        times = asyncio.run(
            latencies_ms(address, rate=options.rate, seconds=options.seconds, users=options.users_per_request)
        )
    percentiles = {f"p{each:g}_ms": round(float(np.percentile(times, each)), 1) for each in (50, 95, 99, 100)}
    snapshot_users = read_latest(data_root.root, verify=False).rows(SEGMENT_ASSIGNMENTS.name)
    print(json.dumps({"users": snapshot_users, "requests": len(times), **percentiles}, indent=2))


if __name__ == "__main__":
    main()
