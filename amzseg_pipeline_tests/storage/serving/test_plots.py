"""Plots and reports on disk: atomic, complete, and safe under concurrent writes."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from amzseg_pipeline.contracts.errors import WriteError
from amzseg_pipeline.steps.figures.gallery import Gallery, MissingPlot, RenderedPlot
from amzseg_pipeline.storage.serving.plots import PLOTS_FILE, REPORT_FILE, plots_of, write_gallery

NOW = datetime(2024, 1, 1, 2, tzinfo=UTC)


def gallery(group: str, *names: str, image: bytes = b"png") -> Gallery:
    plots = tuple(RenderedPlot(name, f"{name} title", f"{name} caption.", image + name.encode()) for name in names)
    return Gallery(group, plots, (MissingPlot("dated", "no dates", is_fault=False),))


def write(artifacts, rendered: Gallery, run_id: str = "run-1"):
    return write_gallery(artifacts, run_id, rendered, facts={"Stage": rendered.group}, made_at=NOW)


def test_plots_json_lists_every_plot(tmp_path):
    folder = write(tmp_path, gallery("users", "a", "b"))
    document = plots_of(tmp_path, "run-1")
    assert document == json.loads((folder / PLOTS_FILE).read_text())
    assert document["plots"][1] == {
        "group": "users",
        "name": "b",
        "title": "b title",
        "caption": "b caption.",
        "file": "users/b.png",
    }
    assert document["missing"] == [{"group": "users", "name": "dated", "reason": "no dates", "is_fault": False}]
    assert document["facts"] == {"users": {"Stage": "users"}}
    assert [(folder / plot["file"]).read_bytes() for plot in document["plots"]] == [b"pnga", b"pngb"]


def test_a_run_without_plots(tmp_path):
    assert plots_of(tmp_path, "run-1") is None


def test_the_report_orders_the_groups(tmp_path):
    write(tmp_path, gallery("segments", "s"))
    folder = write(tmp_path, gallery("reviews", "r"))
    page = (folder / REPORT_FILE).read_text(encoding="utf-8")
    assert page.index("s title") < page.index("r title")
    assert "u title" not in page
    assert "2024-01-01 02:00 UTC" in page
    write(tmp_path, gallery("users", "u"))
    page = (folder / REPORT_FILE).read_text(encoding="utf-8")
    assert page.index("s title") < page.index("u title") < page.index("r title")


def test_groups_can_be_written_concurrently(tmp_path):
    groups = ("segments", "users", "reviews")
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda group: write(tmp_path, gallery(group, f"plot_{group}")), groups))
    assert [plot["group"] for plot in plots_of(tmp_path, "run-1")["plots"]] == list(groups)


def test_a_group_written_again_replaces_its_plots(tmp_path):
    write(tmp_path, gallery("users", "old", "kept", image=b"1"))
    folder = write(tmp_path, gallery("users", "kept", image=b"2"))
    assert [plot["name"] for plot in plots_of(tmp_path, "run-1")["plots"]] == ["kept"]
    assert (folder / "users" / "kept.png").read_bytes() == b"2kept"
    assert not (folder / "users" / "old.png").exists()


def test_leftovers_of_a_killed_process_are_removed(tmp_path):
    folder = tmp_path / "run-1"
    for leftover in (".users.tmp", ".users.old"):
        (folder / leftover).mkdir(parents=True)
        (folder / leftover / "half.png").write_bytes(b"half")
    write(tmp_path, gallery("reviews", "r"))
    assert [plot["group"] for plot in plots_of(tmp_path, "run-1")["plots"]] == ["reviews"]
    write(tmp_path, gallery("users", "u"))
    assert not list(folder.glob(".users*"))


def test_runs_do_not_mix(tmp_path):
    write(tmp_path, gallery("users", "a"))
    write(tmp_path, gallery("users", "b"), run_id="run-2")
    assert [plot["name"] for plot in plots_of(tmp_path, "run-1")["plots"]] == ["a"]


def test_a_failed_write_changes_nothing(tmp_path):
    write(tmp_path, gallery("users", "a"))
    with pytest.raises(WriteError, match="it cannot be written"):
        write(tmp_path, gallery("users", "a", "n" * 300))
    assert [plot["name"] for plot in plots_of(tmp_path, "run-1")["plots"]] == ["a"]
    assert (tmp_path / "run-1" / "users" / "a.png").exists()
