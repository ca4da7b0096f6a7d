"""What counts as a change since the last snapshot, and when to wait all the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amzseg_pipeline.steps.changes import changes_since, names, unfinished_delivery

MANIFEST = {
    "inputs": [
        {"path": "a.csv", "also_at": ["copy_of_a.csv"], "sha256": "aa"},
        {"path": "b.csv", "also_at": [], "sha256": "bb"},
    ],
    "code_version": "c1",
    "settings_hash": "s1",
}
SAME = {"batches": {"a.csv": "aa", "b.csv": "bb"}, "code_version": "c1", "settings_hash": "s1"}


@pytest.mark.parametrize(
    ("now", "changes"),
    [
        ({}, ()),
        ({"batches": {"renamed.csv": "aa", "b.csv": "bb"}}, ()),
        ({"batches": {"a.csv": "bb", "b.csv": "aa"}}, ()),
        ({"batches": {"a.csv": "aa", "b.csv": "bb", "again.csv": "bb"}}, ()),
        ({"batches": {"a.csv": "aa", "b.csv": "bb", "c.csv": "cc"}}, ("new: c.csv",)),
        ({"batches": {"a.csv": "aa", "b.csv": "cc"}}, ("changed or touched: b.csv",)),
        ({"batches": {"a.csv": None, "b.csv": "bb"}}, ("changed or touched: a.csv",)),
        ({"batches": {"a.csv": "aa", "copy_of_a.csv": "cc", "b.csv": "bb"}}, ("changed or touched: copy_of_a.csv",)),
        ({"batches": {"a.csv": "aa"}}, ("gone: b.csv",)),
        ({"batches": {"b.csv": "aa"}}, ("gone: b.csv",)),
        ({"batches": {"a.csv": "aa", "b2.csv": "cc"}}, ("new: b2.csv", "gone: b.csv")),
        ({"batches": {}}, ("gone: a.csv, b.csv",)),
        ({"code_version": "c2"}, ("the code is of another version",)),
        ({"settings_hash": "s2"}, ("the settings differ",)),
    ],
)
def test_a_change_is_told_in_words(now, changes):
    assert changes_since(MANIFEST, **(SAME | now)) == changes


def test_without_a_snapshot_everything_is_new():
    assert changes_since(None, **SAME) == ("nothing is published yet",)


CONTENTS = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.sampled_from(["11", "22", "33"]))


@given(before=CONTENTS, now=CONTENTS)
def test_nothing_changed_exactly_when_the_contents_are_the_same_whatever_the_names(before, now):
    first_path = {sha256: path for path, sha256 in sorted(before.items(), reverse=True)}
    inputs = [
        {"path": path, "also_at": [p for p, s in before.items() if s == sha256 and p != path], "sha256": sha256}
        for sha256, path in first_path.items()
    ]
    changes = changes_since(MANIFEST | {"inputs": inputs}, **(SAME | {"batches": now}))
    assert (changes == ()) == (set(before.values()) == set(now.values()))


@pytest.mark.parametrize(
    ("batches", "settling", "waits"),
    [
        ({"a.csv": "aa"}, ["b.csv"], True),
        ({"a.csv": "aa"}, ["b_again.csv"], True),
        ({"a.csv": "aa", "new.csv": None}, ["b.csv"], True),
        ({"a.csv": "aa", "b.csv": "bb"}, ["c.csv"], False),
        ({"a.csv": "aa", "b.csv": "bb", "new.csv": None}, ["c.csv"], False),
        ({"a.csv": "aa"}, [], False),
    ],
)
def test_a_night_waits_where_a_settling_file_may_be_the_new_form_of_one_that_is_gone(batches, settling, waits):
    reason = unfinished_delivery(MANIFEST, batches=batches, settling=settling)
    assert bool(reason) is waits
    if waits:
        assert "b.csv gone or changed" in reason
        assert f"{settling[0]} is still settling" in reason


def test_a_first_night_does_not_wait():
    assert unfinished_delivery(None, batches={}, settling=["a.csv"]) == ""


@pytest.mark.parametrize(
    ("paths", "words"),
    [(["a"], "a"), (["a", "b", "c"], "a, b, c"), (list("abcd"), "a, b, c and 1 more")],
)
def test_many_names_are_cut_and_counted(paths, words):
    assert names(paths) == words
    assert names([f"{n}.csv" for n in range(10_000)]).endswith("and 9,997 more")
