"""Leaf assets that draw each stage: plots and a report in artifacts/, thumbnails with their sentences in the UI.

They never delay or fail the segments: nothing is downstream of them, their steps come last, and a plot that cannot be
drawn is left out and said so. What is drawn stands in steps/figures/.
"""

import base64
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import narwhals as nw
import pandas as pd

from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.promotion import Drift
from amzseg_pipeline.defs.code_versions import EDA_CODE_VERSION
from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.defs.ui_metadata.described import described
from amzseg_pipeline.steps import figures, reviews
from amzseg_pipeline.steps.figures import facts
from amzseg_pipeline.storage import landing
from amzseg_pipeline.storage.serving import plots as artifacts

_OUTPUT = Iterator[dg.MaterializeResult]


def _leaf(stage: str, description: str) -> dict[str, Any]:
    return described(description, stage=stage, kinds={"python", "seaborn"}) | {
        "code_version": EDA_CODE_VERSION,
        "op_tags": {"dagster/priority": "-1"},
        "output_required": False,
    }


@dg.asset(**_leaf("reviews", "Plots of prices, discounts, ratings, categories and dates of the reviews."))
def eda_reviews(
    context: dg.AssetExecutionContext,
    raw_reviews: landing.RawReviews,
    cleaned_reviews: nw.LazyFrame,
    rejected_reviews: nw.LazyFrame,
    pipeline: PipelineResource,
) -> _OUTPUT:
    """From a sample of reviews and counts of all of them."""
    if pipeline.values.plots == "on":
        data = figures.review_data(cleaned_reviews, rejected_reviews, currency=raw_reviews.currency)
        row_reconciliation = reviews.row_reconciliation(
            raw_rows=raw_reviews.rows, cleaned=cleaned_reviews, rejected=rejected_reviews
        )
        inputs = [batch.identity for batch in raw_reviews.batches]
        told = facts.review_facts(inputs, row_reconciliation=row_reconciliation.summary, currency=raw_reviews.currency)
        yield _hung(context, figures.review_gallery(data), told, pipeline=pipeline)


@dg.asset(**_leaf("users", "Plots of how much users review, and of their features before and after scaling."))
def eda_users(
    context: dg.AssetExecutionContext,
    raw_reviews: landing.RawReviews,
    user_features: nw.LazyFrame,
    pipeline: PipelineResource,
) -> _OUTPUT:
    """From a sample of users and counts of all of them."""
    settings = pipeline.values
    if settings.plots == "on":
        data = figures.user_data(user_features, transform=settings.transform, currency=raw_reviews.currency)
        yield _hung(context, figures.user_gallery(data), facts.user_facts(data.users), pipeline=pipeline)


@dg.asset(**_leaf("segments", "Plots of what the segments are like and how well their number is founded."))
def eda_segments(
    context: dg.AssetExecutionContext,
    raw_reviews: landing.RawReviews,
    user_features: nw.LazyFrame,
    segment_assignments: nw.LazyFrame,
    segment_profiles: pd.DataFrame,
    cluster_model: Model,
    pipeline: PipelineResource,
) -> _OUTPUT:
    """From the model, the profiles and a sample of scored users."""
    if pipeline.values.plots == "on":
        data = figures.segment_data(
            segment_assignments, user_features, segment_profiles, cluster_model, currency=raw_reviews.currency
        )
        yield _hung(context, figures.segment_gallery(data), facts.segment_facts(data), pipeline=pipeline)


@dg.asset(**_leaf("segments", "Plots over nights: who moved where, the shares of segments, and drift."))
def eda_history(
    context: dg.AssetExecutionContext,
    segment_migrations: pd.DataFrame,
    segment_history: pd.DataFrame,
    segment_drift: Drift,
    pipeline: PipelineResource,
) -> _OUTPUT:
    """From counts of users; a first night has nothing to draw, and says so."""
    if pipeline.values.plots == "on":
        data = figures.HistoryData(segment_migrations, segment_history, segment_drift)
        told = facts.history_facts(segment_history, segment_drift)
        yield _hung(context, figures.history_gallery(data), told, pipeline=pipeline)


def _every_plot_drawn(leaf: dg.AssetsDefinition) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=leaf,
        name="every_plot_rendered",
        description="No plot was left out for a fault of ours; what the source does not have is none.",
    )
    def every_plot_rendered(context: dg.AssetCheckExecutionContext, pipeline: PipelineResource) -> dg.AssetCheckResult:
        plots = artifacts.plots_of(pipeline.data_root.artifacts, context.run.run_id)
        group = leaf.key.to_user_string().removeprefix("eda_")
        missing = [plot for plot in plots["missing"] if plot["group"] == group] if plots else []
        faults = [plot for plot in missing if plot["is_fault"]]
        return dg.AssetCheckResult(
            passed=not faults,
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join(f"{plot['name']}: {plot['reason']}" for plot in faults) or "every plot was drawn",
        )

    return every_plot_rendered


eda_reviews_drawn = _every_plot_drawn(eda_reviews)
eda_users_drawn = _every_plot_drawn(eda_users)
eda_segments_drawn = _every_plot_drawn(eda_segments)
eda_history_drawn = _every_plot_drawn(eda_history)


def _hung(
    context: dg.AssetExecutionContext, gallery: figures.Gallery, told: Mapping[str, str], *, pipeline: PipelineResource
) -> dg.MaterializeResult:
    """Writes the plots and the report, and shows thumbnails in the UI."""
    data_root = pipeline.data_root
    run_id = context.run.run_id
    folder = artifacts.write_gallery(data_root.artifacts, run_id, gallery, facts=told, made_at=pipeline.time)
    # Metadata of the asset and not of the output: Dagster stores the latter twice, in two events.
    context.add_asset_metadata(
        {
            "plots": dg.MetadataValue.md(_markdown(gallery, folder=f"{data_root.artifacts.name}/{run_id}")),
            "drawn": len(gallery.plots),
            "left_out": dg.MetadataValue.md(_left_out(gallery)),
            "report": dg.MetadataValue.path(str(folder / artifacts.REPORT_FILE)),
        }
    )
    return dg.MaterializeResult()


def _markdown(gallery: figures.Gallery, *, folder: str) -> str:
    """A table of two plots a row: the thumbnails, the sentences, and where the full-size images lie."""
    images = figures.thumbnails([plot.png for plot in gallery.plots])
    plots = [
        (
            f"![{_cell(plot.title)}](data:image/png;base64,{base64.b64encode(image).decode()})",
            _cell(plot.sentence),
            f"`{folder}/{artifacts.plot_file(gallery.group, plot.name)}`",
        )
        for plot, image in zip(gallery.plots, images, strict=True)
    ]
    pairs = [plots[i : i + 2] for i in range(0, len(plots), 2)]
    rows = [f"| {' | '.join(cells)} |" for pair in pairs for cells in zip(*pair, strict=True)]
    return "\n".join([f"| {gallery.group} | |", "|---|---|", *rows])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _left_out(gallery: figures.Gallery) -> str:
    return "\n".join(f"- {missing.name}: {missing.reason}" for missing in gallery.missing) or "none"
