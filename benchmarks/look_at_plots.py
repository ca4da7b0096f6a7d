"""Renders all plots of a data root or of a synthetic export for inspection; prints CPU seconds and bytes.

    python benchmarks/look_at_plots.py --data-root data --out looks/sample
    python benchmarks/look_at_plots.py --synthetic 1000000 --out looks/million

The data root must have a warehouse from a run. A synthetic export has a fixed seed, prices in dollars, and users who
buy cheap, expensive or discounted products; it is run through the pipeline first. Its format has no dates, so dates
are added to its reviews afterwards.
"""

import argparse
import csv
import io
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps import figures, segments
from amzseg_pipeline.steps.figures import facts
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.serving import plots as artifacts
from amzseg_pipeline.storage.warehouse.catalog import table_frame

_SEED = 11
_TABLES = ("cleaned_reviews", "rejected_reviews", "user_features", "segment_assignments", "segment_profiles")
_REVIEWERS_PER_LISTING = 8
_DAMAGED_SHARE = 0.004
_COLUMNS = (
    *("product_id", "product_name", "category", "discounted_price", "actual_price", "discount_percentage", "rating"),
    *("rating_count", "about_product", "user_id", "user_name", "review_id", "review_title", "review_content"),
    *("img_link", "product_link"),
)
_SHELVES = ("Audio", "Cameras", "Lighting", "Cookware", "Storage", "Puzzles&BoardGames", "Garden", "Bedding")
_DEPARTMENTS = ("Electronics", "Home&Kitchen", "Toys&Games")
_YEARS = 12


def main() -> None:
    """Renders, writes and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data-root", type=Path, help="a data root whose pipeline has run")
    source.add_argument("--synthetic", type=int, metavar="REVIEWS", help="generate this many reviews instead")
    parser.add_argument("--out", type=Path, required=True, help="folder for the images and the report")
    options = parser.parse_args()
    out = options.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    data_root = DataRoot(options.data_root.absolute() if options.data_root else out / "data_root")
    if options.synthetic:
        run_synthetic_export(data_root, reviews=options.synthetic)
    engine = Engine(Settings(), temporary=out / ".temporary")
    try:
        _draw(data_root.warehouse, engine, out)
    finally:
        engine.close()


def _draw(warehouse: Path, engine: Engine, out: Path) -> None:
    started = time.process_time()
    galleries = []
    for gallery, shown_facts in _galleries(warehouse, engine):
        folder = artifacts.write_gallery(out, "plots", gallery, facts=shown_facts, made_at=datetime.now(UTC))
        galleries.append(gallery)
        print(f"{gallery.group:<10}{len(gallery.plots):>3} plots, {time.process_time() - started:.1f} CPU-s so far")
    encoded = 0
    (folder / "thumbnails").mkdir(exist_ok=True)
    for gallery in galleries:
        for plot, image in zip(gallery.plots, figures.thumbnails([plot.png for plot in gallery.plots]), strict=True):
            (folder / "thumbnails" / f"{plot.name}.png").write_bytes(image)
            encoded += len(image) * 4 // 3
            print(f"{len(plot.png) / 1024:7.0f} KiB {len(image) / 1024:5.1f} KiB  {plot.name}: {plot.title}")
            print(f"{'':>26}{plot.caption}")
        for absent in gallery.missing:
            print(f"{'FAILED' if absent.is_fault else 'skipped':>23}  {absent.name}: {absent.reason}")
    report = (folder / artifacts.REPORT_FILE).stat().st_size
    print(
        f"all: {time.process_time() - started:.1f} CPU-s, thumbnails {encoded / 1024:.0f} KiB in base64, "
        f"report {report / 2**20:.2f} MiB, peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB"
    )


def _galleries(warehouse: Path, engine: Engine) -> Iterator[tuple[figures.Gallery, dict[str, str]]]:
    table = {name: table_frame(warehouse, name, engine) for name in _TABLES}
    model = segments.model_from_document(_json_of(warehouse, "cluster_model"), location="cluster_model.json")
    currency = table["cleaned_reviews"].select(nw.col("currency").max()).collect("pyarrow").item()
    reviews = figures.review_data(table["cleaned_reviews"], table["rejected_reviews"], currency=currency)
    yield figures.review_gallery(reviews), {"Reviews": f"{reviews.reviews:,}"}
    users = figures.user_data(table["user_features"], transform=model.scaling.transform, currency=currency)
    yield figures.user_gallery(users), facts.user_facts(users.users)
    profiles = table["segment_profiles"].collect("pandas").to_native()
    scored = figures.segment_data(
        table["segment_assignments"], table["user_features"], profiles, model, currency=currency
    )
    yield figures.segment_gallery(scored), facts.segment_facts(scored)


def run_synthetic_export(data_root: DataRoot, *, reviews: int) -> None:
    """Writes an export of about this many reviews, runs the pipeline on it, and adds dates to its reviews."""
    draw = np.random.default_rng(_SEED)
    data_root.landing.mkdir(parents=True, exist_ok=True)
    (data_root.landing / "synthetic.csv").write_text(_export(draw, reviews), encoding="utf-8")
    command = [sys.executable, "-m", "amzseg_pipeline", "run", "--force"]
    subprocess.run(command, env={**os.environ, "AMZSEG_DATA": str(data_root.root)}, check=True)
    for path in sorted(data_root.warehouse.glob("partitioned_reviews/*/bucket=*/*.parquet")):
        cleaned = pq.read_table(path)
        day = draw.choice(365, len(cleaned), p=_season())
        year = draw.choice(_YEARS, len(cleaned), p=np.arange(1, _YEARS + 1) / np.arange(1, _YEARS + 1).sum())
        dates = np.datetime64("2012-01-01", "ms").astype(int) + (year * 365 + day) * 86_400_000
        position = cleaned.column_names.index("reviewed_at_ms")
        pq.write_table(cleaned.set_column(position, cleaned.schema.field(position), pa.array(dates)), path)


def _export(draw: np.random.Generator, reviews: int) -> str:
    listings, users = reviews // _REVIEWERS_PER_LISTING, reviews // 3
    listing_type = draw.integers(0, 3, listings)
    listed = np.exp(draw.normal(3.2, 1.0, listings)) * np.array([0.6, 1.0, 2.6])[listing_type]
    off = np.clip(draw.beta(np.array([5, 2, 2])[listing_type], np.array([4, 9, 6])[listing_type]), 0, 0.95)
    stars = np.clip(draw.normal(np.array([3.8, 4.2, 4.3])[listing_type], 0.4), 1, 5)
    ratings = np.exp(draw.normal(6, 2, listings)).astype(int) + 1
    shelf = (len(_SHELVES) * len(_DEPARTMENTS) * draw.random(listings) ** 1.8).astype(int)
    # Each type of listing is bought by a third of users, some of them far more often than others.
    buyers = (users // 3 * draw.random((listings, _REVIEWERS_PER_LISTING)) ** 1.7).astype(int) * 3 + listing_type[
        :, None
    ]
    others = draw.random(buyers.shape) < 0.2
    buyers = np.where(others, draw.integers(0, users, buyers.shape), buyers)
    damaged = draw.random(listings) < _DAMAGED_SHARE
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(_COLUMNS)
    for i in range(listings):
        reviewers = [f"U{buyer}" for buyer in buyers[i]]
        ids = [f"R{i}_{j}" for j in range(len(reviewers) - damaged[i])]
        category = f"{_DEPARTMENTS[shelf[i] % 3]}|{_SHELVES[shelf[i] // 3]}|Other"
        paid = max(listed[i] * (1 - off[i]), 0.01)
        writer.writerow(
            (f"P{i}", "a thing", category, f"${paid:,.2f}", f"${max(listed[i], paid):,.2f}", f"{off[i]:.0%}",
             f"{stars[i]:.1f}", f"{ratings[i]:,}", "", ",".join(reviewers), "", ",".join(ids), "", "", "", "")
        )  # fmt: skip
    return stream.getvalue()


def _season() -> np.ndarray:
    """More reviews towards the end of the year."""
    weight = 1 + 1.2 * np.exp(-(((np.arange(365) - 345) / 18) ** 2))
    return weight / weight.sum()


def _json_of(warehouse: Path, name: str) -> dict:
    return json.loads((warehouse / f"{name}.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
