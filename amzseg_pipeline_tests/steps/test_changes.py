"""What counts as a change since the last snapshot."""

import pytest

from amzseg_pipeline.steps.changes import changes_since

MANIFEST = {
    "inputs": [{"path": "a.csv", "sha256": "aa"}, {"path": "b.csv", "sha256": "bb"}],
    "code_version": "c1",
    "settings_hash": "s1",
}
SAME = {"batches": {"a.csv": "aa", "b.csv": "bb"}, "code_version": "c1", "settings_hash": "s1"}


@pytest.mark.parametrize(
    ("now", "changes"),
    [
        ({}, ()),
        ({"batches": {"renamed.csv": "aa", "b.csv": "bb"}}, ()),
        ({"batches": {"a.csv": "aa", "b.csv": "bb", "again.csv": "bb"}}, ()),
        ({"batches": {"a.csv": "aa", "b.csv": "bb", "c.csv": "cc"}}, ("c.csv is new or changed",)),
        ({"batches": {"a.csv": None, "b.csv": "bb"}}, ("a.csv is new or changed", "a.csv is gone or changed")),
        ({"batches": {"a.csv": "aa"}}, ("b.csv is gone or changed",)),
        ({"code_version": "c2"}, ("the code is of another version",)),
        ({"settings_hash": "s2"}, ("the settings differ",)),
    ],
)
def test_a_change_is_told_in_words(now, changes):
    assert changes_since(MANIFEST, **(SAME | now)) == changes


def test_without_a_snapshot_everything_is_new():
    assert changes_since(None, **SAME) == ("nothing is published yet",)
