import html

import pytest

from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.snapshots import Snapshot, read_latest
from amzseg_pipeline_tests.app.pages import errors, opened, prose


def text_of_page() -> str:
    """All that the page says, tables of ours included."""
    session = opened("about")
    assert errors(session) == []
    return html.unescape(prose(session))


def test_every_row_is_accounted_for(shown_data_root: DataRoot) -> None:
    row_reconciliation = read_latest(shown_data_root.root).run()["row_reconciliation"]
    text = " ".join(text_of_page().split())
    assert f"Rows delivered {row_reconciliation['raw']:,}" in text
    assert f"Reviews, each counted once {row_reconciliation['cleaned']:,}" in text
    assert f"Rejected rows {sum(row_reconciliation['rejected'].values()):,}" in text
    for reason, rows in row_reconciliation["rejected"].items():
        assert f"{reason} {rows:,}" in text


def test_every_check_of_the_run_is_listed(shown_data_root: DataRoot) -> None:
    checks = read_latest(shown_data_root.root).run()["checks"]
    text = text_of_page()
    passed = sum(check["passed"] for check in checks)
    assert f"{passed} of {len(checks)} passed." in text
    for check in checks:
        assert check["check"].replace("_", " ").capitalize() in text
        assert (check["description"] or "") in text


def test_the_model_card_tells_the_evidence_for_k_the_gate_and_the_versions(shown_data_root: DataRoot) -> None:
    snapshot = read_latest(shown_data_root.root)
    run, model = snapshot.run(), snapshot.model_document()
    text = " ".join(text_of_page().split())
    assert f"Version {snapshot.model_version}" in text
    assert f"Trained on {model['scaling']['users']:,} users" in text
    for library, version in model["libraries"].items():
        assert f"{library} {version}".replace("-", "\\-").replace(".", "\\.") in text
    for evidence in run["k"]["evidence"]:
        assert f" {evidence['k']} segment" in text
        if evidence["silhouette"] is not None:
            assert f"{evidence['silhouette']:.3f}" in text
    assert "The new model took over:" in text
    for test in run["promotion"]["criteria"]:
        assert test["meaning"] in text


def test_drift_is_told_from_the_second_night_on(second_run: DataRoot) -> None:
    text = text_of_page()
    assert "Average discount (PSI)" in text
    for figure in read_latest(second_run.root).run()["drift"]["figures"]:
        assert f"{figure['value']:,.3f}" in text


def test_every_file_and_every_column_is_described(shown_data_root: DataRoot) -> None:
    snapshot = read_latest(shown_data_root.root)
    text = text_of_page()
    for resource in snapshot.manifest["resources"]:
        assert resource["path"] in text
        assert resource["description"] in text
    for column in SEGMENT_ASSIGNMENTS.columns:
        assert column.name in text
        assert column.description in text


def test_the_exports_are_named_with_their_hashes(shown_data_root: DataRoot) -> None:
    snapshot: Snapshot = read_latest(shown_data_root.root)
    shown = next(table.value for table in opened("about").dataframe if "SHA-256" in table.value)
    assert list(shown["SHA-256"]) == [batch["sha256"] for batch in snapshot.inputs]


@pytest.mark.usefixtures("shown_home")
def test_counts_have_no_decimals_and_measures_have_three() -> None:
    gate = next(element.value for element in opened("about").html if "Unique names" in element.value)
    assert ">0<" in gate
    assert ">0.000<" not in gate
