import pytest
from streamlit.testing.v1 import AppTest

from amzseg_pipeline.contracts.history import Cause
from amzseg_pipeline.steps.pseudonyms import MIN_KEY_BYTES, USER_KEY_VARIABLE, UserKey
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.snapshots import Snapshot, read_latest
from amzseg_pipeline_tests.app.pages import errors, opened, prose
from amzseg_pipeline_tests.app.snapshots import publish_again

shown = pytest.mark.usefixtures("shown_home")


@shown
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


@shown
def test_with_nothing_typed_one_user_of_each_segment_is_offered(snapshot: Snapshot) -> None:
    offered = opened("find_user").dataframe[0].value
    assert set(offered["Segment"]) == set(snapshot.segment_profiles()["segment_name"])


@shown
def test_the_beginning_of_an_id_offers_those_that_begin_so(snapshot: Snapshot) -> None:
    session = opened("find_user")
    start = snapshot.segment_assignments()["user_id"].iloc[300][:4]
    session.text_input(key="user_id").set_value(start).run()
    offered = list(session.dataframe[0].value["User"])
    assert offered
    assert all(each.startswith(start) for each in offered)


@shown
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


@shown
def test_ids_stand_in_tables_alone(snapshot: Snapshot) -> None:
    user_id = snapshot.segment_assignments()["user_id"].iloc[0]
    session = opened("find_user")
    session.text_input(key="user_id").set_value(user_id).run()
    assert user_id not in prose(session)


def looked_up(user_id: str) -> AppTest:
    session = opened("find_user")
    return session.text_input(key="user_id").set_value(user_id).run()


def test_who_moved_is_told_since_when_from_where_and_why(second_run: DataRoot) -> None:
    everyone = read_latest(second_run.root).segment_assignments()
    moved = everyone[everyone["change_cause"] == Cause.BEHAVIOUR].iloc[0]
    stayed = everyone[everyone["change_cause"].isna()].iloc[0]
    session = looked_up(moved["user_id"])
    text = prose(session)
    assert errors(session) == []
    since = moved["segment_since"]
    assert f"In this segment since {since.day} {since:%b %Y}" in " ".join(text.split())
    assert f"In the snapshot before {moved['previous_segment_name']}" in " ".join(text.split())
    assert "Their behaviour changed." in text
    text = " ".join(prose(looked_up(stayed["user_id"])).split())
    assert f"In the snapshot before {stayed['segment_name']}" in text
    assert "Why it changed" not in text


@shown
def test_a_new_user_was_not_there_before(snapshot: Snapshot) -> None:
    text = " ".join(prose(looked_up(snapshot.segment_assignments()["user_id"].iloc[5])).split())
    assert "In the snapshot before Not there: a new user" in text
    assert "Why it changed" not in text


KEY, ANOTHER_KEY = ("k" * MIN_KEY_BYTES, "a" * MIN_KEY_BYTES)


def test_with_the_key_a_user_is_found_by_the_id_that_the_source_gives(
    shown_data_root: DataRoot, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = snapshot.segment_assignments().iloc[17]
    keyed = publish_again(shown_data_root, key=UserKey(KEY.encode()))
    assert user["user_id"] not in set(keyed.segment_assignments()["user_id"])
    monkeypatch.setenv(USER_KEY_VARIABLE, KEY)
    for text in (user["user_id"], UserKey(KEY.encode()).pseudonym(user["user_id"])):
        session = looked_up(text)
        assert errors(session) == []
        assert "The app has their key" in prose(session)
        assert user["segment_name"] in next(element.value for element in session.html if "<h2" in element.value)
        assert KEY not in prose(session)
    assert "Give the whole id as your shop knows it" in prose(looked_up("nobody"))


@pytest.mark.parametrize(
    ("key", "words"), [(None, "this app does not have that key"), (ANOTHER_KEY, "this app has another key")]
)
def test_without_the_key_it_is_said_and_users_are_found_by_pseudonym(
    shown_data_root: DataRoot, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch, key: str | None, words: str
) -> None:
    user = snapshot.segment_assignments().iloc[17]
    publish_again(shown_data_root, key=UserKey(KEY.encode()))
    if key:
        monkeypatch.setenv(USER_KEY_VARIABLE, key)
    session = looked_up(user["user_id"])
    assert errors(session) == []
    assert words in prose(session)
    assert f"whoever runs the app sets {USER_KEY_VARIABLE}" in prose(session)
    assert "No published user has this id" in prose(session)
    session = looked_up(UserKey(KEY.encode()).pseudonym(user["user_id"]))
    assert user["segment_name"] in next(element.value for element in session.html if "<h2" in element.value)


def test_a_key_that_is_too_short_is_told(shown_data_root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_again(shown_data_root, key=UserKey(KEY.encode()))
    monkeypatch.setenv(USER_KEY_VARIABLE, "short")
    session = opened("find_user")
    assert "A setting cannot be read" in prose(session)
    assert USER_KEY_VARIABLE in session.code[0].value
