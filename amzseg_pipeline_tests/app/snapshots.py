"""Snapshots published while the app is looking."""

from datetime import UTC, datetime

import pyarrow.parquet as pq

from amzseg_pipeline.contracts.publish import PUBLISHED_FILES, PUBLISHED_TABLES, Provenance
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.home import Home
from amzseg_pipeline.storage.snapshots import Snapshot, publish, read_latest


def publish_again(home: Home) -> Snapshot:
    """Publishes what the latest snapshot holds as the next one, as a night would that changes nobody."""
    last = read_latest(home.root)
    return publish(
        home.published,
        Provenance(
            run_id=f"again{last.sequence:03d}",
            created=datetime.now(UTC),
            code_version=last.manifest["code_version"],
            model_version=last.model_version,
            currency=last.currency,
            inputs=tuple(last.inputs),
            user_key_id=last.user_key_id,
        ),
        tables={table: pq.read_table(last.table_path(table.name)).to_batches() for table in PUBLISHED_TABLES},
        files={name: (last.path / name).read_bytes() for name in PUBLISHED_FILES},
        settings=Settings(),
    )
