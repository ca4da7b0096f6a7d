"""With a key, user ids are pseudonyms from the first table on."""

import hashlib
import hmac
import json
import time
from pathlib import Path

import pyarrow as pa
import pytest

from amzseg_pipeline import read_latest
from amzseg_pipeline.contracts.errors import SettingsError
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.pseudonyms import MIN_KEY_BYTES, USER_KEY_VARIABLE, UserKey, check_user_ids, user_key_from
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.landing import (
    raw_reviews,
    raw_reviews_document,
    raw_reviews_frame,
    raw_reviews_from_document,
)
from amzseg_pipeline.storage.landing.readers.pseudonymized import pseudonymized_rows
from amzseg_pipeline.storage.parquet.user_hash import user_hashes
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.security.conftest import KEY
from amzseg_pipeline_tests.security.marked_exports import EXPORTS, deliver, in_dollars, sales, user
from amzseg_pipeline_tests.security.text_search import files_containing_text

OTHER_KEY = "another key of users, long enough for one"
A_KEY, ANOTHER_KEY = (UserKey(text.encode()) for text in (KEY, OTHER_KEY))


def test_a_pseudonym_is_the_hmac_of_the_id() -> None:
    expected = hmac.new(KEY.encode(), b"A1", hashlib.sha256).hexdigest()
    assert UserKey(KEY.encode()).pseudonym("A1") == expected
    assert UserKey(OTHER_KEY.encode()).pseudonym("A1") != expected


def test_an_empty_id_gets_no_pseudonym() -> None:
    ids = pa.table({"user_id": ["", None, "A1"], "review_id": ["R1", "", None]})
    expected = {"user_id": ["", None, A_KEY.pseudonym("A1")], "review_id": [A_KEY.pseudonym("R1"), "", None]}
    assert pseudonymized_rows(ids, A_KEY).to_pydict() == expected


@pytest.mark.parametrize("text", ["x", "x" * (MIN_KEY_BYTES - 1), "  " + "x" * (MIN_KEY_BYTES - 1) + "\n"])
def test_a_short_key_is_rejected_with_the_fix(text: str) -> None:
    with pytest.raises(
        SettingsError, match=r"AMZSEG_USER_KEY: a key of \d+ bytes is too short.*openssl rand -hex 32"
    ) as raised:
        user_key_from(text)
    assert text.strip() * 2 not in str(raised.value)


@pytest.mark.parametrize("text", [None, "", " \n"])
def test_no_key_without_the_variable(text: str | None) -> None:
    assert user_key_from(text) is None


def test_a_key_has_an_id_and_never_shows_itself() -> None:
    key = user_key_from(f" {KEY}\n")
    assert key == UserKey(KEY.encode())
    assert KEY not in repr(key)
    assert len(key.id) == 8
    assert key.id != UserKey(OTHER_KEY.encode()).id
    assert key.id not in hashlib.sha256(KEY.encode()).hexdigest()


@pytest.mark.parametrize(
    ("policy", "key", "last_key_id", "message"),
    [
        ("either", KEY, None, ""),
        ("either", KEY, "other id", ""),
        ("either", None, None, ""),
        ("either", None, "1234abcd", "has pseudonyms of key 1234abcd; set it, or give"),
        ("given", None, "1234abcd", ""),
        ("given", KEY, None, "remove one of them"),
        ("keyed", KEY, None, ""),
        ("keyed", None, None, "needs AMZSEG_USER_KEY"),
    ],
)
def test_refuses_given_ids_after_keyed_ones(
    policy: str, key: str | None, last_key_id: str | None, message: str
) -> None:
    if not message:
        check_user_ids(policy, user_key_from(key), last_key_id=last_key_id)
        return
    with pytest.raises(SettingsError, match=message):
        check_user_ids(policy, user_key_from(key), last_key_id=last_key_id)


@pytest.mark.parametrize("export", EXPORTS)
def test_a_key_changes_only_ids_in_raw_rows(tmp_path: Path, export: str) -> None:
    rows = {name: raw_rows_of(tmp_path / name, export, key=key) for name, key in (("given", None), ("keyed", A_KEY))}
    assert rows["keyed"]["user_hash"].equals(user_hashes(rows["keyed"]["user_id"]))
    for name in ("user_id", "review_id"):
        given, keyed = (rows[kind][name].to_pylist() for kind in ("given", "keyed"))
        assert keyed == [None if text is None else A_KEY.pseudonym(text) for text in given]
    ratings = [[text and float(text) for text in rows[kind]["rating"].to_pylist()] for kind in ("given", "keyed")]
    assert ratings[0] == ratings[1]  # numbers read in place and numbers parsed differ as texts: 5.0 and 5
    others = set(rows["given"].schema.names) - {"user_id", "review_id", "user_hash", "rating"}
    assert rows["keyed"].select(sorted(others)).equals(rows["given"].select(sorted(others)))


def raw_rows_of(root: Path, export: str, *, key: UserKey | None) -> pa.RecordBatch:
    """Every raw row of the export as the pipeline reads it, sorted."""
    deliver(root / "landing", EXPORTS[export]())
    raw = raw_reviews(DataRoot(root), Settings(), now=time.time(), skip_settling=False, user_key=key)
    assert raw.user_key_id == (key.id if key else None)
    engine = Engine(Settings(threads=1), temporary=root / "temporary")
    table = raw_reviews_frame(raw.reviews, engine).collect("pyarrow").to_native()
    engine.close()
    [rows] = table.sort_by([("batch", "ascending"), ("row_number", "ascending")]).combine_chunks().to_batches()
    kept = raw_reviews(DataRoot(root), Settings(), now=time.time(), skip_settling=False, user_key=key)
    assert kept == raw
    return rows


def test_parts_of_another_key_are_replaced(tmp_path: Path) -> None:
    deliver(tmp_path / "landing", in_dollars())
    names = {}
    for key in (None, A_KEY, ANOTHER_KEY, None):
        raw = raw_reviews(DataRoot(tmp_path), Settings(), now=time.time(), skip_settling=False, user_key=key)
        names[key] = {batch.reader for batch in raw.reviews}
        kept = {path.name for path in (tmp_path / "warehouse/raw_reviews").iterdir()}
        records = {name for name in kept if name.endswith(".json")}
        assert kept - records == {batch.parquet_path.name for batch in raw.batches if not batch.is_read_in_place}
        assert len(records) == sum(batch.is_read_in_place for batch in raw.batches) == (0 if key else 1)
        assert all((key.id if key else "") in name for name in kept)
    assert not names[A_KEY] & names[ANOTHER_KEY]
    assert not names[A_KEY] & names[None]


def test_raw_reviews_document_round_trips_with_a_key(tmp_path: Path) -> None:
    deliver(tmp_path / "landing", in_dollars())
    for key in (None, A_KEY):
        raw = raw_reviews(DataRoot(tmp_path), Settings(), now=time.time(), skip_settling=False, user_key=key)
        document = json.loads(json.dumps(raw_reviews_document(raw)))
        assert raw_reviews_from_document(document, location=str(tmp_path / "warehouse/raw_reviews.json")) == raw


def test_another_key_is_a_change_and_a_missing_key_stops_the_run(
    keyed_data_root: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(USER_KEY_VARIABLE, KEY)
    assert scenario.materialised(scenario.run(keyed_data_root)) == set()

    monkeypatch.setenv(USER_KEY_VARIABLE, OTHER_KEY)
    assert scenario.run(keyed_data_root).success
    latest = read_latest(keyed_data_root.root)
    assert (latest.sequence, latest.user_key_id) == (2, ANOTHER_KEY.id)
    assert ANOTHER_KEY.pseudonym(user(0)) in set(latest.segment_assignments()["user_id"])
    old = files_containing_text([A_KEY.pseudonym(user(0))], keyed_data_root.root)
    assert [path.split("-")[0] for path in old] == ["published/snapshots/000001"]

    monkeypatch.delenv(USER_KEY_VARIABLE)
    failed = scenario.run(keyed_data_root)
    assert not failed.success
    assert "AMZSEG_USER_KEY is not set" in scenario.failure(failed)
    assert files_containing_text([user(0)], keyed_data_root.root, without=keyed_data_root.landing) == {}


def test_a_short_key_fails_the_run_with_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_root = scenario.data_root_with(tmp_path)
    deliver(data_root.landing, sales())
    monkeypatch.setenv(USER_KEY_VARIABLE, "short")
    assert "a key of 5 bytes is too short" in scenario.failure(scenario.run(data_root))
    assert not (data_root.warehouse / "raw_reviews").exists()
