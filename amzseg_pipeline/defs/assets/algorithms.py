"""A non-critical asset that compares other clustering algorithms with the published segments.

It never delays the segments: nothing is downstream of it, and its step runs last.
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
from amzseg_pipeline.defs.ui_metadata import algorithms_metadata, table_asset_arguments
from amzseg_pipeline.steps.segments.lifecycle import algorithm_comparison as algorithms
from amzseg_pipeline.storage.parquet.tables import pandas_frame


@dg.asset(
    **table_asset_arguments(ALGORITHM_COMPARISON, stage="segments", kinds={"python", "scikitlearn"}),
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
    """Skipped without a challenger; the latest comparison stays."""
    if challenger_model.model is None:
        context.log.info(f"algorithms are not compared without a challenger: {challenger_model.reason}")
        return
    settings = pipeline.resolved_settings
    sample = algorithms.comparison_sample(scaled_features, segment_assignments, users=settings.comparison_users)
    comparison = algorithms.algorithm_comparison(
        pandas_frame(sample), feature_scaling, settings, clock=time.perf_counter
    )
    yield dg.Output(comparison, metadata={"comparison": algorithms_metadata(comparison)})


algorithm_comparison_contract = contract_check(ALGORITHM_COMPARISON)
