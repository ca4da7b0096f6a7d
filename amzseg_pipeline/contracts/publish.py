"""The publish stage: what a snapshot holds and which version of the contract it keeps."""

from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS, SEGMENT_PROFILES

CONTRACT_VERSION = "1.0"
"""Major.minor. A new nullable column is a minor version; anything else is major and goes to a folder of its own."""

POINTER_FORMAT = 1

PUBLISHED_TABLES = (SEGMENT_ASSIGNMENTS, SEGMENT_PROFILES)
"""Each is published as `<table name>.parquet`."""

MANIFEST_FILE = "datapackage.json"
POINTER_FILE = "LATEST.json"
RUN_FILE = "run.json"
MODEL_FILE = "model.json"
MODEL_EXPORT_FILE = "model.joblib"
