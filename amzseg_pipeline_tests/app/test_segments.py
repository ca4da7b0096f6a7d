import json
from pathlib import Path

import pytest

from amzseg_pipeline.storage.snapshots import Snapshot
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.app.pages import errors, opened, prose
from amzseg_pipeline_tests.storage.landing.synthetic_exports import canonical_csv

pytestmark = pytest.mark.usefixtures("shown_home")


def test_every_segment_can_be_chosen_and_shows_its_own_users(snapshot: Snapshot) -> None:
    everyone = snapshot.segment_assignments()
    session = opened("segments")
    for segment_id, users in everyone.groupby("segment_id"):
        session.button_group(key="segment").set_value(segment_id).run()
        assert errors(session) == []
        assert f"{len(users):,} users" in prose(session)
        shown = session.dataframe[0].value
        nearest = users.sort_values(["distance", "user_id"])["user_id"].head(100)
        assert list(shown["User"]) == list(nearest)
        links = [link.proto for link in session.get("link_button")]
        assert [link.label for link in links] == ["Download as CSV", "Download as parquet"]
        assert [
            link.url.endswith(f"/1/{segment_id}/{name}") for link, name in zip(links, ("csv", "parquet"), strict=True)
        ]


def test_the_users_can_be_ordered_by_doubt(snapshot: Snapshot) -> None:
    everyone = snapshot.segment_assignments()
    session = opened("segments")
    session.button_group(key="segment").set_value("S0002").run()
    session.selectbox(key="order").set_value("undecided").run()
    users = everyone[everyone["segment_id"] == "S0002"].sort_values(["margin", "user_id"])
    assert list(session.dataframe[0].value["User"]) == list(users["user_id"].head(100))


def test_every_feature_has_its_distribution_and_every_chart_its_segments() -> None:
    session = opened("segments")
    for feature in ("total_reviews", "avg_rating", "avg_discount", "avg_spend", "engagement_score"):
        session.button_group(key="feature").set_value(feature).run()
        assert errors(session) == []
        charts = [json.loads(chart.proto.spec) for chart in session.get("plotly_chart")]
        assert len(charts) == 3
        for chart in charts:
            names = {trace.get("name") for trace in chart["data"] if trace.get("showlegend") is not False}
            assert names == {"Deal Seekers", "Casual Buyers", "Premium Loyalists"}


def test_of_a_source_without_list_prices_no_discount_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    priced = [{"user_id": f"U{n}", "item_id": "I", "paid_price": str(9 + n % 4 * 30)} for n in range(40)]
    data_root = scenario.data_root_with(tmp_path, export=canonical_csv(priced))
    assert scenario.run(data_root).success
    monkeypatch.setenv("AMZSEG_DATA", str(data_root.root))
    session = opened("segments")
    assert errors(session) == []
    features = session.button_group(key="feature")
    assert (features.value, len(features.options)) == ("total_reviews", 4)


@pytest.mark.parametrize(("least", "is_told"), [("0", False), ("1", True)])
def test_a_name_that_says_little_is_told_from_the_limit_on_that_the_check_has(
    least: str, is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMZSEG_MIN_NAME_FIT", least)
    assert ("read the profile, not the name" in prose(opened("segments"))) is is_told


def test_a_segment_has_one_colour_on_every_chart() -> None:
    session = opened("segments")
    colours: dict[str, set[str]] = {}
    for chart in session.get("plotly_chart"):
        for trace in json.loads(chart.proto.spec)["data"]:
            colour = trace.get("marker", {}).get("color") or trace.get("line", {}).get("color")
            if trace.get("name"):
                colours.setdefault(trace["name"], set()).add(colour)
    assert all(len(found) == 1 for found in colours.values())
    assert len(set.union(*colours.values())) == 3


def test_the_profile_of_all_users_is_the_mean_of_all(snapshot: Snapshot) -> None:
    everyone = snapshot.segment_assignments()
    text = prose(opened("segments"))
    assert f"{everyone['avg_discount'].mean():,.1f}" in text
    assert f"₹{everyone['avg_spend'].mean():,.0f}" in text


def test_a_segment_of_the_address_that_does_not_exist_is_none_of_ours() -> None:
    session = opened("segments")
    session.query_params["segment"] = "<script>alert(1)</script>"
    session.run()
    assert errors(session) == []
    assert "script" not in prose(session)
