"""Nights on which the champion changes, waits or comes back, as a person sees and steers them."""

import os
import shutil

import pytest
import yaml
from filelock import FileLock

from amzseg_pipeline import has_snapshot, read_latest
from amzseg_pipeline.cli.main import main
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.defs.runs import changes, deliver, people, reason
from amzseg_pipeline_tests.storage.landing.exports import sales_csv
from amzseg_pipeline_tests.storage.test_previous_run import CONTRACT_1_0

THREE = {**scenario.QUICK, "k": 3, "lineage_users": 10}
FOUR = {**THREE, "k": 4}


def run_day(data_root, settings=THREE, **asked):
    """The snapshot after a run that must succeed."""
    result = scenario.run(data_root, settings=settings, **asked)
    assert result.success, scenario.failure(result)
    return read_latest(data_root.root)


def names(snapshot):
    """Segment id -> name."""
    profiles = snapshot.segment_profiles()
    return dict(zip(profiles["segment_id"], profiles["segment_name"], strict=True))


def segments(snapshot):
    """The segment of every user."""
    return snapshot.segment_assignments().set_index("user_id")["segment_id"]


def users_by_cause(snapshot):
    return snapshot.segment_migrations().groupby("cause")["users"].sum().to_dict()


def pending_version(snapshot):
    pending = snapshot.run()["promotion_state"]["pending"]
    return pending and pending["model"]["version"]


def by_hand(data_root, monkeypatch, capsys, *arguments, settings=THREE):
    """Exit code and output of `python -m amzseg_pipeline <arguments>`."""
    for name in [name for name in os.environ if name.startswith(("AMZSEG_", "DAGSTER_"))]:
        monkeypatch.delenv(name)
    for name, value in {**settings, "data": data_root.root}.items():
        monkeypatch.setenv(f"AMZSEG_{name.upper()}", str(value))
    monkeypatch.setenv("DAGSTER_HOME", str(data_root.dagster))
    code = main(arguments)
    told = capsys.readouterr()
    return code, told.out + told.err


@pytest.fixture(scope="session")
def _held(tmp_path_factory):
    data_root = deliver(DataRoot(tmp_path_factory.mktemp("pending")), people=people(90))
    run_day(data_root)
    run_day(data_root, FOUR, train=True)
    return data_root.root


@pytest.fixture
def pending(_held, tmp_path):
    """A home with two nights; a model of four segments waits since the second."""
    shutil.copytree(_held, tmp_path / "home")
    return DataRoot(tmp_path / "home")


def test_a_held_model_moves_nobody_and_says_how_it_is_approved(pending):
    snapshot = read_latest(pending.root)
    gate = snapshot.run()["promotion"]
    assert (gate["decision"], len(names(snapshot))) == ("HOLD", 3)
    assert "same_segments" in gate["reason"]
    assert users_by_cause(snapshot) == {"stayed": 90}
    version = pending_version(snapshot)
    assert version == gate["challenger"] != snapshot.model_version
    [told] = [check for check in snapshot.run()["checks"] if not check["passed"]]
    assert told["check"] == "no_model_pending"
    assert f"python -m amzseg_pipeline run --approve {version}" in told["description"]


def test_a_held_model_waits_over_nights_of_new_data(pending):
    version = pending_version(read_latest(pending.root))
    deliver(pending, more=people(6, first=91))
    snapshot = run_day(pending, FOUR, settle=True)
    assert snapshot.run()["promotion"]["decision"] == "KEEP"
    assert pending_version(snapshot) == version
    assert users_by_cause(snapshot) == {"stayed": 90, "new user": 6}


def test_a_model_is_approved_by_hand(pending, monkeypatch, capsys):
    before = read_latest(pending.root)
    version = pending_version(before)
    code, told = by_hand(pending, monkeypatch, capsys, "run", "--approve", version, settings=FOUR)
    assert code == 0, told
    assert f"model {version}, PROMOTE: approved; it was pending because it is better, but failed" in told
    assert "waits for a person" not in told
    snapshot = read_latest(pending.root)
    assert (snapshot.sequence, snapshot.model_version, pending_version(snapshot)) == (3, version, None)
    assert len(names(snapshot)) == 4
    kept = names(before).items() & names(snapshot).items()
    assert len(kept) >= 2
    assert not (names(snapshot).keys() - names(before).keys()) & {"S0001", "S0002", "S0003"}
    assert users_by_cause(snapshot).keys() == {"stayed", "model"}
    assert (segments(before) != segments(snapshot)).sum() == users_by_cause(snapshot)["model"]
    assert reason(pending, **FOUR) == "nothing changed since snapshot 3"


def test_a_model_is_approved_with_the_words_of_the_check_in_the_launchpad(pending):
    [check] = [check for check in read_latest(pending.root).run()["checks"] if not check["passed"]]
    words = check["description"].split("launch segment_users with ")[1].split(", or run ")[0]
    config = yaml.safe_load(words)["resources"]["pipeline"]["config"]
    assert config.keys() == {"approve"}
    deliver(pending, more=people(6, first=91))
    snapshot = run_day(pending, FOUR, **config)
    assert snapshot.model_version == config["approve"]
    assert users_by_cause(snapshot)["new user"] == 6


def test_what_does_not_wait_is_refused_before_anything_is_read(pending, monkeypatch, capsys):
    version = pending_version(read_latest(pending.root))
    deliver(pending, more=people(6, first=91))
    code, told = by_hand(pending, monkeypatch, capsys, "run", "--approve", "0123456789ab", settings=FOUR)
    assert code == 1
    assert f"raw_reviews failed: approve: model 0123456789ab is not pending (pending: {version})" in told.replace(
        "ModelError: ", ""
    )
    assert "The run failed; readers see snapshot 2" in told


def test_going_back_shows_the_earlier_segments_and_the_next_night_goes_on_from_them(pending, monkeypatch, capsys):
    version = pending_version(read_latest(pending.root))
    approved = run_day(pending, FOUR, approve=version)
    code, told = by_hand(pending, monkeypatch, capsys, "rollback", "2")
    assert code == 0
    assert "Readers see snapshot 2 of" in told
    assert "take bad ones out before" in told
    assert "a person has to approve the next model" in told
    second = read_latest(pending.root)
    assert (second.sequence, len(names(second))) == (2, 3)
    assert reason(pending, **FOUR) == "nothing changed since snapshot 2"

    deliver(pending, more=people(6, first=91, day=2))
    fourth = run_day(pending, FOUR, settle=True)
    assert fourth.sequence == 4
    assert names(fourth) == names(second)
    assert users_by_cause(fourth) == {"stayed": 90, "new user": 6}
    assert list(fourth.segment_history()["sequence"].unique()) == [1, 2, 4]
    assert pending_version(fourth) == version
    assert "rolled_back_from" not in (pending.published / "LATEST.json").read_text()

    again = run_day(pending, FOUR, approve=version)
    assert (again.sequence, names(again)) == (5, names(approved))


def test_after_going_back_no_model_is_promoted_without_a_person_and_no_id_is_given_again(pending, monkeypatch, capsys):
    approved = run_day(pending, FOUR, approve=pending_version(read_latest(pending.root)))
    by_hand(pending, monkeypatch, capsys, "rollback", "1")
    deliver(pending, more=people(12, first=91, day=2))
    snapshot = run_day(pending, {**THREE, "seed": 5})
    gate = snapshot.run()["promotion"]
    assert (gate["decision"], gate["reason"]) == ("HOLD", "it is better, but failed unattended")
    assert set(names(snapshot)) == {"S0001", "S0002", "S0003"}
    waiting = snapshot.run()["promotion_state"]["pending"]["model"]
    given_up = {int(segment_id[1:]) for segment_id in names(approved)}
    assert waiting["next_segment_number"] > max(given_up)
    third = run_day(pending, {**THREE, "seed": 5}, approve=waiting["version"])
    assert third.run()["promotion_state"]["approval_needed"] == ""
    deliver(pending, yet_more=people(12, first=103, day=3))
    assert run_day(pending, {**THREE, "seed": 6}).run()["promotion"]["decision"] == "PROMOTE"


@pytest.mark.parametrize(
    ("sequence", "words"),
    [("9", "there is no snapshot 9; there are"), ("2", "a run is under way; wait for its end, then go back")],
)
def test_a_way_back_that_cannot_be_taken_is_refused_in_words(pending, monkeypatch, capsys, sequence, words):
    pointer = (pending.published / "LATEST.json").read_bytes()
    with FileLock(pending.lock_file) if "run" in words else FileLock(pending.root / "other.lock"):
        code, told = by_hand(pending, monkeypatch, capsys, "rollback", sequence)
    assert (code, words in told) == (1, True), told
    assert (pending.published / "LATEST.json").read_bytes() == pointer


def test_before_anything_is_published_there_is_nothing_to_go_back_to(tmp_path, monkeypatch, capsys):
    data_root = deliver(DataRoot(tmp_path), people=people(6))
    code, told = by_hand(data_root, monkeypatch, capsys, "rollback", "1")
    assert (code, "nothing has been published yet" in told) == (1, True), told
    assert not has_snapshot(data_root.root)


KINDS_OF_1_0 = (("₹450", "₹900", "4.1"), ("₹199", "₹1,499", "3.9"), ("₹2,999", "₹3,299", "4.3"))


def export_of_1_0(*, more=0):
    """The reviews behind the snapshot of contract 1.0, and those of twice as many more new users."""
    kinds = [KINDS_OF_1_0[number % 3] for number in range(1, 25 + more)]
    return sales_csv([{"discounted_price": paid, "actual_price": price, "rating": r} for paid, price, r in kinds])


def test_a_night_after_a_snapshot_of_contract_1_0_goes_on_with_its_segments(tmp_path, monkeypatch, capsys):
    data_root = DataRoot(tmp_path)
    shutil.copytree(CONTRACT_1_0, data_root.published)
    first = read_latest(data_root.root)
    deliver(data_root, export=export_of_1_0(more=3))
    assert "built again" in changes(data_root, **THREE)
    second = run_day(data_root, settle=True)
    assert (first.contract_version, second.contract_version) == ("1.0", "1.1")
    assert names(second) == names(first)
    assert (segments(second)[segments(first).index] == segments(first)).all()
    assert users_by_cause(second) == {"stayed": 48, "new user": 6}
    assert list(second.segment_history()["sequence"].unique()) == [2]
    since = second.segment_assignments().set_index("user_id")["segment_since"]
    assert {f"{day:%Y-%m-%d}" for day in since[segments(first).index]} == {"2026-01-01"}
    assert reason(data_root, **THREE) == "nothing changed since snapshot 2"

    deliver(data_root, export=export_of_1_0(more=6))
    third = run_day(data_root, settle=True)
    assert (names(third), third.run()["promotion"]["decision"]) == (names(first), "KEEP")
    assert list(third.segment_history()["sequence"].unique()) == [2, 3]
    assert by_hand(data_root, monkeypatch, capsys, "rollback", "1")[0] == 0
    assert read_latest(data_root.root).contract_version == "1.0"
