"""Runs to publish: small tables that keep the contract and differ from run to run."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from amzseg_pipeline.contracts.history import SEGMENT_HISTORY, SEGMENT_MIGRATIONS
from amzseg_pipeline.contracts.publish import MODEL_EXPORT_FILE, MODEL_FILE, RUN_FILE, Provenance
from amzseg_pipeline.contracts.schema import Table
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS, SEGMENT_PROFILES
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.parquet.arrow_schema import arrow_schema
from amzseg_pipeline.storage.snapshots import Snapshot, publish

FIRST_RUN = datetime(2026, 1, 1, 2, 0, 0, tzinfo=UTC)


def segment_assignments(run_day: int, *, users: int) -> pa.Table:
    """Users in the order of their ids; every third has no rating, and the spend identifies the run."""
    rows = [
        {
            "user_id": f"AÉ{number:08d}",
            "segment_id": f"S000{1 + number % 2}",
            "segment_name": ("Deal Seekers", "Casual Buyers")[number % 2],
            "total_reviews": 1 + number,
            "avg_rating": None if number % 3 == 0 else 4.1,
            "avg_discount": 33.3,
            "avg_spend": run_day + number / 7,
            "engagement_score": None if number % 3 == 0 else 4.1 * (1 + number),
            "distance": number / 3,
            "second_segment_id": None,
            "margin": None if number % 5 == 0 else 0.25,
            "is_outlier": number % 4 == 0,
            "is_low_evidence": number == 0,
            "model_version": "m1",
            "as_of": date(2026, 1, 1),
            "recent_engagement": None,
            "recency_days": 7,
            "tenure_days": 70 + number,
            "active_months": 1,
            "lifecycle_stage": "new",
            "rated_reviews": 0 if number % 3 == 0 else 1 + number,
            "discounted_reviews": 1,
            "priced_reviews": 1,
            "driver_1": "avg_spend",
            "driver_1_contribution": 0.5 - number,
            "segment_since": date(2025, 12, 31),
        }
        for number in range(users)
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(SEGMENT_ASSIGNMENTS))


def segment_profiles(run_day: int) -> pa.Table:
    """Two segments."""
    rows = [
        {
            "segment_id": f"S000{number}",
            "segment_name": name,
            "users": run_day,
            "share": 0.5,
            "total_reviews": 1.5,
            "avg_rating": None,
            "avg_discount": 33.3,
            "avg_spend": 7.0,
            "engagement_score": None,
            "strategy": "coupons",
            "name_fit": 0.9,
            "model_version": "m1",
        }
        for number, name in ((1, "Deal Seekers"), (2, "Casual Buyers"))
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(SEGMENT_PROFILES))


def segment_migrations(run_day: int) -> pa.Table:
    """All users stayed, and `run_day` new users came."""
    stayed, new = ("S0001", "Deal Seekers"), ("-", "-")
    rows = [
        {
            "from_segment_id": segment_id,
            "from_segment_name": name,
            "to_segment_id": "S0001",
            "to_segment_name": "Deal Seekers",
            "cause": cause,
            "users": run_day,
            "share": 1.0,
        }
        for (segment_id, name), cause in ((new, "new user"), (stayed, "stayed"))
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(SEGMENT_MIGRATIONS))


def segment_history(run_day: int) -> pa.Table:
    """One segment, with a row for each run so far."""
    rows = [
        {
            "sequence": number,
            "segment_id": "S0001",
            "as_of": date(2026, 1, 1),
            "segment_name": "Deal Seekers",
            "users": number,
            "share": 1.0,
            "entered": 0,
            "new_users": number,
            "departed": 0,
            "model_version": "m1",
            "psi_avg_spend": 0.25,
        }
        for number in range(1, run_day + 1)
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(SEGMENT_HISTORY))


def small_tables(run_day: int) -> dict[Table, list[pa.RecordBatch]]:
    """All published tables except segment_assignments."""
    tables = {
        SEGMENT_PROFILES: segment_profiles(run_day),
        SEGMENT_MIGRATIONS: segment_migrations(run_day),
        SEGMENT_HISTORY: segment_history(run_day),
    }
    return {table: rows.to_batches() for table, rows in tables.items()}


def run_id_of(run_day: int) -> str:
    """The id of a run."""
    return f"{run_day:08d}-run"


def provenance_of(run_day: int) -> Provenance:
    """The provenance of a run; runs are a day apart."""
    return Provenance(
        run_id=run_id_of(run_day),
        created=FIRST_RUN + timedelta(days=run_day - 1),
        code_version="c1",
        model_version="m1",
        currency="INR",
        inputs=({"path": "amazon.csv", "batch": "0123456789abcdef", "rows": 20},),
    )


def publish_run(
    published: Path, run_day: int, *, users: int = 20, settings: Settings | None = None, batch_rows: int = 7
) -> Snapshot:
    """Publishes the tables of a run."""
    return publish(
        published,
        provenance_of(run_day),
        tables={
            SEGMENT_ASSIGNMENTS: segment_assignments(run_day, users=users).to_batches(max_chunksize=batch_rows),
            **small_tables(run_day),
        },
        files={
            RUN_FILE: json.dumps({"run": run_day}).encode(),
            MODEL_FILE: b'{"format": 1}',
            MODEL_EXPORT_FILE: bytes(range(256)),
        },
        settings=settings or Settings(),
    )


def run_of(snapshot: Snapshot) -> int:
    """The run that every file of the snapshot comes from."""
    run_day = int(snapshot.run()["run"])
    assert snapshot.run_id == run_id_of(run_day)
    assert snapshot.segment_assignments()["avg_spend"].iloc[0] == run_day
    assert snapshot.segment_profiles()["users"].eq(run_day).all()
    assert snapshot.segment_migrations()["users"].eq(run_day).all()
    assert len(snapshot.segment_history()) == run_day
    assert snapshot.rows("segment_assignments") == len(snapshot.segment_assignments())
    return run_day


@contextmanager
def as_unprivileged_user() -> Iterator[None]:
    """Runs as a user without root permissions."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
