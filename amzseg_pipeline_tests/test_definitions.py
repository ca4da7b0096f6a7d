"""The definitions: metadata of each asset in the UI, code versions, and imports."""

import subprocess
import sys

import dagster as dg
import pytest

from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.contracts.tables import TABLES
from amzseg_pipeline.definitions import defs
from amzseg_pipeline.defs.code_versions import CODE_VERSIONS, STAGE_MODULES, imported_modules
from amzseg_pipeline.defs.column_lineage import LINEAGE_TABLES, column_lineage
from amzseg_pipeline.defs.settings_config import SettingsConfig

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
def test_every_asset_has_group_kinds_owner_and_description(name):
    spec = SPECS[name]
    assert spec.group_name in {"reviews", "users", "segments", "publish"}
    assert spec.kinds
    assert spec.owners
    assert len(spec.description) > 20
    assert len(spec.code_version) == 16


@pytest.mark.parametrize("name", TABLE_ASSETS)
def test_column_schema_equals_the_contract(name):
    schema = SPECS[name].metadata["dagster/column_schema"]
    assert tuple(column.name for column in schema.columns) == TABLES[name].column_names
    assert all(column.description for column in schema.columns)
    assert SPECS[name].metadata["dagster/table_name"] == name


def test_every_asset_has_a_check_and_table_checks_block():
    graph = defs.resolve_asset_graph()
    checked = {key.asset_key.to_user_string() for key in graph.asset_check_keys}
    assert checked >= set(SPECS) - {"feature_scaling", "challenger_model", "row_reconciliation"}
    for key in graph.asset_check_keys:
        assert graph.get(key).blocking or key.name in NEVER_BLOCKING


def test_definitions_load_without_heavy_libraries():
    heavy = {"sklearn", "scipy", "seaborn", "matplotlib", "streamlit", "joblib"}
    script = "import sys, amzseg_pipeline.definitions; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert heavy & set(loaded) == set()


@pytest.mark.parametrize(
    ("stage", "imported", "not_imported"),
    [
        ("reviews", ("steps.reviews.cleaning", "steps.pseudonyms", "storage.engines.duckdb"), ("steps.segments",)),
        ("users", ("steps.users", "storage.warehouse.cleaned_reviews"), ("steps.segments", "storage.snapshots")),
        ("segments", ("steps.segments.model.naming", "storage.previous_run"), ("steps.figures", "app.main")),
        ("publish", ("storage.snapshots.publisher", "contracts.publish"), ("steps.figures", "cli.main")),
    ],
)
def test_code_version_covers_every_module_that_shapes_a_table(stage, imported, not_imported):
    modules = {name.removeprefix("amzseg_pipeline.") for name in imported_modules(STAGE_MODULES[stage])}
    assert modules >= {f"defs.assets.{stage}", *imported}
    assert modules.isdisjoint({*not_imported, "defs.ui_metadata", "defs.code_versions"})
    own = {name.removeprefix("amzseg_pipeline.") for name in STAGE_MODULES[stage]}
    assert {name for name in modules if name.startswith("defs.assets.")} <= own


def test_every_asset_module_but_the_plots_belongs_to_a_stage():
    stages = {module for modules in STAGE_MODULES.values() for module in modules}
    assets = {spec.key: spec.group_name for spec in defs.resolve_all_asset_specs()}
    assert set(CODE_VERSIONS) == set(assets.values()) == set(STAGE_MODULES)
    assert stages >= {f"amzseg_pipeline.defs.assets.{name}" for name in ("reviews", "users", "segments", "publish")}


def test_every_module_found_at_run_time_is_found_by_its_imports():
    script = (
        "import sys, amzseg_pipeline.defs.assets.reviews;"
        "print(*(m for m in sys.modules if m.startswith('amzseg_pipeline.steps.reviews.')))"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded) <= set(imported_modules(STAGE_MODULES["reviews"]))


@pytest.mark.parametrize("name", sorted(LINEAGE_TABLES))
def test_column_lineage_covers_every_column_with_known_sources(name):
    lineage = column_lineage(name).deps_by_column
    assert tuple(lineage) == TABLES[name].column_names
    ancestors = dg.AssetSelection.assets(name).upstream(include_self=False).resolve(defs.resolve_asset_graph())
    for column, sources in lineage.items():
        assert sources, column
        for source in sources:
            assert source.column_name in TABLES[source.asset_key.to_user_string()].column_names, (column, source)
            assert source.asset_key in ancestors, (column, source)


def test_launchpad_has_every_setting_with_its_type_and_default():
    fields = SettingsConfig.to_fields_dict()
    assert fields.keys() == Settings.model_fields.keys()
    assert all("Default: " in field.description for field in fields.values())
    assert SettingsConfig(k=3, plots="off").overrides() == {"k": 3, "plots": "off"}


def test_asset_graph_has_no_edge_from_the_reviews_to_the_published_snapshot():
    parents = defs.resolve_asset_graph().get(dg.AssetKey("published_segments")).parent_keys
    assert {key.to_user_string() for key in parents} == set(TABLES) & {
        "segment_assignments",
        "segment_profiles",
        "segment_migrations",
        "segment_history",
    }
