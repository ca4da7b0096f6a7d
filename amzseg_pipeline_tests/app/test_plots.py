"""The page Plots."""

import json
from datetime import UTC, datetime
from io import BytesIO

import pytest
from PIL import Image

from amzseg_pipeline.steps.figures.gallery import Gallery, MissingPlot, RenderedPlot
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.serving.plots import write_gallery
from amzseg_pipeline.storage.snapshots import read_latest
from amzseg_pipeline_tests.app.pages import errors, opened, prose

GROUPS = ("reviews", "users", "segments")


def image() -> bytes:
    target = BytesIO()
    Image.new("RGB", (60, 40), "#0173B2").save(target, "PNG")
    return target.getvalue()


def write_plots(data_root: DataRoot, *, title: str = "Half of all reviews are cheap", png: bytes | None = None) -> None:
    """Writes plots of every group for the run that published."""
    for group in GROUPS:
        plots = tuple(
            RenderedPlot(f"{group}_{n}", f"{title} {n}", f"A caption on {group} {n}.", png or image()) for n in (1, 2)
        )
        missing = (
            MissingPlot("by_date", "the source has no dates", is_fault=False),
            MissingPlot("by_price", "ValueError: secret of the code", is_fault=True),
        )
        run_id = read_latest(data_root.root).run_id
        gallery = Gallery(group, plots, missing)
        write_gallery(data_root.artifacts, run_id, gallery, facts={"Stage": group}, made_at=datetime.now(UTC))


def test_plots_of_every_group_are_shown(shown_data_root: DataRoot) -> None:
    write_plots(shown_data_root)
    session = opened("plots")
    for group in GROUPS:
        session.button_group(key="plots").set_value(group).run()
        assert errors(session) == []
        text = prose(session).replace("\\", "")
        assert all(f"A caption on {group} {n}" in text for n in (1, 2))
        assert len(session.get("image")) == 2
        assert "Not rendered: 2" in text
        assert "By date: the source has no dates" in text
    assert [button.label for button in session.download_button] == ["Download the report of the run"]


def test_failed_plots_are_listed_without_exceptions(shown_data_root: DataRoot) -> None:
    write_plots(shown_data_root)
    text = prose(opened("plots")).replace("\\", "")
    assert "By price: rendering failed; the log of the run has the reason" in text
    assert "ValueError" not in text
    assert "secret" not in text


@pytest.mark.usefixtures("sample_data_root")
def test_a_run_without_plots() -> None:
    session = opened("plots")
    assert "rendered no plots, or they were deleted" in prose(session)
    assert not session.get("image")


def test_captions_remain_without_their_images(shown_data_root: DataRoot) -> None:
    write_plots(shown_data_root)
    folder = shown_data_root.artifacts / read_latest(shown_data_root.root).run_id / "reviews"
    (folder / "reviews_1.png").unlink()
    (folder / "reviews_2.png").write_bytes(b"not a picture")
    session = opened("plots")
    assert errors(session) == []
    text = prose(session)
    assert text.count("The image was deleted or cannot be read.") == 2
    assert "A caption on reviews 2" in text


@pytest.mark.parametrize("content", [b"{", b'{"plots": 3}', b"\xff"])
def test_a_damaged_list_of_plots_is_reported(shown_data_root: DataRoot, content: bytes) -> None:
    write_plots(shown_data_root)
    (shown_data_root.artifacts / read_latest(shown_data_root.root).run_id / "plots.json").write_bytes(content)
    session = opened("plots")
    assert "The plots of this run cannot be read" in prose(session)
    assert not session.exception


def test_files_outside_the_run_are_not_shown(shown_data_root: DataRoot) -> None:
    write_plots(shown_data_root)
    folder = shown_data_root.artifacts / read_latest(shown_data_root.root).run_id
    (shown_data_root.root / "other.png").write_bytes(image())
    document = json.loads((folder / "plots.json").read_text())
    for plot in document["plots"]:
        plot["file"] = "../../other.png"
    (folder / "plots.json").write_text(json.dumps(document))
    session = opened("plots")
    assert not session.get("image")
    assert errors(session) == []


def test_titles_and_captions_are_no_markup(shown_data_root: DataRoot) -> None:
    write_plots(shown_data_root, title="**Bold** <b>tag</b> [x](http://evil.example)", png=b"not a picture")
    assert "**Bold** <b>" not in prose(opened("plots"))
