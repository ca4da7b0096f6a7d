"""Everything Dagster is told of: what the UI shows of each asset, and that nothing heavy is loaded for it."""

import subprocess
import sys

import dagster as dg
import pytest

from amzseg_pipeline.contracts.tables import TABLES
from amzseg_pipeline.definitions import defs

SPECS = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
TABLE_ASSETS = sorted(set(TABLES) & set(SPECS))
NEVER_BLOCKING = {
    "names_fit",
    "snapshot_is_intact",
    "every_plot_rendered",
    "no_drift",
    "no_model_pending",
    "no_review_from_the_future",
}


def test_definitions_load():
    dg.Definitions.validate_loadable(defs)


def test_every_table_of_the_contract_is_an_asset():
    assert set(TABLES) <= set(SPECS)


@pytest.mark.parametrize("name", sorted(SPECS))
def test_every_asset_says_what_it_is(name):
    spec = SPECS[name]
    assert spec.group_name in {"reviews", "users", "segments", "publish"}
    assert spec.kinds
    assert spec.owners
    assert len(spec.description) > 20
    assert len(spec.code_version) == 16


@pytest.mark.parametrize("name", TABLE_ASSETS)
def test_every_table_shows_its_columns_as_the_contract_has_them(name):
    schema = SPECS[name].metadata["dagster/column_schema"]
    assert tuple(column.name for column in schema.columns) == TABLES[name].column_names
    assert all(column.description for column in schema.columns)
    assert SPECS[name].metadata["dagster/table_name"] == name


def test_every_asset_but_leaves_has_a_check_and_all_that_may_stop_a_bad_table_block():
    graph = defs.resolve_asset_graph()
    checked = {key.asset_key.to_user_string() for key in graph.asset_check_keys}
    assert checked >= set(SPECS) - {"feature_scaling", "challenger_model"}
    for key in graph.asset_check_keys:
        assert graph.get(key).blocking or key.name in NEVER_BLOCKING


def test_definitions_load_without_the_heavy_libraries():
    heavy = {"sklearn", "scipy", "seaborn", "matplotlib", "streamlit", "pyspark", "joblib"}
    script = "import sys, amzseg_pipeline.definitions; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert heavy & set(loaded) == set()
