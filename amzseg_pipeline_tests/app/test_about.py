"""The page About the data."""

import html
from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.snapshots import Snapshot, read_latest
from amzseg_pipeline_tests.app.pages import errors, one_line, opened

OpenPage = Callable[[str], AppTest]


def text_of(session: AppTest) -> str:
    """The text of the page without HTML entities."""
    assert errors(session) == []
    return html.unescape(one_line(session))


def test_row_reconciliation_is_shown(sample_page: OpenPage, sample_data_root: DataRoot) -> None:
    row_reconciliation = read_latest(sample_data_root.root).run()["row_reconciliation"]
    text = text_of(sample_page("about"))
    assert f"Raw rows {row_reconciliation['raw']:,}" in text
    assert f"Distinct reviews {row_reconciliation['cleaned']:,}" in text
    assert f"Rejected rows {row_reconciliation['rejected']:,}" in text
    for reason, rows in row_reconciliation["rejected_by_reason"].items():
        assert f"{reason} {rows:,}" in text


def test_every_check_is_listed(sample_page: OpenPage, sample_data_root: DataRoot) -> None:
    checks = read_latest(sample_data_root.root).run()["checks"]
    text = text_of(sample_page("about"))
    passed = sum(check["passed"] for check in checks)
    assert f"{passed} of {len(checks)} passed." in text
    for check in checks:
        assert check["check"].replace("_", " ").capitalize() in text
        assert (check["description"] or "") in text


def test_model_card_k_choice_and_promotion(sample_page: OpenPage, sample_data_root: DataRoot) -> None:
    snapshot = read_latest(sample_data_root.root)
    run, model = snapshot.run(), snapshot.model_document()
    text = text_of(sample_page("about"))
    assert f"Version {snapshot.model_version}" in text
    assert f"Trained on {model['scaling']['users']:,} users" in text
    for library, version in model["libraries"].items():
        assert f"{library} {version}".replace("-", "\\-").replace(".", "\\.") in text
    for evidence in run["k"]["evidence"]:
        assert f" {evidence['k']} segment" in text
        if evidence["silhouette"] is not None:
            assert f"{evidence['silhouette']:.3f}" in text
    assert "The new model was promoted:" in text
    for test in run["promotion"]["criteria"]:
        assert test["meaning"] in text


def test_drift_is_shown_after_the_second_run(second_run: DataRoot) -> None:
    text = text_of(opened("about"))
    assert "Average discount (PSI)" in text
    for measure in read_latest(second_run.root).run()["drift"]["measures"]:
        assert f"{measure['value']:,.3f}" in text


def test_every_file_and_column_is_described(sample_page: OpenPage, sample_data_root: DataRoot) -> None:
    snapshot = read_latest(sample_data_root.root)
    text = text_of(sample_page("about"))
    for resource in snapshot.manifest["resources"]:
        assert resource["path"] in text
        assert resource["description"] in text
    for column in SEGMENT_ASSIGNMENTS.columns:
        assert column.name in text
        assert column.description in text


def test_source_exports_are_listed_with_hashes(sample_page: OpenPage, sample_data_root: DataRoot) -> None:
    snapshot: Snapshot = read_latest(sample_data_root.root)
    shown = next(table.value for table in sample_page("about").dataframe if "SHA-256" in table.value)
    assert list(shown["SHA-256"]) == [batch["sha256"] for batch in snapshot.inputs]


def test_counts_have_no_decimals(sample_page: OpenPage) -> None:
    table = next(element.value for element in sample_page("about").html if "Unique names" in element.value)
    assert ">0<" in table
    assert ">0.000<" not in table
