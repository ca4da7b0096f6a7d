"""Plots and the report of a run in `artifacts/<run id>/`: a folder of PNGs per group, plots.json and report.html.

steps/figures/ defines the plots and the page.
"""

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from amzseg_pipeline.steps.figures.gallery import Gallery
from amzseg_pipeline.steps.figures.report import ReportSection, report_page
from amzseg_pipeline.storage.fs.atomic_writes import atomic_folder, atomic_write
from amzseg_pipeline.storage.fs.object_store import store_of

PLOTS_FILE = "plots.json"
REPORT_FILE = "report.html"

_FORMAT = 1
_GROUPS = ("segments", "history", "users", "reviews")
"""In the order of the report: results first, then the data they come from."""
_GROUP_FILE = "group.json"
_LOCK_FILE = ".lock"


def write_gallery(
    artifacts: Path, run_id: str, gallery: Gallery, *, facts: Mapping[str, str], made_at: datetime
) -> Path:
    """Writes the plots of one group, and plots.json and report.html of all groups so far.

    Writes are atomic, and a group that is written again replaces its former plots. On a disk, groups may be written
    concurrently; in an object store, which has no locks, one after another.

    Args:
        artifacts: the folder of all runs.
        run_id: the run.
        gallery: the rendered plots of the group.
        facts: label -> value, shown in the report.
        made_at: the time in the report.

    Returns:
        The folder of the run.
    """
    folder = artifacts / run_id
    with _lock(folder):
        _write_group(folder, gallery, facts)
        parts = [_report_part(folder, group) for group in _GROUPS if (folder / group / _GROUP_FILE).exists()]
        page = report_page(parts, run_id=run_id, made_at=f"{made_at:%Y-%m-%d %H:%M %Z}")
        with atomic_write(folder / REPORT_FILE) as temporary:
            temporary.write_text(page, encoding="utf-8")
        with atomic_write(folder / PLOTS_FILE) as temporary:
            temporary.write_text(json.dumps(_plots_document(parts, run_id), indent=1), encoding="utf-8")
    return folder


def plot_file(group: str, name: str) -> str:
    """The path of a full-size PNG below the folder of its run."""
    return f"{group}/{name}.png"


def plots_of(artifacts: Path, run_id: str) -> dict[str, Any] | None:
    """plots.json of a run: `plots` (group, name, title, caption, file), `missing` and `facts`; None without plots.

    Raises:
        ValueError: the file is damaged.
    """
    path = artifacts / run_id / PLOTS_FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    if not isinstance(document, dict) or not all(isinstance(document.get(each), list) for each in ("plots", "missing")):
        raise ValueError(f"{path}: this is not a list of plots; run the pipeline again, or delete the file.")
    return document


def _write_group(folder: Path, gallery: Gallery, facts: Mapping[str, str]) -> None:
    part = {
        "facts": dict(facts),
        "plots": [{"name": plot.name, "title": plot.title, "caption": plot.caption} for plot in gallery.plots],
        "missing": [asdict(missing) for missing in gallery.missing],
    }
    with atomic_folder(folder / gallery.group, last=_GROUP_FILE) as draft:
        for plot in gallery.plots:
            (draft / f"{plot.name}.png").write_bytes(plot.png)
        (draft / _GROUP_FILE).write_text(json.dumps(part, indent=1), encoding="utf-8")


def _lock(folder: Path) -> AbstractContextManager[Any]:
    if store_of(folder) is not None:
        return nullcontext()
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / _LOCK_FILE)


def _report_part(folder: Path, group: str) -> ReportSection:
    part = json.loads((folder / group / _GROUP_FILE).read_text(encoding="utf-8"))
    return ReportSection(
        group=group,
        facts=part["facts"],
        plots=tuple(part["plots"]),
        missing=tuple(part["missing"]),
        images={plot["name"]: (folder / plot_file(group, plot["name"])).read_bytes() for plot in part["plots"]},
    )


def _plots_document(parts: list[ReportSection], run_id: str) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "run_id": run_id,
        "plots": [
            {"group": part.group, **plot, "file": plot_file(part.group, plot["name"])}
            for part in parts
            for plot in part.plots
        ],
        "missing": [{"group": part.group, **missing} for part in parts for missing in part.missing],
        "facts": {part.group: dict(part.facts) for part in parts},
    }
