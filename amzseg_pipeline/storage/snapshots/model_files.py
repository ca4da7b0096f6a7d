"""The files of a model in a snapshot: model.json, which scores users, and model.joblib, an export for notebooks.

This package never loads the export.
"""

import importlib.metadata
import io
import json
from contextlib import suppress

from amzseg_pipeline.contracts.errors import SnapshotError
from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.publish import MODEL_EXPORT_FILE, MODEL_FILE
from amzseg_pipeline.steps.segments import exported_pipeline, model_document
from amzseg_pipeline.storage.fs.object_store import content_of
from amzseg_pipeline.storage.snapshots.snapshot import Snapshot

_LIBRARY = "scikit-learn"


def model_files(model: Model, *, previous: Snapshot | None, code_version: str) -> dict[str, bytes]:
    """The content of each file by its name.

    The export of the `previous` snapshot is used if its model and `code_version` are the same and this scikit-learn
    trained the model: importing the library takes longer than scoring a million users.
    """
    document = json.dumps(model_document(model), indent=1, allow_nan=False).encode()
    if (
        previous is not None
        and (previous.model_version, previous.manifest["code_version"]) == (model.version, code_version)
        and model.libraries.get(_LIBRARY) == importlib.metadata.version(_LIBRARY)
    ):
        with suppress(SnapshotError):  # a damaged export is made again
            previous.verify(MODEL_EXPORT_FILE)
            return {MODEL_FILE: document, MODEL_EXPORT_FILE: content_of(previous.path / MODEL_EXPORT_FILE)}
    import joblib

    export = io.BytesIO()
    joblib.dump(exported_pipeline(model), export)
    return {MODEL_FILE: document, MODEL_EXPORT_FILE: export.getvalue()}
