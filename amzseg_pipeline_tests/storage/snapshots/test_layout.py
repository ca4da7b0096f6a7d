import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amzseg_pipeline.contracts.errors import SnapshotError
from amzseg_pipeline.storage.snapshots.layout import Pointer, SnapshotName, pointer_from, snapshot_name_from

POINTER = Path("published/LATEST.json")

names = st.builds(
    SnapshotName,
    st.integers(1, 10**9),
    st.datetimes(datetime(1970, 1, 1), datetime(2999, 1, 1)).map(lambda time: time.replace(microsecond=0, tzinfo=UTC)),
    st.from_regex(r"[0-9A-Za-z][0-9A-Za-z_-]{0,7}", fullmatch=True),
    st.integers(0, 99),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(names)
def test_snapshot_names_round_trip(name: SnapshotName) -> None:
    assert snapshot_name_from(str(name)) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "000001",
        "1-20260101T020000Z-abc",
        "0000001-20260101T020000Z-abc",
        "000001-20261301T020000Z-abc",
        "000001-20260101T020000Z-",
        "000001-20260101T020000Z-abc/..",
        "000001-20260101T020000Z-toolong12",
        "000001-20260101T020000Z-abc\n",
        "000001-20260101T020000Z-abc.0",
        "000001-20260101T020000Z-abc.01",
        "000001-20260101T020000Z-abc.x",
        "٠٠٠٠٠١-20260101T020000Z-abc",
    ],
)
def test_rejects_other_folder_names(text: str) -> None:
    assert snapshot_name_from(text) is None


run_names = names.filter(lambda name: name.run[0] not in "-_")


@given(run_names, st.from_regex(r"[0-9A-Za-z_-]{0,30}", fullmatch=True), st.from_regex(r"[0-9a-f]{64}", fullmatch=True))
def test_pointers_round_trip(name: SnapshotName, rest: str, sha256: str) -> None:
    pointer = Pointer(name, name.run + rest, sha256)
    assert pointer_from(pointer.as_bytes(), POINTER) == pointer


pointer_fields = st.sampled_from(["format", "sequence", "run_id", "manifest", "sha256"])
documents = json_values | st.dictionaries(pointer_fields, json_values | st.just(1))


@given(st.binary() | documents.map(lambda document: json.dumps(document).encode()))
def test_any_bytes_raise_only_snapshot_error(content: bytes) -> None:
    with pytest.raises(SnapshotError, match=r"^published/LATEST\.json: "):
        pointer_from(content, POINTER)


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"format": 1' + b"0" * 5000 + b"}"])
def test_rejects_deeply_nested_and_huge_json(content: bytes) -> None:
    with pytest.raises(SnapshotError, match="this is not a pointer"):
        pointer_from(content, POINTER)
