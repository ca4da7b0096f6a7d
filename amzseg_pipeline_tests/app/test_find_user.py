import pytest

from amzseg_pipeline.storage.snapshots import Snapshot
from amzseg_pipeline_tests.app.pages import errors, opened, prose

pytestmark = pytest.mark.usefixtures("shown_home")


def test_an_id_is_found_with_its_segment_and_its_features_beside_others(snapshot: Snapshot) -> None:
    everyone = snapshot.segment_assignments()
    session = opened("find_user")
    for row in everyone.sample(3, random_state=5).itertuples():
        session.text_input(key="user_id").set_value(f"  {row.user_id} ").run()
        assert errors(session) == []
        heading = next(element.value for element in session.html if "<h2" in element.value)
        assert row.segment_name in heading
        assert f"₹{row.avg_spend:,.0f}" in prose(session)
        assert "All users" in prose(session)


def test_with_nothing_typed_one_user_of_each_segment_is_offered(snapshot: Snapshot) -> None:
    offered = opened("find_user").dataframe[0].value
    assert set(offered["Segment"]) == set(snapshot.segment_profiles()["segment_name"])


def test_the_beginning_of_an_id_offers_those_that_begin_so(snapshot: Snapshot) -> None:
    session = opened("find_user")
    start = snapshot.segment_assignments()["user_id"].iloc[300][:4]
    session.text_input(key="user_id").set_value(start).run()
    offered = list(session.dataframe[0].value["User"])
    assert offered
    assert all(each.startswith(start) for each in offered)


@pytest.mark.parametrize(
    "text",
    [
        "nobody-at-all",
        "<script>alert('x')</script>",
        "[click](http://evil.example)",
        "'; DROP TABLE users; --",
        "{users}",
        "%",
        "\0",
        "é" * 256,
        "😀",
        "=1+1",
    ],
)
def test_an_id_that_is_not_there_is_told_and_never_repeated(text: str) -> None:
    session = opened("find_user")
    session.text_input(key="user_id").set_value(text).run()
    assert errors(session) == []
    assert "No published user has this id" in prose(session)
    assert text not in prose(session)
    assert not session.dataframe


def test_ids_stand_in_tables_alone(snapshot: Snapshot) -> None:
    user_id = snapshot.segment_assignments()["user_id"].iloc[0]
    session = opened("find_user")
    session.text_input(key="user_id").set_value(user_id).run()
    assert user_id not in prose(session)
