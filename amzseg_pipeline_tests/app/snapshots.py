"""Changes to the published snapshot: another one published, another contract, an earlier date."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq

from amzseg_pipeline.contracts.publish import PUBLISHED_FILES, PUBLISHED_TABLES, Provenance
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.pseudonyms import UserKey
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.fs.atomic_writes import sha256_of
from amzseg_pipeline.storage.snapshots import Snapshot, publish, read_latest


def publish_again(
    data_root: DataRoot, *, key: UserKey | None = None, new_ids: Mapping[str, str] | None = None
) -> Snapshot:
    """Publishes the tables of the latest snapshot again; with `key` or `new_ids` the users have other ids."""
    last = read_latest(data_root.root)
    tables = {table: pq.read_table(last.table_path(table.name)) for table in PUBLISHED_TABLES}
    users = tables[SEGMENT_ASSIGNMENTS]
    ids = [(new_ids or {}).get(user_id, user_id) for user_id in users["user_id"].to_pylist()]
    ids = [key.pseudonym(user_id) for user_id in ids] if key else ids
    tables[SEGMENT_ASSIGNMENTS] = users.set_column(0, "user_id", pa.array(ids)).sort_by("user_id")
    return publish(
        data_root.published,
        Provenance(
            run_id=f"again{last.sequence:03d}",
            created=datetime.now(UTC),
            code_version=last.manifest["code_version"],
            model_version=last.model_version,
            currency=last.currency,
            inputs=tuple(last.inputs),
            user_key_id=None if key is None else key.id,
            predecessor=last.sequence,
        ),
        tables={table: rows.to_batches() for table, rows in tables.items()},
        files={name: (last.path / name).read_bytes() for name in PUBLISHED_FILES},
        settings=Settings(),
    )


def rewrite_manifest(data_root: DataRoot, **changes: object) -> None:
    """Changes fields of the manifest and updates the pointer, as another version would have written them."""
    pointer_path = data_root.published / "LATEST.json"
    pointer = json.loads(pointer_path.read_bytes())
    path = data_root.published / pointer["manifest"]
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **changes}))
    pointer_path.write_text(json.dumps({**pointer, "sha256": sha256_of(path)}))


def date_back(data_root: DataRoot, span: timedelta) -> None:
    """Moves the creation of the snapshot into the past, in its name and manifest."""
    pointer_path = data_root.published / "LATEST.json"
    pointer = json.loads(pointer_path.read_bytes())
    old = data_root.published / pointer["manifest"]
    created = (datetime.now(UTC) - span).replace(microsecond=0)
    number, _, run = old.parent.name.split("-", 2)
    folder = old.parent.rename(old.parent.with_name(f"{number}-{created:%Y%m%dT%H%M%SZ}-{run}"))
    pointer_path.write_text(json.dumps({**pointer, "manifest": f"snapshots/{folder.name}/{old.name}"}))
    rewrite_manifest(data_root, created=created.isoformat().replace("+00:00", "Z"))
