"""This pipeline's tables, by the functions that its assets call; with --publish the complete job with all checks.

    python -m benchmarks.peers.pipeline --landing data/landing --out data --temporary /tmp/spill

`--out` is the data root and `--landing` its landing zone.
"""

import os
import sys
import time
from datetime import UTC, datetime

from benchmarks.peers.task import FEATURES_DONE, Task, task_of_command_line


def write_tables(task: Task) -> None:
    """Writes items, cleaned_reviews, rejected_reviews and user_features to the warehouse, reusing what is unchanged."""
    from amzseg_pipeline.steps import users
    from amzseg_pipeline.storage import landing
    from amzseg_pipeline.storage.data_root import DataRoot, settings_of
    from amzseg_pipeline.storage.engines.open_engine import opened_engine
    from amzseg_pipeline.storage.parquet.partitions import delete_other_parts
    from amzseg_pipeline.storage.warehouse import cleaned_reviews as buckets
    from amzseg_pipeline.storage.warehouse.build_context import BuildContext
    from amzseg_pipeline.storage.warehouse.items import item_tables
    from amzseg_pipeline.storage.warehouse.partitioning import partitioned_reviews

    data_root = DataRoot(task.out)
    settings = settings_of(data_root)
    engine = opened_engine(data_root, settings)
    try:
        raw = landing.raw_reviews(data_root, settings, now=time.time(), skip_settling=False)
        build = BuildContext(
            engine, data_root.warehouse, "benchmark", settings, log=lambda line: print(line, flush=True)
        )
        items, _ = item_tables(raw, build)
        partitioned = partitioned_reviews(raw, lambda own: own.scan(items.paths), build)
        as_of = users.as_of_date(partitioned.newest_reviewed_at_ms, run_date=datetime.now(UTC).date())
        cleaned = buckets.deduplicated_reviews(partitioned, build, as_of=as_of)
        for table in (items, cleaned):
            delete_other_parts(table.parts)
    finally:
        engine.close()


def publish(task: Task) -> int:
    """Runs the job; the exit code."""
    from amzseg_pipeline.cli.main import main

    os.environ["AMZSEG_DATA"] = str(task.out)
    return main(["run"])


if __name__ == "__main__":
    task = task_of_command_line()
    variables = {"THREADS": task.threads, "MEMORY_LIMIT_MIB": task.memory_mib, "TEMPORARY_FOLDER": task.temporary}
    os.environ.update({f"AMZSEG_{name}": str(value) for name, value in variables.items()})
    if task.publish:
        sys.exit(publish(task))
    write_tables(task)
    print(FEATURES_DONE, flush=True)
