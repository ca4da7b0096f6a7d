"""The export of an unchanged model is that of the previous snapshot."""

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from amzseg_pipeline.contracts.publish import MODEL_EXPORT_FILE, MODEL_FILE
from amzseg_pipeline.storage.snapshots.model_files import model_files
from amzseg_pipeline_tests.steps.segments.users import untrained_model
from amzseg_pipeline_tests.storage.snapshots.runs import publish_run


def test_the_export_is_made_again_where_anything_changed(tmp_path: Path) -> None:
    snapshot = publish_run(tmp_path, 1)
    model = replace(untrained_model(), version="m1", libraries={"scikit-learn": version("scikit-learn")})
    new = model_files(model, previous=None, code_version="c1")
    kept = (snapshot.path / MODEL_EXPORT_FILE).read_bytes()
    assert model_files(model, previous=snapshot, code_version="c1") == {**new, MODEL_EXPORT_FILE: kept}
    for other, code_version in (
        (model, "c2"),
        (replace(model, version="m2"), "c1"),
        (replace(model, libraries={"scikit-learn": "1.0"}), "c1"),
    ):
        files = model_files(other, previous=snapshot, code_version=code_version)
        assert files[MODEL_EXPORT_FILE] == new[MODEL_EXPORT_FILE]
        assert set(files) == {MODEL_FILE, MODEL_EXPORT_FILE}


def test_a_damaged_export_is_made_again(tmp_path: Path) -> None:
    snapshot = publish_run(tmp_path, 1)
    model = replace(untrained_model(), version="m1", libraries={"scikit-learn": version("scikit-learn")})
    path = snapshot.path / MODEL_EXPORT_FILE
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    assert model_files(model, previous=snapshot, code_version="c1") == model_files(
        model, previous=None, code_version="c1"
    )
