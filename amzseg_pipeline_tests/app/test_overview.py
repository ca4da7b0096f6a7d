import json

import pytest
from streamlit.proto.Metric_pb2 import Metric

from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.snapshots import Snapshot, read_latest
from amzseg_pipeline_tests.app.pages import opened, prose
from amzseg_pipeline_tests.app.snapshots import publish_again


def test_the_numbers_are_those_of_the_snapshot(shown_data_root: DataRoot) -> None:
    snapshot = read_latest(shown_data_root.root)
    metrics = {metric.label: metric.value for metric in opened().metric}
    everyone = snapshot.segment_assignments()
    assert metrics["Users"] == f"{len(everyone):,}"
    assert metrics["Segments"] == "3"
    assert metrics["Reviews"] == f"{snapshot.run()['accounts']['cleaned']:,}"
    assert metrics["On the fence"] == f"{(everyone['margin'] < 0.1).mean() * 100:.1f}\N{NO-BREAK SPACE}%"


@pytest.mark.usefixtures("shown_home")
def test_each_segment_has_its_share_its_users_and_what_to_do_the_largest_first(snapshot: Snapshot) -> None:
    session = opened()
    text = prose(session)
    profiles = snapshot.segment_profiles().sort_values("users", ascending=False)
    for row in profiles.itertuples():
        assert f"{row.share * 100:.1f}\N{NO-BREAK SPACE}%" in text
        assert f"{row.users:,} users" in text
        for tactic in str(row.strategy).split(", "):
            assert tactic[1:] in text
    headings = [element.value for element in session.html if "<h3" in element.value]
    assert [name in heading for name, heading in zip(profiles["segment_name"], headings, strict=True)] == [True] * 3


@pytest.mark.usefixtures("shown_home")
def test_the_first_snapshot_has_nothing_to_be_compared_with() -> None:
    session = opened()
    assert "nothing to compare it with yet" in prose(session)
    assert [metric.delta for metric in session.metric] == ["", "", "", ""]


def test_a_snapshot_published_under_an_open_page_is_shown_at_its_next_run(shown_data_root: DataRoot) -> None:
    session = opened()
    assert "Snapshot 1 ·" in prose(session)
    publish_again(shown_data_root)
    text = prose(session.run())
    assert "Snapshot 2 ·" in text
    assert "share unchanged" in text


def test_a_second_night_tells_what_changed_who_moved_and_why(second_run: DataRoot) -> None:
    after = read_latest(second_run.root)
    migrations = after.segment_migrations()
    of = migrations.groupby("cause")["users"].sum()
    known, stayed, behaviour = int(of.sum()), int(of["stayed"]), int(of["behaviour"])
    assert behaviour > 0
    session = opened()
    text = prose(session)
    share = f"{100 * stayed / known:.1f}\N{NO-BREAK SPACE}%"
    assert f"{stayed:,} of {known:,} users stayed where they were ({share})" in text
    assert f"{behaviour:,} moved, 0 of them because of a new model alone" in text
    assert f"0 are new and {of['left']:,} have left" in text
    change = after.rows("segment_assignments") - known
    users = next(metric for metric in session.metric if metric.label == "Users")
    assert users.delta == f"\N{MINUS SIGN}{-change:,}"
    assert users.proto.direction == Metric.MetricDirection.DOWN
    flows = next(element.value for element in session.html if "Part of that segment" in element.value)
    for row in migrations[migrations["cause"] == "behaviour"].itertuples():
        assert row.from_segment_name in flows
        assert row.to_segment_name in flows
        assert f">{row.users:,}<" in flows
    (chart,) = session.get("plotly_chart")
    lines = {each["name"]: each for each in json.loads(chart.proto.spec)["data"] if each.get("name")}
    assert set(lines) == set(after.segment_profiles()["segment_name"])
    assert all(list(line["x"]) == [1, 2] for line in lines.values())
