"""The overview page."""

import json

import pytest
from streamlit.proto.Metric_pb2 import Metric

from amzseg_pipeline.presentation.actions import actions
from amzseg_pipeline.presentation.formatting import day
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.snapshots import Snapshot, read_latest
from amzseg_pipeline.storage.snapshots.snapshot import pointer_to, snapshot_at
from amzseg_pipeline_tests.app.pages import one_line, opened, prose
from amzseg_pipeline_tests.app.snapshots import publish_again, rewrite_manifest


def test_metrics_match_the_snapshot(sample_data_root: DataRoot) -> None:
    snapshot = read_latest(sample_data_root.root)
    metrics = {metric.label: metric.value for metric in opened().metric}
    users = snapshot.segment_assignments()
    assert metrics["Users"] == f"{len(users):,}"
    assert metrics["Segments"] == "3"
    assert metrics["Reviews"] == f"{snapshot.run()['row_reconciliation']['cleaned']:,}"
    assert metrics["Unclear segment"] == f"{(users['margin'] < 0.1).mean() * 100:.1f}%"


@pytest.mark.usefixtures("sample_data_root")
def test_segments_are_listed_by_size_with_strategy(snapshot: Snapshot) -> None:
    session = opened()
    text = prose(session)
    profiles = snapshot.segment_profiles().sort_values("users", ascending=False)
    for row in profiles.itertuples():
        assert f"{row.share * 100:.1f}%" in text
        assert f"{row.users:,} users" in text
        for action in actions(str(row.strategy)):
            assert action.text in text
    spend = snapshot.segment_assignments().groupby("segment_name")["total_spend"].sum()
    assert f"**{spend.idxmax()}** bring the most money: {spend.max() / spend.sum() * 100:.1f}% of spend" in text
    headings = [element.value for element in session.html if "<h3" in element.value]
    assert [name in heading for name, heading in zip(profiles["segment_name"], headings, strict=True)] == [True] * 3


def test_the_first_snapshot_is_not_compared(sample_data_root: DataRoot) -> None:
    session = opened()
    assert "nothing to compare it with yet" in prose(session)
    (confidence,) = read_latest(sample_data_root.root).segment_profiles()["k_confidence"].unique()
    assert [metric.delta for metric in session.metric] == ["", f"{confidence} confidence", "", ""]


def test_an_open_page_shows_a_newer_snapshot(shown_data_root: DataRoot) -> None:
    session = opened()
    assert "Snapshot 1 ·" in prose(session)
    publish_again(shown_data_root)
    text = prose(session.run())
    assert "Snapshot 2 ·" in text
    assert text.count("share unchanged") == 3


def test_snapshots_are_compared_only_with_their_predecessor(shown_data_root: DataRoot) -> None:
    publish_again(shown_data_root)
    rewrite_manifest(shown_data_root, predecessor=1)
    session = opened()
    assert prose(session).count("share unchanged") == 3
    assert session.metric[0].delta == "unchanged"
    rewrite_manifest(shown_data_root, predecessor=None)
    session = opened()
    assert "share unchanged" not in prose(session)
    assert session.metric[0].delta == ""


def test_only_the_table_that_is_read_of_the_predecessor_is_verified(shown_data_root: DataRoot) -> None:
    before = read_latest(shown_data_root.root)
    for damaged, delta in (("segment_assignments", "unchanged"), ("segment_profiles", "")):
        publish_again(shown_data_root)
        path = snapshot_at(shown_data_root.published, pointer_to(shown_data_root.published, 1)).table_path(damaged)
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        rewrite_manifest(shown_data_root, predecessor=before.sequence)
        assert opened().metric[0].delta == delta


@pytest.mark.usefixtures("sample_data_root")
def test_cards_show_spend_reasons_and_actions(snapshot: Snapshot) -> None:
    users = snapshot.segment_assignments()
    spend = (users["avg_spend"] * users["priced_reviews"]).groupby(users["segment_id"]).sum()
    text = one_line(opened())
    for share in spend / spend.sum():
        assert f"{100 * share:.1f}% of spend" in text
    assert "on average, all users" in text
    assert "Send coupons (email): they choose discounted items" in text


def test_the_second_run_shows_migrations_and_history(second_run: DataRoot) -> None:
    after = read_latest(second_run.root)
    migrations = after.segment_migrations()
    of = migrations.groupby("cause")["users"].sum()
    known, stayed, behaviour = int(of.sum()), int(of["stayed"]), int(of["behaviour"])
    assert behaviour > 0
    session = opened()
    text = prose(session)
    share = f"{100 * stayed / known:.1f}%"
    assert f"{stayed:,} of {known:,} users stayed in their segment ({share})" in text
    assert f"{behaviour:,} moved, 0 of them only because of a new model" in text
    assert f"0 are new and {of['left']:,} have left" in text
    change = after.rows("segment_assignments") - known
    users = next(metric for metric in session.metric if metric.label == "Users")
    assert users.delta == f"\N{MINUS SIGN}{-change:,}"
    assert users.proto.direction == Metric.MetricDirection.DOWN
    flows = next(element.value for element in session.html if "Share of the segment they left" in element.value)
    for row in migrations[migrations["cause"] == "behaviour"].itertuples():
        assert row.from_segment_name in flows
        assert row.to_segment_name in flows
        assert f">{row.users:,}<" in flows
    (chart,) = session.get("plotly_chart")
    lines = {each["name"]: each for each in json.loads(chart.proto.spec)["data"] if each.get("name")}
    assert set(lines) == set(after.segment_profiles()["segment_name"])
    date = day(after.segment_history()["as_of"].iloc[0])
    assert all(list(line["x"]) == [date, f"{date} (2)"] for line in lines.values())
