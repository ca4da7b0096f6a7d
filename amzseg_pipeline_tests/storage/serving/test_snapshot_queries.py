"""Queries of the published users."""

import gc
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date

import duckdb
import numpy as np
import pandas as pd
import pytest

from amzseg_pipeline.contracts.errors import SnapshotError
from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.presentation.segment_texts import LOW_MARGIN
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.serving.snapshot_queries import Bins, Campaign, PublishedUsers
from amzseg_pipeline.storage.snapshots import Snapshot


@pytest.fixture
def users(snapshot: Snapshot) -> PublishedUsers:
    return PublishedUsers(snapshot)


@pytest.fixture
def assignments(snapshot: Snapshot) -> pd.DataFrame:
    return snapshot.segment_assignments()


def test_a_user_has_every_column(users: PublishedUsers, assignments: pd.DataFrame) -> None:
    for _, row in assignments.sample(5, random_state=1).iterrows():
        found = users.user(row["user_id"])
        assert found is not None
        assert list(found) == list(assignments.columns)
        assert {name: found[name] for name in ("segment_id", "total_reviews", "distance")} == {
            name: row[name] for name in ("segment_id", "total_reviews", "distance")
        }


def test_missing_values_are_none(users: PublishedUsers, assignments: pd.DataFrame) -> None:
    unrated = assignments.loc[assignments["avg_rating"].isna(), "user_id"].iloc[0]
    found = users.user(unrated)
    assert found is not None
    assert found["avg_rating"] is None


@pytest.mark.parametrize("text", ["", "nobody", "'; DROP TABLE users; --", "%", "*", "\0", "é" * 10_000, "{users}"])
def test_unknown_ids_return_none(users: PublishedUsers, text: str) -> None:
    assert users.user(text) is None


@pytest.mark.parametrize("length", [0, 1, 3, 28])
def test_ids_are_found_by_prefix(users: PublishedUsers, assignments: pd.DataFrame, length: int) -> None:
    start = assignments["user_id"].iloc[700][:length]
    expected = sorted(each for each in assignments["user_id"] if each.startswith(start))[:20]
    assert list(users.ids_starting_with(start, limit=20)["user_id"]) == expected


@pytest.mark.parametrize("text", ["zzz", "\U0010ffff", "_", "%"])
def test_unknown_prefixes_find_nothing(users: PublishedUsers, text: str) -> None:
    assert users.ids_starting_with(text, limit=5).empty


def test_examples_are_nearest_to_the_centres(users: PublishedUsers, assignments: pd.DataFrame) -> None:
    nearest = assignments.sort_values(["distance", "user_id"]).groupby("segment_id")["user_id"].first()
    assert dict(users.examples().set_index("segment_id")["user_id"]) == dict(nearest)


def test_means_and_medians_ignore_missing_values(users: PublishedUsers, assignments: pd.DataFrame) -> None:
    assert users.means() == pytest.approx({name: assignments[name].mean() for name in FEATURES})
    assert users.medians() == pytest.approx({name: assignments[name].median() for name in FEATURES})


def test_totals_per_segment(users: PublishedUsers, assignments: pd.DataFrame) -> None:
    totals = users.totals(low_margin=LOW_MARGIN).set_index("segment_id")
    for segment_id, group in assignments.groupby("segment_id"):
        row = totals.loc[segment_id]
        assert row["users"] == len(group)
        assert row["low_confidence"] == (group["margin"] < LOW_MARGIN).sum()
        assert row["outliers"] == group["is_outlier"].sum()
        assert row["low_evidence"] == group["is_low_evidence"].sum()
        assert row["spend"] == pytest.approx((group["avg_spend"] * group["priced_reviews"]).sum())
        for name in FEATURES:
            assert row[f"known_{name}"] == group[name].notna().sum()


CAMPAIGNS = {
    "members": (Campaign(), lambda users: users["segment_id"] == "S0002"),
    "high confidence": (
        Campaign(min_margin=0.3),
        lambda users: (users["segment_id"] == "S0002") & (users["margin"] >= 0.3),
    ),
    "several reviews, no outliers": (
        Campaign(several_reviews=True, no_outliers=True),
        lambda users: (users["segment_id"] == "S0002") & (users["total_reviews"] > 1) & ~users["is_outlier"],
    ),
    "lookalikes": (
        Campaign(audience="lookalikes"),
        lambda users: (
            (users["segment_id"] != "S0002") & (users["second_segment_id"] == "S0002") & (users["margin"] < 0.1)
        ),
    ),
    "joined": (
        Campaign(audience="joined", since=date(2020, 1, 1)),
        lambda users: (users["segment_id"] == "S0002") & (users["segment_since"] >= "2020-01-01"),
    ),
}


@pytest.mark.parametrize("name", CAMPAIGNS)
def test_campaign_lists_agree_with_pandas(users: PublishedUsers, assignments: pd.DataFrame, name: str) -> None:
    campaign, condition = CAMPAIGNS[name]
    listed = assignments[condition(assignments)]
    expected = list(listed["user_id"])
    assert users.campaign_size("S0002", campaign) == len(expected)
    if campaign.audience == "lookalikes":
        assert len(expected) > 1
        listed = listed.sort_values(["margin", "user_id"])
    assert list(users.campaign_users("S0002", campaign, limit=10)["user_id"]) == list(listed["user_id"])[:10]
    batches = users.campaign_batches("S0002", campaign, rows=100)
    assert [user_id for batch in batches for user_id in batch["user_id"].to_pylist()] == expected


@pytest.mark.parametrize("feature", FEATURES)
def test_histograms_agree_with_numpy(users: PublishedUsers, assignments: pd.DataFrame, feature: str) -> None:
    bins = users.bins(feature)
    found = users.histograms(feature, bins)
    for segment_id, group in assignments.dropna(subset=[feature]).groupby("segment_id"):
        inside = np.clip(group[feature], bins.edges[0], np.nextafter(bins.edges[-1], 0))
        counts = np.histogram(inside, bins.edges)[0]
        of_segment = found[found["segment_id"] == segment_id].set_index("bin")["users"]
        assert of_segment.sum() == len(group)
        # On a logarithmic scale a value on an edge may fall to either side by rounding.
        assert abs(of_segment.reindex(range(bins.count), fill_value=0) - counts).sum() <= 4 * bins.is_log


@pytest.mark.parametrize("feature", FEATURES)
def test_bins_increase_and_cover_the_middle(users: PublishedUsers, assignments: pd.DataFrame, feature: str) -> None:
    bins = users.bins(feature)
    assert (np.diff(bins.edges) > 0).all()
    low, high = assignments[feature].quantile([0.005, 0.995])
    assert bins.edges[0] <= low * 1.000001
    assert bins.edges[-1] >= high * 0.999999
    assert bins.count <= 32


@pytest.mark.parametrize("call", ["bins", "histograms"])
def test_only_features_reach_the_sql(users: PublishedUsers, call: str) -> None:
    arguments = {"bins": (), "histograms": (Bins((0.0, 1.0)),)}[call]
    with pytest.raises(ValueError, match="is not a feature"):
        getattr(users, call)("1); DROP TABLE users", *arguments)


def test_samples_are_bounded_and_reproducible(users: PublishedUsers, snapshot: Snapshot) -> None:
    sample = users.sample(users=300)
    assert len(sample) == 300
    assert list(sample.columns) == ["segment_id", *FEATURES]
    pd.testing.assert_frame_equal(sample, PublishedUsers(snapshot).sample(users=300))
    assert len(users.sample(users=10**6)) == snapshot.rows("segment_assignments")


@pytest.mark.parametrize(
    ("order", "column", "ascending"),
    [("typical", "distance", True), ("low_confidence", "margin", True), ("extreme", "distance", False)],
)
def test_users_of_a_segment_are_sorted(
    users: PublishedUsers, assignments: pd.DataFrame, order: str, column: str, ascending: bool
) -> None:
    found = users.of_segment("S0002", order=order, limit=10)
    expected = assignments[assignments["segment_id"] == "S0002"].sort_values(
        [column, "user_id"], ascending=[ascending, True]
    )
    assert list(found["user_id"]) == list(expected["user_id"].head(10))


def test_twenty_concurrent_queries(users: PublishedUsers, assignments: pd.DataFrame) -> None:
    ids = list(assignments["user_id"].head(60))
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(users.user, ids))
    assert [row and row["user_id"] for row in found] == ids


@pytest.mark.parametrize("damage", ["gone", "garbage"])
def test_damage_after_opening_raises_snapshot_error(users: PublishedUsers, snapshot: Snapshot, damage: str) -> None:
    path = snapshot.table_path("segment_assignments")
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"garbage" * 1000)
    with pytest.raises(SnapshotError, match=r"segment_assignments\.parquet.*run the pipeline again"):
        users.means()


def test_columns_are_read_by_name(users: PublishedUsers, snapshot: Snapshot, assignments: pd.DataFrame) -> None:
    path = snapshot.table_path("segment_assignments")
    assignments.assign(a_new_column=1)[["a_new_column", *assignments.columns[::-1]]].to_parquet(path)
    again = PublishedUsers(replace(snapshot))
    assert again.means() == pytest.approx(users.means())
    found = again.user(assignments["user_id"].iloc[0])
    assert found is not None
    assert found["a_new_column"] == 1


def test_the_connection_is_closed_with_the_object(snapshot: Snapshot) -> None:
    users = PublishedUsers(snapshot)
    connection = users._connection
    assert users.means()["avg_rating"]
    del users
    gc.collect()
    with pytest.raises(duckdb.ConnectionException):
        connection.execute("SELECT 1")


def test_an_open_connection_leaves_no_output_at_exit(published_data_root: DataRoot) -> None:
    script = f"""
import builtins, threading
from amzseg_pipeline.storage.snapshots import read_latest
from amzseg_pipeline.storage.serving.snapshot_queries import PublishedUsers
builtins.kept = users = PublishedUsers(read_latest({str(published_data_root.root)!r}))
threads = [threading.Thread(target=users.means) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
