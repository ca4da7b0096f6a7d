"""The page Segments."""

import json
import tomllib
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from amzseg_pipeline.app.charts.canvas import AXIS_TEXT
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.snapshots import Snapshot, read_latest
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.app.pages import MAIN, errors, opened, prose
from amzseg_pipeline_tests.storage.landing.synthetic_exports import canonical_csv

pytestmark = pytest.mark.usefixtures("sample_data_root")


def test_every_segment_shows_its_users(snapshot: Snapshot) -> None:
    assignments = snapshot.segment_assignments()
    session = opened("segments")
    for segment_id, users in assignments.groupby("segment_id"):
        session.button_group(key="segment").set_value(segment_id).run()
        assert errors(session) == []
        assert f"{len(users):,} users" in prose(session)
        shown = session.dataframe[0].value
        assert list(shown["User"]) == list(users["user_id"].head(100))
        links = [link.proto for link in session.get("link_button")]
        assert [link.label for link in links] == ["Download as CSV", "Download as Parquet"]
        assert all(
            f"/1/{segment_id}/" in link.url and link.url.endswith(name)
            for link, name in zip(links, ("csv", "parquet"), strict=True)
        )


def test_campaign_lists_have_filters(snapshot: Snapshot) -> None:
    assignments = snapshot.segment_assignments()
    session = opened("segments")
    session.button_group(key="segment").set_value("S0002").run()
    session.checkbox(key="several_reviews").check().run()
    session.selectbox(key="confidence").set_value(0.3).run()
    condition = (assignments["segment_id"] == "S0002") & (assignments["margin"] >= 0.3)
    members = assignments[condition & (assignments["total_reviews"] > 1)]
    assert f"**{len(members):,} user" in prose(session)
    session.button_group(key="audience").set_value("lookalikes").run()
    assert errors(session) == []
    segments = set(session.dataframe[0].value["Segment now"])
    close = (assignments["second_segment_id"] == "S0002") & (assignments["margin"] < 0.1)
    assert segments == set(assignments.loc[close, "segment_name"])
    assert session.button_group(key="audience").options == ["Members", "Lookalikes"]


def test_two_segments_can_be_compared() -> None:
    session = opened("segments")
    session.button_group(key="segment").set_value("S0002").run()
    session.button_group(key="compare_S0002").set_value("S0001").run()
    assert errors(session) == []
    table = next(
        element.value for element in session.html if "Share of spend" in element.value and "<th" in element.value
    )
    assert "Share of users" in table
    assert "on average" in prose(session)


def test_links_name_the_segment_by_id() -> None:
    session = AppTest.from_file(str(MAIN), default_timeout=60)
    session.query_params["segment"] = "S0002"
    session.run().switch_page("app_pages/segments.py").run()
    session.button_group(key="segment").set_value("S0003").run()
    assert session.query_params["segment"] in ("S0003", ["S0003"])


def test_every_feature_has_a_distribution_chart() -> None:
    session = opened("segments")
    for feature in ("total_reviews", "avg_rating", "avg_discount", "avg_spend", "engagement_score"):
        session.button_group(key="feature").set_value(feature).run()
        assert errors(session) == []
        charts = [json.loads(chart.proto.spec) for chart in session.get("plotly_chart")]
        assert len(charts) == 3
        for chart in charts:
            names = {trace.get("name") for trace in chart["data"] if trace.get("showlegend") is not False}
            assert names == {"Deal Seekers", "Casual Buyers", "Premium Loyalists"}


def test_features_without_values_are_not_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    priced = [{"user_id": f"U{n}", "item_id": "I", "paid_price": str(9 + n % 4 * 30)} for n in range(40)]
    data_root = scenario.data_root_with(tmp_path, export=canonical_csv(priced))
    assert scenario.run(data_root).success
    monkeypatch.setenv("AMZSEG_DATA", str(data_root.root))
    session = opened("segments")
    assert errors(session) == []
    features = session.button_group(key="feature")
    assert (features.value, len(features.options)) == ("total_reviews", 4)


@pytest.mark.parametrize(("limit", "is_warned"), [("0", False), ("1", True)])
def test_a_poor_name_fit_is_mentioned(limit: str, is_warned: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMZSEG_MIN_NAME_FIT", limit)
    assert ("rely on the profile, not the name" in prose(opened("segments"))) is is_warned


def test_a_segment_has_one_colour_in_every_chart() -> None:
    session = opened("segments")
    colours: dict[str, set[str]] = {}
    for chart in session.get("plotly_chart"):
        for trace in json.loads(chart.proto.spec)["data"]:
            colour = trace.get("marker", {}).get("color") or trace.get("line", {}).get("color")
            if trace.get("name"):
                colours.setdefault(trace["name"], set()).add(colour)
    assert all(len(found) == 1 for found in colours.values())
    assert len(set.union(*colours.values())) == 3


def test_profile_of_all_users_is_their_mean(snapshot: Snapshot) -> None:
    assignments = snapshot.segment_assignments()
    text = prose(opened("segments"))
    assert f"{assignments['avg_discount'].mean():,.1f}" in text
    assert f"₹{assignments['avg_spend'].mean():,.0f}" in text


def test_an_unknown_segment_in_the_url_is_explained() -> None:
    session = opened("segments")
    session.query_params["segment"] = "<script>alert(1)</script>"
    session.run()
    assert errors(session) == []
    assert "does not have" in session.info[0].value
    assert "script" not in prose(session)


def contrast(colour: str, background: str) -> float:
    """The contrast of two `#rrggbb` colours by WCAG 2, 1 to 21."""

    def luminance(text: str) -> float:
        shares = [int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted(map(luminance, (colour, background)))
    return (high + 0.05) / (low + 0.05)


def test_axes_of_every_chart_are_readable() -> None:
    theme = tomllib.loads((MAIN.parents[2] / ".streamlit/config.toml").read_text())["theme"]
    for name, colour in AXIS_TEXT.items():
        assert contrast(colour, theme[name]["backgroundColor"]) >= 4.5
    for chart in opened("segments").get("plotly_chart"):
        layout = json.loads(chart.proto.spec)["layout"]
        for axis in (layout["xaxis"], layout["yaxis"]):
            assert axis["tickfont"]["color"] == AXIS_TEXT["light"]
            assert axis["title"]["font"]["color"] == AXIS_TEXT["light"]


def test_users_who_joined_are_listed_from_the_second_snapshot_on(second_run: DataRoot) -> None:
    latest = read_latest(second_run.root)
    session = opened("segments")
    session.button_group(key="segment").set_value("S0002").run()
    session.button_group(key="audience").set_value("joined").run()
    since = session.date_input(key="since").value
    assert errors(session) == []
    users = latest.segment_assignments()
    joined = users[(users["segment_id"] == "S0002") & (users["segment_since"] >= str(since))]
    assert f"**{len(joined):,} user" in prose(session)
