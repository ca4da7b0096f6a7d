import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from amzseg_pipeline.contracts.errors import SnapshotError
from amzseg_pipeline.contracts.history import SEGMENT_HISTORY
from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.promotion import GateLedger, HeldModel, NightMemory
from amzseg_pipeline.contracts.publish import MODEL_EXPORT_FILE, MODEL_FILE, RUN_FILE
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.segments import document, model_document
from amzseg_pipeline.storage.data_root import Home
from amzseg_pipeline.storage.previous_run import MEMORY_KEY, LastNight, last_night
from amzseg_pipeline.storage.snapshots import publish, read_latest, repoint
from amzseg_pipeline_tests.steps.segments.users import model_of, three_kinds
from amzseg_pipeline_tests.storage.snapshots.runs import provenance_of, segment_assignments, small_tables

FIRST = replace(model_of(three_kinds(60), k=3, k_max=3), next_segment_number=4)
SECOND = replace(model_of(three_kinds(60), k=2, k_max=3), next_segment_number=9)
CONTRACT_1_0 = Path(__file__).parent / "snapshots" / "contract_1_0"


def publish_model(home: Home, night: int, model: Model, memory: NightMemory | None = None) -> None:
    """A night whose model and memory are given."""
    run = {} if memory is None else {MEMORY_KEY: document(memory)}
    publish(
        home.published,
        provenance_of(night),
        tables={SEGMENT_ASSIGNMENTS: segment_assignments(night, users=3).to_batches(), **small_tables(night)},
        files={
            RUN_FILE: json.dumps(run).encode(),
            MODEL_FILE: json.dumps(model_document(model)).encode(),
            MODEL_EXPORT_FILE: b"",
        },
        settings=Settings(),
    )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_before_the_first_night_there_is_no_champion(home: Home) -> None:
    found = last_night(home)
    assert found == LastNight()
    assert found.table(SEGMENT_ASSIGNMENTS) is None


def test_the_last_snapshot_hands_over_its_model_its_memory_and_its_tables(home: Home) -> None:
    held = HeldModel(SECOND, GateLedger("HOLD", "moved_share", FIRST.version, SECOND.version, ()))
    memory = NightMemory(held, "2026-01-01T02:00:00+00:00", "abc", "somebody went back")
    publish_model(home, 1, FIRST, memory)
    found = last_night(home)
    assert (found.champion, found.memory) == (FIRST, memory)
    assert found.table(SEGMENT_HISTORY).name == "segment_history.parquet"


@pytest.mark.parametrize("name", ["model.json", "run.json"])
def test_a_damaged_document_is_found_out(home: Home, name: str) -> None:
    publish_model(home, 1, FIRST)
    path = read_latest(home.root).path / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(SnapshotError, match=name):
        last_night(home)


def test_a_damaged_table_is_found_out_when_it_is_asked_for(home: Home) -> None:
    publish_model(home, 1, FIRST)
    path = read_latest(home.root).table_path("segment_assignments")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    found = last_night(home)
    with pytest.raises(SnapshotError, match=r"segment_assignments\.parquet"):
        found.table(SEGMENT_ASSIGNMENTS)


def test_a_snapshot_of_contract_1_0_has_a_champion_and_no_memory(home: Home) -> None:
    shutil.copytree(CONTRACT_1_0, home.published)
    found = last_night(home)
    assert [segment.segment_id for segment in found.champion.segments] == ["S0001", "S0002", "S0003"]
    assert (found.champion.reference, found.memory) == (None, NightMemory())
    assert found.table(SEGMENT_ASSIGNMENTS) is not None
    assert found.table(SEGMENT_HISTORY) is None
    snapshot = read_latest(home.root)
    assert snapshot.contract_version == "1.0"
    assert len(snapshot.segment_assignments()) == 48
    with pytest.raises(SnapshotError, match=r"no segment_migrations\.parquet in this snapshot"):
        snapshot.segment_migrations()


def test_after_a_rollback_from_another_model_a_person_is_asked_and_no_id_is_given_again(home: Home) -> None:
    publish_model(home, 1, FIRST)
    publish_model(home, 2, SECOND)
    repoint(home.published, 1)
    found = last_night(home)
    assert replace(found.champion, next_segment_number=4) == FIRST
    assert found.champion.next_segment_number == 9
    assert found.memory.approval_needed.startswith("somebody went back from snapshot 2 to 1")
    repoint(home.published, 2)
    assert last_night(home).memory.approval_needed == ""


def test_a_rollback_from_the_same_model_asks_nobody(home: Home) -> None:
    publish_model(home, 1, FIRST)
    publish_model(home, 2, replace(FIRST, next_segment_number=7))
    repoint(home.published, 1)
    assert last_night(home).memory.approval_needed == ""
    assert last_night(home).champion.next_segment_number == 7


def test_where_the_snapshot_given_up_is_gone_or_damaged_a_person_is_asked(home: Home) -> None:
    publish_model(home, 1, FIRST)
    publish_model(home, 2, FIRST)
    given_up = read_latest(home.root).path
    repoint(home.published, 1)
    shutil.rmtree(given_up)
    assert last_night(home).memory.approval_needed


def test_a_night_after_a_rollback_is_an_ordinary_one(home: Home) -> None:
    publish_model(home, 1, FIRST)
    publish_model(home, 2, SECOND)
    repoint(home.published, 1)
    publish_model(home, 3, FIRST, NightMemory(approval_needed="asked"))
    assert read_latest(home.root).sequence == 3
    assert last_night(home).memory.approval_needed == "asked"


def test_a_held_model_that_this_code_cannot_read_is_forgotten_and_nothing_else(home: Home) -> None:
    held = HeldModel(SECOND, GateLedger("HOLD", "", FIRST.version, SECOND.version, ()))
    publish_model(home, 1, FIRST, NightMemory(held, "2026-01-01T02:00:00+00:00", "abc"))
    path = home.published
    snapshot = read_latest(home.root)
    run = snapshot.run()
    run[MEMORY_KEY]["held"]["model"]["of the future"] = 1
    run[MEMORY_KEY]["format"] = 77
    shutil.rmtree(path)
    publish(
        path,
        provenance_of(1),
        tables={SEGMENT_ASSIGNMENTS: segment_assignments(1, users=3).to_batches(), **small_tables(1)},
        files={
            RUN_FILE: json.dumps(run).encode(),
            MODEL_FILE: json.dumps(model_document(FIRST)).encode(),
            MODEL_EXPORT_FILE: b"",
        },
        settings=Settings(),
    )
    assert last_night(home).memory == NightMemory(None, "2026-01-01T02:00:00+00:00", "abc")


def test_the_pointer_tells_what_was_given_up_until_the_next_night(home: Home) -> None:
    for night in (1, 2, 3):
        publish_model(home, night, FIRST)
    pointer = home.published / "LATEST.json"
    assert "rolled_back_from" not in json.loads(pointer.read_bytes())
    repoint(home.published, 2)
    repoint(home.published, 1)
    assert json.loads(pointer.read_bytes())["rolled_back_from"] == 3
    publish_model(home, 4, FIRST)
    assert "rolled_back_from" not in json.loads(pointer.read_bytes())


@pytest.mark.parametrize("value", ["2", 1, 0, True, 1.5])
def test_a_pointer_that_was_given_up_for_nothing_is_damaged(home: Home, value: object) -> None:
    publish_model(home, 1, FIRST)
    pointer = home.published / "LATEST.json"
    pointer.write_text(json.dumps({**json.loads(pointer.read_bytes()), "rolled_back_from": value}))
    with pytest.raises(SnapshotError, match=r"LATEST\.json: this is not a pointer"):
        read_latest(home.root)
