import pytest

from amzseg_pipeline.storage.home import Home
from amzseg_pipeline.storage.snapshots import Snapshot, read_latest
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.app.pages import opened, prose


def test_the_numbers_are_those_of_the_snapshot(shown_home: Home) -> None:
    snapshot = read_latest(shown_home.root)
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


def test_a_second_snapshot_is_shown_with_what_changed(shown_home: Home) -> None:
    session = opened()
    lines = scenario.SAMPLE.read_bytes().splitlines(keepends=True)
    (shown_home.landing / "sample.csv").write_bytes(b"".join(lines[:-60]))
    before = read_latest(shown_home.root)
    assert scenario.run(shown_home, settings={"n_init": 1, "k": 3}, force=True).success
    after = read_latest(shown_home.root)
    assert after.sequence == before.sequence + 1
    text = prose(session.run())
    assert "Snapshot 2 ·" in text
    assert "nothing to compare it with yet" not in text
    change = after.rows("segment_assignments") - before.rows("segment_assignments")
    assert change < 0
    assert next(metric.delta for metric in session.metric if metric.label == "Users") == f"\N{MINUS SIGN}{-change:,}"
