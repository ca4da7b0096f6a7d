"""A leaf asset that compares other algorithms with the published segments, on the nights a model was trained.

It never delays the segments: nothing is downstream of it and its step comes last. The statistics stand in
steps/segments/lifecycle/algorithm_comparison.py.
"""

import time
from collections.abc import Iterator

import dagster as dg
import narwhals as nw
import pandas as pd

from amzseg_pipeline.contracts.algorithms import ALGORITHM_COMPARISON
from amzseg_pipeline.contracts.model import FeatureScaling
from amzseg_pipeline.contracts.promotion import Challenger
from amzseg_pipeline.defs.checks import contract_check
from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.defs.ui_metadata.described import described_table
from amzseg_pipeline.steps.segments.lifecycle.algorithm_comparison import algorithm_comparison as comparison
from amzseg_pipeline.steps.segments.lifecycle.algorithm_comparison import comparison_sample
from amzseg_pipeline.storage.parquet.tables import pandas_frame


@dg.asset(
    **described_table(ALGORITHM_COMPARISON, stage="segments", kinds={"python", "scikitlearn"}),
    op_tags={"dagster/priority": "-1"},
    output_required=False,
)
def algorithm_comparison(
    context: dg.AssetExecutionContext,
    scaled_features: nw.LazyFrame,
    feature_scaling: FeatureScaling,
    challenger_model: Challenger,
    segment_assignments: nw.LazyFrame,
    pipeline: PipelineResource,
) -> Iterator[dg.Output[pd.DataFrame]]:
    """Nothing on a night without a challenger: users have hardly changed, and the last comparison still holds."""
    if challenger_model.model is None:
        context.log.info(f"no comparison of algorithms tonight, for there is no challenger: {challenger_model.reason}")
        return
    settings = pipeline.values
    sample = comparison_sample(scaled_features, segment_assignments, users=settings.comparison_users)
    users = pandas_frame(sample)
    compared = comparison(users, feature_scaling, settings, clock=time.perf_counter)
    yield dg.Output(compared, metadata={"comparison": _table(compared)})


algorithm_comparison_contract = contract_check(ALGORITHM_COMPARISON)


def _table(compared: pd.DataFrame) -> dg.MarkdownMetadataValue:
    head = ("algorithm", "clusters", "sizes", "noise", "silhouette", "again on 80 %", "as the champion", "seconds")
    rows = [
        f"| {row['algorithm']}({row['parameters']}) | "
        + (
            f"{row['failure']} | | | | | | |"
            if pd.notna(row["failure"])
            else f"{row['clusters']} | {row['sizes']} | {row['noise_share']:.1%} | {_number(row['silhouette'])} | "
            f"{_number(row['adjusted_rand_subsamples'])} | {_number(row['adjusted_rand_champion'])} | "
            f"{row['seconds']:.2f} |"
        )
        for row in compared.to_dict("records")
    ]
    return dg.MetadataValue.md("\n".join([f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *rows]))


def _number(value: float | None) -> str:
    return "" if pd.isna(value) else f"{value:.3f}"
