"""The job on real files: from exports to a published snapshot, and what happens on errors."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from amzseg_pipeline import has_snapshot, read_latest
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.contracts.tables import TABLES
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.warehouse.catalog import table_frame
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.storage.landing.synthetic_exports import sales_csv

EXPORT = sales_csv([{}] * 12)
NOW = datetime(2026, 1, 1, 2, tzinfo=UTC)


@pytest.fixture
def sample_data_root(_sample_run):
    """The shared data root with one published snapshot of the bundled sample."""
    return DataRoot(_sample_run)


def test_sample_has_three_segments_named_after_personas(sample_data_root):
    snapshot = read_latest(sample_data_root.root)
    assert set(snapshot.segment_profiles()["segment_name"]) == {"Deal Seekers", "Casual Buyers", "Premium Loyalists"}
    assert set(snapshot.segment_profiles()["segment_id"]) == {"S0001", "S0002", "S0003"}
    assert snapshot.currency == "INR"


def test_snapshot_reconciles_rows_and_lists_checks(sample_data_root):
    run = read_latest(sample_data_root.root).run()
    row_reconciliation = run["row_reconciliation"]
    assert (row_reconciliation["raw"], row_reconciliation["cleaned"], row_reconciliation["duplicates"]) == (
        2_933,
        2_738,
        192,
    )
    assert row_reconciliation["rejected"] == 3
    assert {check["asset"] for check in run["checks"]} >= {"cleaned_reviews", "user_features", "segment_assignments"}
    assert all(check["passed"] for check in run["checks"])


def test_a_run_checks_the_reviews_that_no_earlier_run_has_checked(tmp_path):
    def checked(**options):
        run = read_latest(scenario.published(data_root, **options).root).run()
        key = ("cleaned_reviews", "schema_contract")
        [description] = [check["description"] for check in run["checks"] if (check["asset"], check["check"]) == key]
        return description.removeprefix("every row meets the contract; checked: ")

    data_root = scenario.data_root_with(tmp_path, export=EXPORT)
    assert checked() == "all 2 parts"
    scenario.data_root_with(tmp_path, more=sales_csv([{"user_id": "X,Y"}]))
    assert checked() == "2 of 3 parts; the others were checked by earlier runs"
    assert checked(force=True) == "all 3 parts"


@pytest.mark.parametrize("name", ["segment_assignments", "segment_profiles"])
def test_all_readers_read_the_same_types_and_rows(sample_data_root, name):
    path = read_latest(sample_data_root.root).table_path(name)
    arrow = pq.read_table(path)
    assert arrow.column_names == list(TABLES[name].column_names)
    rows = arrow.to_pylist()
    assert pl.read_parquet(path).to_dicts() == rows
    assert duckdb.connect().read_parquet(str(path)).to_arrow_table().to_pylist() == rows
    assert pd.read_parquet(path, dtype_backend="pyarrow").to_dict("records") == pd.DataFrame(
        rows, dtype=object
    ).convert_dtypes(dtype_backend="pyarrow").to_dict("records")


def test_features_equal_an_independent_computation(sample_data_root):
    users = read_latest(sample_data_root.root).segment_assignments().set_index("user_id")
    plain = plain_features(scenario.SAMPLE)
    assert set(users.index) == set(plain.index)
    for feature in plain.columns:
        expected = plain[feature].reindex(users.index)
        pd.testing.assert_series_equal(
            users[feature].astype(float), expected.astype(float), check_names=False, rtol=1e-12, atol=0
        )


def plain_features(export: Path) -> pd.DataFrame:
    """The five features per user, computed without the pipeline."""
    listings = pd.read_csv(export, dtype=str, keep_default_na=False)
    rows = []
    for listing in listings.to_dict("records"):
        users, reviews = listing["user_id"].split(","), listing["review_id"].split(",")
        if len(users) != len(reviews):
            continue
        paid, listed = (
            round(float(listing[name].strip("₹").replace(",", "")) * 100)
            for name in ("discounted_price", "actual_price")
        )
        ratings = listing["rating_count"].replace(",", "")
        for user, review in zip(users, reviews, strict=True):
            if user.strip():
                rows.append(
                    {
                        "user": user.strip(),
                        "review": review.strip(),
                        "order": (-int(ratings) if ratings else 1, listing["product_id"], paid, listed),
                        "rating": float(listing["rating"]) if listing["rating"] != "|" else None,
                        "paid": paid / 100,
                        "discount": round((listed - paid) / listed * 10_000) / 100,
                    }
                )
    kept = pd.DataFrame(rows).sort_values("order", kind="stable").drop_duplicates(["user", "review"])
    by_user = kept.groupby("user")
    features = pd.DataFrame(
        {
            "total_reviews": by_user.size(),
            "avg_rating": by_user["rating"].mean(),
            "avg_discount": by_user["discount"].mean(),
            "avg_spend": by_user["paid"].mean(),
        }
    )
    return features.assign(engagement_score=features["total_reviews"] * features["avg_rating"])


def test_forced_run_publishes_the_same_bytes(one_export):
    data_root = one_export
    first = read_latest(data_root.root)
    assert scenario.run(data_root, force=True, now=NOW).success
    second = read_latest(data_root.root)
    assert scenario.run(data_root, force=True, now=NOW).success
    third = read_latest(data_root.root)
    assert (second.sequence, third.sequence) == (2, 3)
    for table in ("segment_assignments", "segment_profiles", "segment_migrations"):
        assert second.table_path(table).read_bytes() == third.table_path(table).read_bytes()
    assert first.table_path("segment_profiles").read_bytes() == second.table_path("segment_profiles").read_bytes()
    assert first.model_document() == second.model_document() == third.model_document()


def test_model_and_row_count_of_the_sample_are_not_compared_with_real_users(tmp_path):
    data_root = scenario.data_root_with(
        tmp_path, sample_amazon=sales_csv([{"user_id": "A,B"}, {"user_id": "A,C"}] * 60)
    )
    assert scenario.run(data_root).success
    sample_snapshot = read_latest(data_root.root)
    scenario.data_root_with(tmp_path, export=EXPORT)
    assert scenario.run(data_root).success
    snapshot = read_latest(data_root.root)
    assert snapshot.sequence == 2
    assert [batch["path"] for batch in snapshot.inputs] == ["export.csv"]
    assert snapshot.model_version != sample_snapshot.model_version
    assert snapshot.segment_profiles()["users"].min() > 0
    assert snapshot.segment_assignments()["previous_segment_id"].isna().all()


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (EXPORT[: len(EXPORT) // 2], "looks cut"),
        (b"a,b\n1,2\n", "no known format"),
        (EXPORT.replace(b"braided", b"caf\xe9"), "not UTF-8"),
        (b"", "is empty"),
        (sales_csv([]), "header"),
    ],
)
def test_broken_export_fails_the_run_and_the_snapshot_stays(one_export, broken, message):
    data_root = one_export
    scenario.data_root_with(data_root.root, broken=broken)
    result = scenario.run(data_root)
    assert not result.success
    assert scenario.materialised(result) == set()
    assert "broken.csv" in scenario.failure(result)
    assert message in scenario.failure(result)
    assert read_latest(data_root.root).sequence == 1


@pytest.mark.parametrize(
    ("export", "message"),
    [
        (sales_csv([{}] * 9 + [{"user_id": "U1"}]), "rejected 5.3% (the lists of users and reviews differ in length"),
        (sales_csv([{"rating": "|"}] * 2 + [{}] * 8), "unreadable rating 20.0% (not a rating from 1 to 5"),
        (sales_csv([{"discounted_price": "free"}] * 2 + [{}] * 8), "two decimals, such as 'free'); the limit is 5.0%"),
    ],
)
def test_failed_blocking_check_stops_downstream_assets(tmp_path, export, message):
    data_root = scenario.data_root_with(tmp_path, export=export)
    result = scenario.run(data_root)
    assert not result.success
    [failed] = [evaluation for evaluation in result.get_asset_check_evaluations() if not evaluation.passed]
    assert failed.check_name == "rejection_rate"
    assert message in failed.description
    assert "user_features" not in scenario.materialised(result)
    assert not has_snapshot(data_root.root)


def test_warehouse_tables_have_the_types_of_their_contract(sample_data_root, tmp_path):
    engine = Engine(Settings(), temporary=tmp_path / "temporary")
    for name in ("cleaned_reviews", "rejected_reviews", "user_features", "scaled_features", "segment_assignments"):
        schema = table_frame(sample_data_root.warehouse, name, engine).collect("pyarrow").to_native().schema
        types = {"string": "string", "int64": "int64", "float64": "double", "bool": "bool", "date": "date32[day]"}
        assert {field.name: str(field.type) for field in schema} == {
            column.name: types[column.type] for column in TABLES[name].columns
        }
    engine.close()


@pytest.mark.real_data
def test_publishes_the_known_result_of_the_real_export(tmp_path, real_data):
    data_root = scenario.data_root_with(tmp_path)
    shutil.copy(real_data / "amazon.csv", data_root.landing)
    assert scenario.run(data_root, settings={"k": 3, "k_max": 4, "n_init": 2, "prediction_splits": 2}).success
    snapshot = read_latest(data_root.root)
    row_reconciliation = snapshot.run()["row_reconciliation"]
    assert (row_reconciliation["raw"], row_reconciliation["cleaned"], row_reconciliation["duplicates"]) == (
        11_503,
        9_269,
        2_234,
    )
    assert row_reconciliation["rejected"] == 0
    assert row_reconciliation["unreadable"] == {"rating": 8}
    users = snapshot.segment_assignments()
    assert len(users) == users["user_id"].nunique() == 9_050
    assert int(users["avg_rating"].isna().sum()) == 8
    assert users["segment_id"].notna().all()
    names = set(snapshot.segment_profiles()["segment_name"])
    assert names == {"Deal Seekers", "Casual Buyers", "Regular Shoppers"}
    manifest = json.loads((snapshot.path / "datapackage.json").read_text())
    assert [batch["path"] for batch in manifest["inputs"]] == ["amazon.csv"]
