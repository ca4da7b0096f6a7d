"""Test data: a snapshot scaled to a number of users, and a file of users to score."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from amzseg_pipeline.contracts.publish import PUBLISHED_FILES, PUBLISHED_TABLES, Provenance
from amzseg_pipeline.contracts.scoring import USERS_TO_SCORE
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS, SEGMENT_PROFILES
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.snapshots import Snapshot, publish

_BATCH_ROWS = 131_072
_JITTERED = {"avg_rating": (1.0, 5.0), "avg_discount": (0.0, 100.0), "avg_spend": (0.0, None)}


def scaled_snapshot(last: Snapshot, data_root: DataRoot, *, users: int) -> Snapshot:
    """The snapshot `last` with its users repeated until there are `users`, published in `data_root`."""
    table = pq.read_table(last.table_path(SEGMENT_ASSIGNMENTS.name))
    profiles = pq.read_table(last.table_path(SEGMENT_PROFILES.name))
    sizes = dict.fromkeys(profiles["segment_id"].to_pylist(), 0)

    def batches() -> Iterator[pa.RecordBatch]:
        random = np.random.default_rng(7)
        for first in range(0, users, _BATCH_ROWS):
            rows = np.arange(first, min(first + _BATCH_ROWS, users))
            part = table.take(pa.array(random.integers(0, len(table), len(rows))))
            part = part.set_column(0, "user_id", pa.array([f"U{row:011d}" for row in rows]))
            for name, (low, high) in _JITTERED.items():
                values = part[name].to_numpy() * random.uniform(0.98, 1.02, len(rows))
                part = part.set_column(
                    part.column_names.index(name), name, pa.array(np.clip(values, low, high), from_pandas=True)
                )
            engagement = pc.multiply(part["total_reviews"].cast(pa.float64()), part["avg_rating"])
            part = part.set_column(part.column_names.index("engagement_score"), "engagement_score", engagement)
            for segment_id, count in zip(*np.unique(part["segment_id"].to_numpy(), return_counts=True), strict=True):
                sizes[str(segment_id)] += int(count)
            yield from part.combine_chunks().to_batches()

    def profile_batches() -> Iterator[pa.RecordBatch]:
        counts = pa.array([sizes[each] for each in profiles["segment_id"].to_pylist()], pa.int64())
        shares = pc.divide(counts.cast(pa.float64()), float(users))
        names = profiles.column_names
        scaled = profiles.set_column(names.index("users"), "users", counts)
        yield from scaled.set_column(names.index("share"), "share", shares).to_batches()

    tables = {
        table: pq.read_table(last.table_path(table.name)).to_batches()
        for table in PUBLISHED_TABLES
        if table not in (SEGMENT_ASSIGNMENTS, SEGMENT_PROFILES)
    }
    return publish(
        data_root.published,
        Provenance(
            run_id=last.run_id,
            created=datetime.now(UTC),
            predecessor=last.sequence,
            code_version=last.manifest["code_version"],
            model_version=last.model_version,
            currency=last.currency,
            inputs=tuple(last.inputs),
        ),
        tables={SEGMENT_ASSIGNMENTS: batches(), SEGMENT_PROFILES: profile_batches(), **tables},
        files={name: (last.path / name).read_bytes() for name in PUBLISHED_FILES},
        settings=Settings(),
    )


def users_csv(path: Path, *, rows: int) -> Path:
    """A CSV to score."""
    random = np.random.default_rng(11)
    columns = {
        "user_id": pa.array([f"customer-{row:07d}" for row in range(rows)]),
        "total_reviews": random.geometric(0.5, rows),
        "avg_rating": random.uniform(1, 5, rows).round(1),
        "avg_discount": random.uniform(0, 90, rows).round(1),
        "avg_spend": np.exp(random.normal(6.5, 1.2, rows)).round(2),
    }
    pa.csv.write_csv(pa.table({name: columns[name] for name in USERS_TO_SCORE.column_names}), path)
    return path
