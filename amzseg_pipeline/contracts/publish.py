"""What a snapshot contains, its provenance, and the version of the contract."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from amzseg_pipeline.contracts.history import SEGMENT_HISTORY, SEGMENT_MIGRATIONS
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS, SEGMENT_PROFILES

CONTRACT_VERSION = "1.0"
"""Major.minor. A new nullable column, table or file is a minor version; anything else is a major version."""

POINTER_FORMAT = 1
MANIFEST_FORMAT = 1

PUBLISHED_TABLES = (SEGMENT_ASSIGNMENTS, SEGMENT_PROFILES, SEGMENT_MIGRATIONS, SEGMENT_HISTORY)
"""Each is published as `<table name>.parquet`, its rows sorted by its key."""

POINTER_FILE = "LATEST.json"
MANIFEST_FILE = "datapackage.json"
RUN_FILE = "run.json"
MODEL_FILE = "model.json"
MODEL_EXPORT_FILE = "model.joblib"

PUBLISHED_FILES = {
    RUN_FILE: "The decisions of the run: checks, the choice of k, drift, the promotion report and any pending model.",
    MODEL_FILE: "The model that scored the users, and the only file that scoring uses.",
    MODEL_EXPORT_FILE: "The same model as a scikit-learn Pipeline, for notebooks; this package never loads it.",
}
"""The files alongside the tables."""


@dataclass(frozen=True)
class Provenance:
    """The origin of a snapshot: the run, the versions, and the batches of the landing zone.

    `created` has a time zone; `currency` is None when no item has a price; `inputs` are JSON objects, one per batch;
    `predecessor` is the sequence of the snapshot that the run continued from, None if there was none to compare with;
    `user_key_id` is the id of the key that pseudonymised user ids, None if they are those of the source.
    """

    run_id: str
    created: datetime
    code_version: str
    model_version: str
    currency: str | None
    inputs: tuple[Mapping[str, Any], ...]
    user_key_id: str | None = None
    predecessor: int | None = None
