"""Non-critical assets that plot each stage: images and a report in artifacts/, thumbnails and captions in the UI.

They never delay or fail the segments: nothing is downstream of them, their steps run last, and a plot that cannot be
rendered is skipped and reported. steps/figures/ defines the plots.
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
from amzseg_pipeline.defs.documents import upstream_document
from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.defs.ui_metadata import document_asset_arguments
from amzseg_pipeline.presentation.formatting import markdown_escaped
from amzseg_pipeline.steps import figures
from amzseg_pipeline.steps.figures import facts
from amzseg_pipeline.steps.reviews import RowReconciliation
from amzseg_pipeline.storage import landing
from amzseg_pipeline.storage.serving import plots as artifacts

_OUTPUT = Iterator[dg.MaterializeResult]


def _plots_asset(stage: str, description: str) -> dict[str, Any]:
    return document_asset_arguments(description, stage=stage, kinds={"python", "seaborn"}) | {
        "code_version": EDA_CODE_VERSION,
        "op_tags": {"dagster/priority": "-1"},
        "output_required": False,
    }


@dg.asset(**_plots_asset("reviews", "Plots of prices, discounts, ratings, categories and dates of the reviews."))
def eda_reviews(
    context: dg.AssetExecutionContext,
    cleaned_reviews: nw.LazyFrame,
    rejected_reviews: nw.LazyFrame,
    row_reconciliation: RowReconciliation,
    pipeline: PipelineResource,
) -> _OUTPUT:
    """Plots aggregates of all reviews."""
    if pipeline.resolved_settings.plots == "on":
        raw_reviews = upstream_document(pipeline.data_root, "raw_reviews", landing.RawReviews)
        inputs = [batch.identity for batch in raw_reviews.batches]
        data = figures.review_data(
            cleaned_reviews,
            rejected_reviews,
            currency=raw_reviews.currency,
            has_product_ratings=facts.has_product_ratings(batch["format"] for batch in inputs),
        )
        shown = facts.review_facts(inputs, row_reconciliation=row_reconciliation.summary, currency=raw_reviews.currency)
        yield _stored(context, figures.review_gallery(data), shown, pipeline=pipeline)


@dg.asset(**_plots_asset("users", "Plots of reviews per user, and of user features before and after scaling."))
def eda_users(
    context: dg.AssetExecutionContext,
    user_features: nw.LazyFrame,
    pipeline: PipelineResource,
) -> _OUTPUT:
    """Plots up to a million users, and counts of all users."""
    settings = pipeline.resolved_settings
    if settings.plots == "on":
        currency = upstream_document(pipeline.data_root, "raw_reviews", landing.RawReviews).currency
        data = figures.user_data(user_features, transform=settings.transform, currency=currency)
        yield _stored(context, figures.user_gallery(data), facts.user_facts(data.users), pipeline=pipeline)


@dg.asset(**_plots_asset("segments", "Plots of segment profiles, and of the evidence for the number of segments."))
def eda_segments(
    context: dg.AssetExecutionContext,
    user_features: nw.LazyFrame,
    segment_assignments: nw.LazyFrame,
    segment_profiles: pd.DataFrame,
    pipeline: PipelineResource,
) -> _OUTPUT:
    """Plots the model, the profiles and up to a million scored users."""
    if pipeline.resolved_settings.plots == "on":
        cluster_model = upstream_document(pipeline.data_root, "cluster_model", Model)
        currency = upstream_document(pipeline.data_root, "raw_reviews", landing.RawReviews).currency
        data = figures.segment_data(
            segment_assignments, user_features, segment_profiles, cluster_model, currency=currency
        )
        yield _stored(context, figures.segment_gallery(data), facts.segment_facts(data), pipeline=pipeline)


@dg.asset(**_plots_asset("segments", "Plots over runs: migrations, segment shares and drift."))
def eda_history(
    context: dg.AssetExecutionContext,
    segment_migrations: pd.DataFrame,
    segment_history: pd.DataFrame,
    pipeline: PipelineResource,
) -> _OUTPUT:
    """Plots counts of users per run; a first run has no history and reports that."""
    if pipeline.resolved_settings.plots == "on":
        segment_drift = upstream_document(pipeline.data_root, "segment_drift", Drift)
        data = figures.HistoryData(segment_migrations, segment_history, segment_drift)
        shown = facts.history_facts(segment_history, segment_drift)
        yield _stored(context, figures.history_gallery(data), shown, pipeline=pipeline)


def _rendering_check(asset: dg.AssetsDefinition) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset,
        name="every_plot_rendered",
        description="No plot was skipped because of an error; a plot that the source has no data for is none.",
    )
    def every_plot_rendered(context: dg.AssetCheckExecutionContext, pipeline: PipelineResource) -> dg.AssetCheckResult:
        plots = artifacts.plots_of(pipeline.data_root.artifacts, context.run.run_id)
        group = asset.key.to_user_string().removeprefix("eda_")
        missing = [plot for plot in plots["missing"] if plot["group"] == group] if plots else []
        faults = [plot for plot in missing if plot["is_fault"]]
        return dg.AssetCheckResult(
            passed=not faults,
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join(f"{plot['name']}: {plot['reason']}" for plot in faults) or "every plot was rendered",
        )

    return every_plot_rendered


eda_reviews_rendered = _rendering_check(eda_reviews)
eda_users_rendered = _rendering_check(eda_users)
eda_segments_rendered = _rendering_check(eda_segments)
eda_history_rendered = _rendering_check(eda_history)


def _stored(
    context: dg.AssetExecutionContext, gallery: figures.Gallery, shown: Mapping[str, str], *, pipeline: PipelineResource
) -> dg.MaterializeResult:
    """Writes the plots and the report, and attaches thumbnails for the UI."""
    data_root = pipeline.data_root
    run_id = context.run.run_id
    folder = artifacts.write_gallery(data_root.artifacts, run_id, gallery, facts=shown, made_at=pipeline.now)
    # Asset metadata, because Dagster stores output metadata twice, in two events.
    context.add_asset_metadata(
        {
            "plots": dg.MetadataValue.md(_markdown(gallery, folder=f"{data_root.artifacts.name}/{run_id}")),
            "rendered": len(gallery.plots),
            "skipped": dg.MetadataValue.md(_skipped(gallery)),
            "report": dg.MetadataValue.path(str(folder / artifacts.REPORT_FILE)),
        }
    )
    return dg.MaterializeResult()


def _markdown(gallery: figures.Gallery, *, folder: str) -> str:
    """A table of two plots per row: thumbnails, captions, and the paths of the full-size images."""
    images = figures.thumbnails([plot.png for plot in gallery.plots])
    plots = [
        (
            f"![{markdown_escaped(plot.title)}](data:image/png;base64,{base64.b64encode(image).decode()})",
            markdown_escaped(plot.caption),
            f"`{folder}/{artifacts.plot_file(gallery.group, plot.name)}`",
        )
        for plot, image in zip(gallery.plots, images, strict=True)
    ]
    pairs = [plots[i : i + 2] for i in range(0, len(plots), 2)]
    rows = [f"| {' | '.join(cells)} |" for pair in pairs for cells in zip(*pair, strict=True)]
    return "\n".join([f"| {gallery.group} | |", "|---|---|", *rows])


def _skipped(gallery: figures.Gallery) -> str:
    return "\n".join(f"- {missing.name}: {markdown_escaped(missing.reason)}" for missing in gallery.missing) or "none"
