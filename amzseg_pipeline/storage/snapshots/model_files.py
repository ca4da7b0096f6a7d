"""The files of a model in a snapshot: model.json, which scores users, and model.joblib, an export for notebooks.

This package never loads the export.
"""

import io
import json

from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.publish import MODEL_EXPORT_FILE, MODEL_FILE
from amzseg_pipeline.steps.segments import exported_pipeline, model_document


def model_files(model: Model) -> dict[str, bytes]:
    """The content of each file by its name."""
    import joblib

    export = io.BytesIO()
    joblib.dump(exported_pipeline(model), export)
    document = json.dumps(model_document(model), indent=1, allow_nan=False)
    return {MODEL_FILE: document.encode(), MODEL_EXPORT_FILE: export.getvalue()}
