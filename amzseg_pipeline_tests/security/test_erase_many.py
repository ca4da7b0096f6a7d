"""Erasures of seeded users with awkward ids, each followed by an independent search of decoded values."""

import json
import random
import sqlite3
import unicodedata
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from amzseg_pipeline import read_latest
from amzseg_pipeline.contracts.publish import MODEL_EXPORT_FILE, MODEL_FILE, RUN_FILE
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.pseudonyms import UserKey
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.erasure.erase import erase
from amzseg_pipeline.storage.snapshots import publish
from amzseg_pipeline_tests.security.decoded_values import decoded_values, normalised
from amzseg_pipeline_tests.storage.erasure.test_search import canonical, json_lines, reviews_parquet
from amzseg_pipeline_tests.storage.snapshots.runs import provenance_of, segment_assignments, small_tables

KEY = UserKey(b"k" * 32)
STEMS = (
    "{n}", "anna{n}", "U{n}", "AE2X{n}QZ", "zoë{n}", "o'hara {n}", 'a "b" {n}', "用户{n}", "משתמש{n}", "a\u200bb{n}",
    "😀{n}", "=1+{n}", "<b>{n}</b>", "{n}.50", "n,{n}", "50% {n}", "a\\{n}", "{n}@example.com",
)  # fmt: skip
VARIANTS = ("{}", "{} ", " {}", "{}\t", "nfd {}")
NEIGHBOURS = ("{}-1", "{}1", "x{}", "{} b", "-{}")


def seeded_users(count: int) -> dict[str, tuple[list[str], list[str]]]:
    """Id of a user -> the forms in which tables store it, and ids of other users that resemble it."""
    rng = random.Random(15)
    users = {}
    for number in range(count):
        user_id = STEMS[number % len(STEMS)].format(n=1_000 + number * 7)
        stored = {user_id} | {each.format(user_id) for each in rng.sample(VARIANTS, 2) if not each.startswith("nfd")}
        stored |= {unicodedata.normalize("NFD", user_id)}
        others = [each.format(user_id) for each in rng.sample(NEIGHBOURS, 2)]
        others += [changed for changed in (user_id.swapcase(),) if changed != user_id]
        users[user_id] = (sorted(stored), others)
    return users


def published(data_root: DataRoot, ids: list[str], run_day: int, key: UserKey | None) -> None:
    stored = sorted({key.pseudonym(each) if key else each for each in ids}, key=str.encode)
    table = segment_assignments(run_day, users=len(stored))
    table = table.set_column(0, table.schema.field(0), pa.array(stored, pa.string()))
    publish(
        data_root.published,
        replace(provenance_of(run_day), user_key_id=key.id if key else None),
        tables={SEGMENT_ASSIGNMENTS: table.to_batches(), **small_tables(run_day)},
        files={RUN_FILE: b'{"k": 42}', MODEL_FILE: b"{}", MODEL_EXPORT_FILE: b""},
        settings=Settings(),
    )


def data_root_with_users(root: Path, users: dict[str, tuple[list[str], list[str]]]) -> DataRoot:
    """Two snapshots, one of them keyed; exports of the other users; and a report, plot and event log without ids."""
    data_root = DataRoot(root)
    everyone = [each for stored, others in users.values() for each in (*stored, *others)]
    published(data_root, everyone, 1, KEY)
    published(data_root, everyone, 2, None)
    data_root.landing.mkdir()
    others = [each for _, resembling in users.values() for each in resembling]
    (data_root.landing / "reviews.json").write_bytes(json_lines(others))
    (data_root.landing / "reviews.parquet").write_bytes(reviews_parquet(others))
    (data_root.landing / "canonical.csv").write_bytes(canonical(others, paid_price="1000"))
    folder = data_root.artifacts / "run-1"
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("<td>1000 users, 42.50</td>")
    text = PngInfo()
    text.add_text("Title", "1,000 users", zip=True)
    Image.new("L", (2, 2)).save(folder / "plot.png", pnginfo=text)
    data_root.dagster.mkdir()
    with closing(sqlite3.connect(data_root.dagster / "events.db")) as database:
        database.execute("CREATE TABLE events (event TEXT)")
        database.execute("INSERT INTO events VALUES (?)", [json.dumps({"users": 1000})])
        database.commit()
    return data_root


@pytest.mark.parametrize("count", [6, pytest.param(200, marks=pytest.mark.slow)])
def test_an_independent_search_finds_no_erased_user(tmp_path: Path, count: int) -> None:
    users = seeded_users(count)
    data_root = data_root_with_users(tmp_path, users)
    before = set(read_latest(tmp_path).segment_assignments()["user_id"])
    gone: set[str] = set()
    for user_id, (stored, _) in users.items():
        result = erase(data_root, user_id, keys=[KEY])
        assert len(result.snapshots) == 2
        gone |= {*stored}
        left = decoded_values(tmp_path, without=data_root.landing)
        assert not left & {normalised(user_id), *map(KEY.pseudonym, stored)}, user_id
    assert set(read_latest(tmp_path).segment_assignments()["user_id"]) == before - gone
    assert (data_root.artifacts / "run-1/report.html").exists()
