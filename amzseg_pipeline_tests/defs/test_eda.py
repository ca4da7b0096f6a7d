"""The plot assets in real runs: they run last, never block the segments, and add little to the event log."""

import base64
import csv
import io
import re

import dagster as dg
import pytest
from PIL import Image

from amzseg_pipeline import has_snapshot, read_latest
from amzseg_pipeline.definitions import defs
from amzseg_pipeline.defs.code_versions import CODE_VERSIONS, EDA_CODE_VERSION
from amzseg_pipeline.presentation.formatting import markdown_escaped
from amzseg_pipeline.steps.figures import history as runs
from amzseg_pipeline.steps.figures import reviews, segments, users
from amzseg_pipeline.storage.serving.plots import PLOTS_FILE, REPORT_FILE, plots_of
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.defs.runs import EXPORT
from amzseg_pipeline_tests.security.text_search import files_containing_text

PLOT_ASSETS = {"eda_reviews", "eda_users", "eda_segments", "eda_history"}
GROUPS = {
    "reviews": reviews.DRAWINGS,
    "users": users.DRAWINGS,
    "segments": segments.DRAWINGS,
    "history": runs.DRAWINGS,
}
WITH_PLOTS = {**scenario.QUICK, "plots": "on"}
# A name the font has no letters for: matplotlib warns of it, and a warning is an error in a test.
UNKNOWN_GLYPH = "\N{ETHIOPIC SYLLABLE HA}".encode()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Data root and result of one run with plots, on a sample with a category that cannot be rendered."""
    export = scenario.SAMPLE.read_bytes().replace(b"Kitchen&HomeAppliances", UNKNOWN_GLYPH)
    data_root = scenario.data_root_with(tmp_path_factory.mktemp("plots"), sample_amazon=export)
    return data_root, scenario.run(data_root, settings=WITH_PLOTS)


def starts(result) -> list[str]:
    return [event.step_key for event in result.all_events if event.event_type_value == "STEP_START"]


def metadata(result, asset: str) -> dict:
    events = result.asset_materializations_for_node(asset)
    return {name: value.value for name, value in events[0].metadata.items()}


def test_plots_run_after_the_segments_are_published(run):
    data_root, result = run
    assert set(read_latest(data_root.root).segment_profiles()["segment_name"]) == {
        *("Deal Seekers", "Casual Buyers", "Premium Loyalists")
    }
    steps = starts(result)
    assert {step for step in steps if step in PLOT_ASSETS} == PLOT_ASSETS
    assert steps.index("published_segments_snapshot_is_intact") < min(steps.index(asset) for asset in PLOT_ASSETS)


def test_nothing_depends_on_plots():
    graph = defs.resolve_asset_graph()
    for asset in PLOT_ASSETS:
        node = graph.get(dg.AssetKey(asset))
        assert node.child_keys == set()
        assert node.group_name == {"eda_history": "segments"}.get(asset, asset.removeprefix("eda_"))
        assert node.code_version == EDA_CODE_VERSION
    assert EDA_CODE_VERSION not in CODE_VERSIONS.values()


def test_writes_plots_of_all_stages_and_one_report(run):
    data_root, result = run
    folder = data_root.artifacts / result.run_id
    document = plots_of(data_root.artifacts, result.run_id)
    for group, drawings in GROUPS.items():
        names = [plot["name"] for part in ("plots", "missing") for plot in document[part] if plot["group"] == group]
        assert sorted(names) == sorted(drawings)
    for plot in document["plots"]:
        assert Image.open(io.BytesIO((folder / plot["file"]).read_bytes())).width > 1_000
    report = (folder / REPORT_FILE).read_text(encoding="utf-8")
    assert len(report) < 5_000_000
    assert "sample_amazon.csv" in report
    listings = csv.DictReader(io.StringIO(scenario.SAMPLE.read_text(encoding="utf-8"), newline=""))
    texts = {listing["review_content"].split(",")[0] for listing in listings}
    assert files_containing_text([text for text in texts if len(text) > 20], data_root.artifacts) == {}
    assert report.count("<img ") == len(document["plots"])
    assert {path.name for path in folder.iterdir() if not path.name.startswith(".")} == {
        *GROUPS,
        PLOTS_FILE,
        REPORT_FILE,
    }


def test_skips_and_reports_a_plot_that_fails_to_render(run):
    data_root, result = run
    assert result.success
    missing = {plot["name"]: plot for plot in plots_of(data_root.artifacts, result.run_id)["missing"]}
    faults = {name for name, plot in missing.items() if plot["is_fault"]}
    assert faults == {"categories_by_products", "categories_by_rating", "categories_by_discount"}
    assert "missing from font" in missing["categories_by_rating"]["reason"]
    assert missing["reviews_over_time"] == {
        "group": "reviews",
        "name": "reviews_over_time",
        "reason": "no review has a date",
        "is_fault": False,
    }
    checks = {check.asset_key.to_user_string(): check for check in result.get_asset_check_evaluations()
              if check.check_name == "every_plot_rendered"}  # fmt: skip
    assert {asset: check.passed for asset, check in checks.items()} == {
        "eda_reviews": False,
        "eda_users": True,
        "eda_segments": True,
        "eda_history": True,
    }
    assert checks["eda_reviews"].severity == dg.AssetCheckSeverity.WARN
    assert "categories_by_products" in checks["eda_reviews"].description
    assert "categories_by_products" in metadata(result, "eda_reviews")["skipped"]


def test_ui_shows_thumbnail_caption_and_path_of_each_plot(run):
    data_root, result = run
    document = plots_of(data_root.artifacts, result.run_id)
    for group in GROUPS:
        shown = metadata(result, f"eda_{group}")
        plots = [plot for plot in document["plots"] if plot["group"] == group]
        images = [base64.b64decode(text) for text in re.findall(r"data:image/png;base64,([^)]+)\)", shown["plots"])]
        assert shown["rendered"] == len(images) == len(plots)
        assert shown["report"] == str(data_root.artifacts / result.run_id / REPORT_FILE)
        for image, plot in zip(images, plots, strict=True):
            opened = Image.open(io.BytesIO(image))
            assert len(image) <= 12 * 1024
            assert len(opened.getcolors()) <= 128
            assert markdown_escaped(plot["caption"]) in shown["plots"]
            assert f"artifacts/{result.run_id}/{plot['file']}" in shown["plots"]


def test_thumbnails_take_less_than_300_kib_of_the_event_log(run):
    events = [dg.serialize_value(event) for event in run[1].all_events]
    assert sum(len(event) for event in events if "base64" in event) < 300 * 1024


def test_writes_nothing_if_plots_are_off(one_export):
    assert has_snapshot(one_export.root)
    assert not one_export.artifacts.exists()


def test_publishes_segments_if_plots_fail(tmp_path):
    data_root = scenario.data_root_with(tmp_path, export=EXPORT)
    data_root.artifacts.write_text("a file where the folder should be")
    assets = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
    result = scenario.run(data_root, settings=WITH_PLOTS, only=sorted(assets - PLOT_ASSETS | {"eda_users"}))
    assert not result.success
    assert {event.step_key for event in result.get_step_failure_events()} == {"eda_users"}
    assert "artifacts" in scenario.failure(result)
    assert has_snapshot(data_root.root)


@pytest.mark.slow
@pytest.mark.real_data
def test_renders_plots_of_the_real_export(real_data, tmp_path):
    data_root = scenario.data_root_with(tmp_path, amazon=(real_data / "amazon.csv").read_bytes())
    result = scenario.run(data_root, settings={"plots": "on"})
    document = plots_of(data_root.artifacts, result.run_id)
    assert {(plot["name"], plot["reason"]) for plot in document["missing"]} == {
        ("reviews_over_time", "no review has a date"),
        ("rejected_rows", "no row was rejected"),
        ("segment_moves", "this is the first run: there is no previous one to compare with"),
        ("shares_over_runs", "there is only one run"),
        ("drift_over_runs", "drift was measured in fewer than two runs"),
    }
    titles = {plot["name"]: plot["title"] for plot in document["plots"]}
    assert titles["price_paid"] == "Half of all reviews are of products that cost ₹799 or less"
    assert titles["reviews_per_user"] == "97.8% of users wrote a single review"
    assert (data_root.artifacts / result.run_id / REPORT_FILE).stat().st_size < 5_000_000
