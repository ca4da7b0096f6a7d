"""The page Find a user."""

import pytest
from streamlit.testing.v1 import AppTest

from amzseg_pipeline.contracts.history import Cause
from amzseg_pipeline.steps.pseudonyms import MIN_KEY_BYTES, USER_KEY_VARIABLE, UserKey
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.snapshots import Snapshot, read_latest
from amzseg_pipeline_tests.app.pages import errors, heading, one_line, opened, prose
from amzseg_pipeline_tests.app.snapshots import publish_again

reads_sample = pytest.mark.usefixtures("sample_data_root")


@reads_sample
def test_a_user_is_shown_with_segment_and_features(snapshot: Snapshot) -> None:
    assignments = snapshot.segment_assignments()
    session = opened("find_user")
    for row in assignments.sample(3, random_state=5).itertuples():
        session.text_input(key="user_id").set_value(f"  {row.user_id} ").run()
        assert errors(session) == []
        assert row.segment_name in heading(session)
        assert f"₹{row.avg_spend:,.0f}" in prose(session)
        assert "All users" in prose(session)


@reads_sample
def test_one_user_of_each_segment_is_suggested(snapshot: Snapshot) -> None:
    suggested = opened("find_user").dataframe[0].value
    assert set(suggested["Segment"]) == set(snapshot.segment_profiles()["segment_name"])


@reads_sample
def test_a_prefix_suggests_matching_ids(snapshot: Snapshot) -> None:
    session = opened("find_user")
    start = snapshot.segment_assignments()["user_id"].iloc[300][:4]
    session.text_input(key="user_id").set_value(start).run()
    suggested = list(session.dataframe[0].value["User"])
    assert suggested
    assert all(each.startswith(start) for each in suggested)


@reads_sample
def test_an_unknown_id_is_never_repeated() -> None:
    session = opened("find_user")
    for text in (
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
    ):
        session.text_input(key="user_id").set_value(text).run()
        assert errors(session) == [], text
        assert "No published user has this id" in prose(session), text
        assert text not in prose(session)
        assert not session.dataframe, text


@reads_sample
def test_ids_appear_only_in_tables(snapshot: Snapshot) -> None:
    user_id = snapshot.segment_assignments()["user_id"].iloc[0]
    session = opened("find_user")
    session.text_input(key="user_id").set_value(user_id).run()
    assert user_id not in prose(session)


def looked_up(user_id: str) -> AppTest:
    session = opened("find_user")
    return session.text_input(key="user_id").set_value(user_id).run()


def test_moved_users_show_origin_date_and_cause(second_run: DataRoot) -> None:
    assignments = read_latest(second_run.root).segment_assignments()
    moved = assignments[assignments["change_cause"] == Cause.BEHAVIOUR].iloc[0]
    stayed = assignments[assignments["change_cause"].isna()].iloc[0]
    session = looked_up(moved["user_id"])
    text = prose(session)
    assert errors(session) == []
    since = moved["segment_since"]
    assert f"In this segment since {since.day} {since:%b %Y}" in one_line(session)
    assert f"In the previous snapshot {moved['previous_segment_name']}" in one_line(session)
    assert "The behaviour of the user changed." in text
    text = one_line(looked_up(stayed["user_id"]))
    assert f"In the previous snapshot {stayed['segment_name']}" in text
    assert "Why it changed" not in text


@reads_sample
def test_in_the_first_snapshot_nobody_has_a_previous_segment(snapshot: Snapshot) -> None:
    text = one_line(looked_up(snapshot.segment_assignments()["user_id"].iloc[5]))
    assert "known from the second snapshot on" in text
    assert "In the previous snapshot" not in text
    assert "Why it changed" not in text


def test_new_users_have_no_previous_segment(shown_data_root: DataRoot, snapshot: Snapshot) -> None:
    publish_again(shown_data_root)
    text = one_line(looked_up(snapshot.segment_assignments()["user_id"].iloc[5]))
    assert "In the previous snapshot No: a new user" in text
    assert "Why it changed" not in text


KEY, ANOTHER_KEY = ("k" * MIN_KEY_BYTES, "a" * MIN_KEY_BYTES)


def test_with_the_key_users_are_found_by_source_id(
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
        assert user["segment_name"] in heading(session)
        assert KEY not in prose(session)
    assert "Enter the complete id that your shop uses" in prose(looked_up("nobody"))


@pytest.mark.parametrize(
    ("key", "message"), [(None, "this app does not have that key"), (ANOTHER_KEY, "this app has another key")]
)
def test_without_the_key_users_are_found_by_pseudonym(
    shown_data_root: DataRoot, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch, key: str | None, message: str
) -> None:
    user = snapshot.segment_assignments().iloc[17]
    publish_again(shown_data_root, key=UserKey(KEY.encode()))
    if key:
        monkeypatch.setenv(USER_KEY_VARIABLE, key)
    session = looked_up(user["user_id"])
    assert errors(session) == []
    assert message in prose(session)
    assert f"the operator of the app sets {USER_KEY_VARIABLE}" in prose(session)
    assert "No published user has this id" in prose(session)
    session = looked_up(UserKey(KEY.encode()).pseudonym(user["user_id"]))
    assert user["segment_name"] in heading(session)


def test_a_short_key_is_an_invalid_setting(shown_data_root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_again(shown_data_root, key=UserKey(KEY.encode()))
    monkeypatch.setenv(USER_KEY_VARIABLE, "short")
    session = opened("find_user")
    assert "A setting is invalid" in prose(session)
    assert USER_KEY_VARIABLE in session.code[0].value
