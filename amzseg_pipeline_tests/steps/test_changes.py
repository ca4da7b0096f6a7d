"""Changes since the latest snapshot, and deliveries in progress."""

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
        ({"batches": {"a.csv": "aa"}}, ("removed: b.csv",)),
        ({"batches": {"b.csv": "aa"}}, ("removed: b.csv",)),
        ({"batches": {"a.csv": "aa", "b2.csv": "cc"}}, ("new: b2.csv", "removed: b.csv")),
        ({"batches": {}}, ("removed: a.csv, b.csv",)),
        ({"code_version": "c2"}, ("the code version differs",)),
        ({"settings_hash": "s2"}, ("the settings differ",)),
    ],
)
def test_changes_are_described(now, changes):
    assert changes_since(MANIFEST, **(SAME | now)) == changes


def test_everything_is_new_without_a_snapshot():
    assert changes_since(None, **SAME) == ("nothing is published yet",)


CONTENTS = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.sampled_from(["11", "22", "33"]))


@given(before=CONTENTS, now=CONTENTS)
def test_only_contents_count_as_changes_not_names(before, now):
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
def test_run_waits_while_a_settling_file_may_replace_a_removed_one(batches, settling, waits):
    reason = unfinished_delivery(MANIFEST, batches=batches, settling=settling)
    assert bool(reason) is waits
    if waits:
        assert "b.csv removed or changed" in reason
        assert f"{settling[0]} is still settling" in reason


def test_first_run_does_not_wait():
    assert unfinished_delivery(None, batches={}, settling=["a.csv"]) == ""


@pytest.mark.parametrize(
    ("paths", "expected"),
    [(["a"], "a"), (["a", "b", "c"], "a, b, c"), (list("abcd"), "a, b, c and 1 more")],
)
def test_long_lists_of_names_are_shortened(paths, expected):
    assert names(paths) == expected
    assert names([f"{n}.csv" for n in range(10_000)]).endswith("and 9,997 more")
