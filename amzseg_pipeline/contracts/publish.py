"""The publish stage: what a snapshot holds, what it says of itself, and which version of the contract it keeps."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from amzseg_pipeline.contracts.history import SEGMENT_HISTORY, SEGMENT_MIGRATIONS
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS, SEGMENT_PROFILES

CONTRACT_VERSION = "1.0"
"""Major.minor. A new nullable column is a minor version; anything else is major and goes to a folder of its own."""

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
    RUN_FILE: "What the run decided: its checks, how k was chosen, drift, the gate's ledger and any model that waits.",
    MODEL_FILE: "The model that scored the users; this is what scores, everywhere.",
    MODEL_EXPORT_FILE: "The same model as a scikit-learn Pipeline: an export for notebooks, never loaded by us.",
}
"""The files beside the tables."""


@dataclass(frozen=True)
class Provenance:
    """Where a snapshot comes from: the run, the versions behind it, and the batches of the landing zone it holds.

    `created` has a time zone; `currency` is None when nothing was priced; `inputs` are JSON objects, one per batch;
    `user_key_id` names the key that users' ids are pseudonyms of, None where they are as the source gives them.
    """

    run_id: str
    created: datetime
    code_version: str
    model_version: str
    currency: str | None
    inputs: tuple[Mapping[str, Any], ...]
    user_key_id: str | None = None
