"""The app on a data root in an object store: pages, plots and downloads."""

import shutil
from datetime import UTC, datetime
from io import BytesIO

import pytest
from PIL import Image

from amzseg_pipeline.steps.figures.gallery import Gallery, RenderedPlot
from amzseg_pipeline.storage.data_root import DataRoot, data_root_at
from amzseg_pipeline.storage.serving.exports import campaign_chunks
from amzseg_pipeline.storage.serving.plots import write_gallery
from amzseg_pipeline.storage.serving.snapshot_queries import Campaign, PublishedUsers
from amzseg_pipeline.storage.snapshots import read_latest
from amzseg_pipeline_tests.app.pages import errors, opened, prose
from amzseg_pipeline_tests.object_store import Store


def small_png() -> bytes:
    image = BytesIO()
    Image.new("RGB", (2, 2)).save(image, "png")
    return image.getvalue()


def test_pages_show_the_snapshot_in_the_store(
    store: Store, published_data_root: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(published_data_root.warehouse)
    data_root = data_root_at(store.address)
    data_root.root.fs.put(f"{published_data_root.published}/", f"{data_root.published.path}/", recursive=True)  # type: ignore[attr-defined]
    monkeypatch.setenv("AMZSEG_DATA", store.address)
    local = read_latest(published_data_root.root)
    plot = RenderedPlot("sizes", "Sizes", "How many users each segment has.", small_png())
    write_gallery(
        data_root.artifacts,
        local.run_id,
        Gallery("segments", (plot,), ()),
        facts={},
        made_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    for page in ("overview", "segments"):
        session = opened(page)
        assert errors(session) == []
        for name in local.segment_profiles()["segment_name"]:
            assert name in prose(session)
    plots = opened("plots")
    assert errors(plots) == []
    assert "How many users each segment has" in prose(plots)
    assert "cannot be read" not in prose(plots)
    assert "Download the report of the run" in prose(plots)
    segment_id = local.segment_profiles()["segment_id"][0]
    for file_format in ("csv", "parquet"):
        files = [
            b"".join(campaign_chunks(PublishedUsers(each), segment_id, Campaign(), file_format=file_format))
            for each in (read_latest(store.address), local)
        ]
        assert files[0] == files[1]
