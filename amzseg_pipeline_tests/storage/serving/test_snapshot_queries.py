import gc
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import duckdb
import numpy as np
import pandas as pd
import pytest

from amzseg_pipeline.contracts.errors import SnapshotError
from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.serving.snapshot_queries import UNDECIDED_MARGIN, Bins, PublishedUsers
from amzseg_pipeline.storage.snapshots import Snapshot


@pytest.fixture
def users(snapshot: Snapshot) -> PublishedUsers:
    return PublishedUsers(snapshot)


@pytest.fixture
def everyone(snapshot: Snapshot) -> pd.DataFrame:
    return snapshot.segment_assignments()


def test_a_user_is_found_with_every_column_of_their_row(users: PublishedUsers, everyone: pd.DataFrame) -> None:
    for _, row in everyone.sample(5, random_state=1).iterrows():
        found = users.user(row["user_id"])
        assert found is not None
        assert list(found) == list(everyone.columns)
        assert {name: found[name] for name in ("segment_id", "total_reviews", "distance")} == {
            name: row[name] for name in ("segment_id", "total_reviews", "distance")
        }


def test_a_value_that_is_missing_is_none(users: PublishedUsers, everyone: pd.DataFrame) -> None:
    unrated = everyone.loc[everyone["avg_rating"].isna(), "user_id"].iloc[0]
    found = users.user(unrated)
    assert found is not None
    assert found["avg_rating"] is None


@pytest.mark.parametrize("text", ["", "nobody", "'; DROP TABLE users; --", "%", "*", "\0", "é" * 10_000, "{users}"])
def test_there_is_no_user_of_such_an_id(users: PublishedUsers, text: str) -> None:
    assert users.user(text) is None


@pytest.mark.parametrize("length", [0, 1, 3, 28])
def test_ids_are_found_by_their_beginning_in_order(users: PublishedUsers, everyone: pd.DataFrame, length: int) -> None:
    start = everyone["user_id"].iloc[700][:length]
    expected = sorted(each for each in everyone["user_id"] if each.startswith(start))[:20]
    assert list(users.ids_starting_with(start, most=20)["user_id"]) == expected


@pytest.mark.parametrize("text", ["zzz", "\U0010ffff", "_", "%"])
def test_no_id_starts_so(users: PublishedUsers, text: str) -> None:
    assert users.ids_starting_with(text, most=5).empty


def test_examples_are_the_users_nearest_the_centres(users: PublishedUsers, everyone: pd.DataFrame) -> None:
    nearest = everyone.sort_values(["distance", "user_id"]).groupby("segment_id")["user_id"].first()
    assert dict(users.examples().set_index("segment_id")["user_id"]) == dict(nearest)


def test_means_and_medians_are_those_of_all_users_who_have_the_value(
    users: PublishedUsers, everyone: pd.DataFrame
) -> None:
    assert users.means() == pytest.approx({name: everyone[name].mean() for name in FEATURES})
    assert users.medians() == pytest.approx({name: everyone[name].median() for name in FEATURES})


def test_doubts_are_counted_per_segment(users: PublishedUsers, everyone: pd.DataFrame) -> None:
    doubts = users.doubts().set_index("segment_id")
    for segment_id, group in everyone.groupby("segment_id"):
        assert doubts.loc[segment_id].to_dict() == {
            "undecided": (group["margin"] < UNDECIDED_MARGIN).sum(),
            "outliers": group["is_outlier"].sum(),
            "low_evidence": group["is_low_evidence"].sum(),
        }


@pytest.mark.parametrize("feature", FEATURES)
def test_histograms_count_every_user_once_where_numpy_counts_them(
    users: PublishedUsers, everyone: pd.DataFrame, feature: str
) -> None:
    bins = users.bins(feature)
    found = users.histograms(feature, bins)
    for segment_id, group in everyone.dropna(subset=[feature]).groupby("segment_id"):
        inside = np.clip(group[feature], bins.edges[0], np.nextafter(bins.edges[-1], 0))
        counts = np.histogram(inside, bins.edges)[0]
        of_segment = found[found["segment_id"] == segment_id].set_index("bin")["users"]
        assert of_segment.sum() == len(group)
        # On a logarithmic scale a value on an edge may fall to either side by rounding.
        assert abs(of_segment.reindex(range(bins.count), fill_value=0) - counts).sum() <= 4 * bins.is_log


@pytest.mark.parametrize("feature", FEATURES)
def test_bins_rise_and_cover_the_middle(users: PublishedUsers, everyone: pd.DataFrame, feature: str) -> None:
    bins = users.bins(feature)
    assert (np.diff(bins.edges) > 0).all()
    low, high = everyone[feature].quantile([0.005, 0.995])
    assert bins.edges[0] <= low * 1.000001
    assert bins.edges[-1] >= high * 0.999999
    assert bins.count <= 32


@pytest.mark.parametrize("call", ["bins", "histograms"])
def test_what_is_no_feature_is_never_put_into_a_question(users: PublishedUsers, call: str) -> None:
    arguments = {"bins": (), "histograms": (Bins((0.0, 1.0)),)}[call]
    with pytest.raises(ValueError, match="is no feature"):
        getattr(users, call)("1); DROP TABLE users", *arguments)


def test_the_sample_is_bounded_and_always_the_same(users: PublishedUsers, snapshot: Snapshot) -> None:
    sample = users.sample(users=300)
    assert len(sample) == 300
    assert list(sample.columns) == ["segment_id", *FEATURES]
    pd.testing.assert_frame_equal(sample, PublishedUsers(snapshot).sample(users=300))
    assert len(users.sample(users=10**6)) == snapshot.rows("segment_assignments")


@pytest.mark.parametrize(
    ("order", "column", "ascending"),
    [("typical", "distance", True), ("undecided", "margin", True), ("extreme", "distance", False)],
)
def test_users_of_a_segment_come_in_the_order_asked_for(
    users: PublishedUsers, everyone: pd.DataFrame, order: str, column: str, ascending: bool
) -> None:
    found = users.of_segment("S0002", order=order, most=10)
    expected = everyone[everyone["segment_id"] == "S0002"].sort_values([column, "user_id"], ascending=[ascending, True])
    assert list(found["user_id"]) == list(expected["user_id"].head(10))


def test_twenty_threads_ask_at_once(users: PublishedUsers, everyone: pd.DataFrame) -> None:
    ids = list(everyone["user_id"].head(60))
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(users.user, ids))
    assert [row and row["user_id"] for row in found] == ids


@pytest.mark.parametrize("damage", ["gone", "garbage"])
def test_a_file_that_was_damaged_after_opening_is_an_error_in_words(
    users: PublishedUsers, snapshot: Snapshot, damage: str
) -> None:
    path = snapshot.table_path("segment_assignments")
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"garbage" * 1000)
    with pytest.raises(SnapshotError, match=r"segment_assignments\.parquet.*run the pipeline again"):
        users.means()


def test_a_snapshot_of_a_later_minor_version_with_more_columns_is_read_by_name(
    users: PublishedUsers, snapshot: Snapshot, everyone: pd.DataFrame
) -> None:
    path = snapshot.table_path("segment_assignments")
    everyone.assign(a_new_column=1)[["a_new_column", *everyone.columns[::-1]]].to_parquet(path)
    again = PublishedUsers(replace(snapshot))
    assert again.means() == pytest.approx(users.means())
    found = again.user(everyone["user_id"].iloc[0])
    assert found is not None
    assert found["a_new_column"] == 1


def test_the_connection_is_closed_with_whoever_asked(snapshot: Snapshot) -> None:
    users = PublishedUsers(snapshot)
    connection = users._connection
    assert users.means()["avg_rating"]
    del users
    gc.collect()
    with pytest.raises(duckdb.ConnectionException):
        connection.execute("SELECT 1")


def test_a_process_that_ends_while_it_still_could_ask_says_nothing(published_data_root: DataRoot) -> None:
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
