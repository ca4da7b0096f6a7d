"""Erasures of seeded users with awkward ids, each followed by an independent search of decoded values."""

import json
import random
import re
import sqlite3
import unicodedata
from contextlib import closing
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from amzseg_pipeline import read_latest
from amzseg_pipeline.contracts.errors import ErasureError
from amzseg_pipeline.contracts.publish import MODEL_EXPORT_FILE, MODEL_FILE, RUN_FILE
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.pseudonyms import USER_KEY_VARIABLE, UserKey
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.erasure.erase import erase
from amzseg_pipeline.storage.snapshots import publish
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.reliability.processes import prepare_instance
from amzseg_pipeline_tests.security.decoded_values import decoded_values, normalised
from amzseg_pipeline_tests.storage.erasure.test_search import EXPORTS, canonical, json_lines, reviews_parquet
from amzseg_pipeline_tests.storage.landing.synthetic_exports import canonical_csv
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


def erased(data_root: DataRoot, user_id: str, *, export: str, stored: list[str], others: list[str]) -> int:
    """Erases a user, which is refused while an export has a stored form; the number of snapshots replaced."""
    form = user_id if export == "aws.tsv" else stored[-1]  # cells of a TSV without quotes hold no tab
    path = data_root.landing / export
    path.write_bytes(EXPORTS[export]([*others, form]))
    with pytest.raises(ErasureError, match=f"still in .*{re.escape(export)}"):
        erase(data_root, user_id, keys=[KEY])
    path.write_bytes(EXPORTS[export](others))
    try:
        return len(erase(data_root, user_id, keys=[KEY]).snapshots)
    finally:
        path.unlink()


@pytest.mark.parametrize("count", [15, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(1_800)])])
def test_an_independent_search_finds_no_erased_user(tmp_path: Path, count: int) -> None:
    users = seeded_users(count)
    data_root = data_root_with_users(tmp_path, users)
    before = set(read_latest(tmp_path).segment_assignments()["user_id"])
    gone: set[str] = set()
    for export, (user_id, (stored, others)) in zip(cycle(EXPORTS), users.items(), strict=False):
        assert erased(data_root, user_id, export=export, stored=stored, others=others) == 2, user_id
        gone |= {*stored}
        left = decoded_values(tmp_path, without=data_root.landing)
        assert not left & {normalised(user_id), *map(KEY.pseudonym, stored)}, user_id
    assert set(read_latest(tmp_path).segment_assignments()["user_id"]) == before - gone
    assert (data_root.artifacts / "run-1/report.html").exists()


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_an_independent_search_finds_no_user_erased_after_real_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = seeded_users(200)
    everyone = [each for stored, others in users.values() for each in (*stored, *others)]
    everyone = [each for each in everyone if "\t" not in each]
    others = [each for _, resembling in users.values() for each in resembling]
    data_root = scenario.data_root_with(tmp_path / "data", base=usual_reviews())
    prepare_instance(data_root)
    for name, write in EXPORTS.items():
        (data_root.landing / name).write_bytes(write(everyone))
    for key in ("", KEY.secret.decode()):
        monkeypatch.setenv(USER_KEY_VARIABLE, key)
        with dg.DagsterInstance.from_config(str(data_root.dagster)) as instance:
            result = scenario.run(data_root, instance=instance, settings={**scenario.QUICK, "plots": "on"})
        assert result.success, scenario.failure(result)
    for name in EXPORTS:  # the test above searches each of them for each kind of user
        (data_root.landing / name).unlink()
    (data_root.landing / "canonical.csv").write_bytes(canonical(others))

    gone: set[str] = set()
    for number, (user_id, (stored, _)) in enumerate(users.items(), start=1):
        assert len(erase(data_root, user_id, keys=[KEY]).snapshots) == 2, user_id
        gone |= {normalised(user_id), *map(KEY.pseudonym, stored)}
        if number % 50 == 0:
            assert not decoded_values(data_root.root, without=data_root.landing) & gone

    kept = {each for user_id in others for each in (normalised(user_id), KEY.pseudonym(user_id))}
    text = "\n".join(decoded_values(data_root.root, without=data_root.landing) - kept)
    assert len(text) > 1_000_000 and any(data_root.artifacts.rglob("*.png"))
    distinctive = {each for each in gone if len(each) >= 8 and not each.isdecimal()}
    assert len(distinctive) > 250
    assert [each for each in sorted(distinctive) if each in text] == []


def usual_reviews() -> bytes:
    """Reviews of 300 users who differ, so that there are segments."""
    return canonical_csv(
        {
            "user_id": f"usual-{number % 300}",
            "item_id": f"B{number:09d}",
            "rating": str(1 + number % 5),
            "paid_price": f"{1 + number * 37 % 900}.50",
        }
        for number in range(1_500)
    )
