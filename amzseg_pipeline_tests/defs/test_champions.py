"""Runs in which the champion changes, a model is pending, or an earlier snapshot returns."""

import io
import os
from contextlib import redirect_stderr, redirect_stdout

import dagster as dg
import pytest
import yaml
from filelock import FileLock

from amzseg_pipeline import has_snapshot, read_latest
from amzseg_pipeline.cli.main import main
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.defs.runs import copied, deliver, people, skip_reason

THREE = {**scenario.QUICK, "k": 3, "lineage_users": 10}
FOUR = {**THREE, "k": 4}


def published_run(data_root, settings=THREE, **request):
    """The snapshot after a run; fails if the run fails."""
    result = scenario.run(data_root, settings=settings, **request)
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


def command(data_root, *arguments, settings=THREE):
    """Exit code and output of `amzseg <arguments>`."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), redirect_stderr(printed):
        for name in [name for name in os.environ if name.startswith(("AMZSEG_", "DAGSTER_"))]:
            patch.delenv(name)
        for name, value in {**settings, "data": data_root.root}.items():
            patch.setenv(f"AMZSEG_{name.upper()}", str(value))
        patch.setenv("DAGSTER_HOME", str(data_root.dagster))
        code = main(arguments)
    return code, printed.getvalue()


@pytest.fixture(scope="session")
def _pending(tmp_path_factory):
    data_root = deliver(DataRoot(tmp_path_factory.mktemp("pending")), people=people(90))
    published_run(data_root)
    published_run(data_root, FOUR, train=True)
    return data_root.root


@pytest.fixture
def pending(_pending, tmp_path):
    """A data root with two runs; since the second a model of four segments is pending."""
    return copied(_pending, tmp_path)


@pytest.fixture(scope="session")
def _approved(_pending, tmp_path_factory):
    """The data root, exit code and output of the command."""
    data_root = copied(_pending, tmp_path_factory.mktemp("approved"))
    version = pending_version(read_latest(data_root.root))
    return data_root.root, *command(data_root, "run", "--approve", version, settings=FOUR)


@pytest.fixture
def approved(_approved, tmp_path):
    """The data root of `pending` after a third run, in which the command promoted the pending model."""
    return copied(_approved[0], tmp_path)


def test_pending_model_moves_no_user_and_says_how_to_approve_it(pending):
    snapshot = read_latest(pending.root)
    report = snapshot.run()["promotion"]
    assert (report["decision"], len(names(snapshot))) == ("HOLD", 3)
    assert "same_segments" in report["reason"]
    assert users_by_cause(snapshot) == {"stayed": 90}
    version = pending_version(snapshot)
    assert version == report["challenger_version"] != snapshot.model_version
    [failed] = [check for check in snapshot.run()["checks"] if not check["passed"]]
    assert failed["check"] == "no_model_pending"
    assert f"run amzseg run --approve {version}" in failed["description"]


def test_model_stays_pending_over_runs_with_new_data(pending):
    version = pending_version(read_latest(pending.root))
    deliver(pending, more=people(6, first=91))
    snapshot = published_run(pending, FOUR, skip_settling=True)
    assert snapshot.run()["promotion"]["decision"] == "KEEP"
    assert pending_version(snapshot) == version
    assert users_by_cause(snapshot) == {"stayed": 90, "new user": 6}


def test_approves_model_with_the_command(pending, _approved):
    before = read_latest(pending.root)
    version = pending_version(before)
    approved, code, output = _approved
    assert code == 0, output
    assert (
        f"model {version}, PROMOTE: approved; it was pending because the settings have changed, but it failed" in output
    )
    assert "is pending approval" not in output
    snapshot = read_latest(approved)
    assert (snapshot.sequence, snapshot.model_version, pending_version(snapshot)) == (3, version, None)
    assert len(names(snapshot)) == 4
    kept = names(before).items() & names(snapshot).items()
    assert len(kept) >= 2
    assert not (names(snapshot).keys() - names(before).keys()) & {"S0001", "S0002", "S0003"}
    assert users_by_cause(snapshot).keys() == {"stayed", "model"}
    assert (segments(before) != segments(snapshot)).sum() == users_by_cause(snapshot)["model"]
    assert skip_reason(DataRoot(approved), **FOUR) == "nothing changed since snapshot 3"


def test_the_check_gives_a_valid_config_that_approves_the_model(pending, monkeypatch):
    [check] = [check for check in read_latest(pending.root).run()["checks"] if not check["passed"]]
    text = check["description"].split("launch approve_pending_model with ")[1].split(", or run ")[0]
    config = yaml.safe_load(text)
    assert config.keys() == {"model_version"}
    assert config["model_version"] == pending_version(read_latest(pending.root))
    monkeypatch.setenv("AMZSEG_DATA", str(pending.root))
    assert dg.validate_run_config(scenario.defs.resolve_job_def("approve_pending_model"), config)


def test_refuses_to_approve_a_model_that_is_not_pending(pending):
    version = pending_version(read_latest(pending.root))
    deliver(pending, more=people(6, first=91))
    code, output = command(pending, "run", "--approve", "0123456789ab", settings=FOUR)
    assert code == 1
    assert f"failed: approve: model 0123456789ab is not pending (pending: {version})" in output
    assert "raw_reviews" not in output


def test_rollback_restores_segments_and_the_next_run_continues(approved):
    third = read_latest(approved.root)
    code, output = command(approved, "rollback", "2")
    assert code == 0
    assert "Readers see snapshot 2 of" in output
    assert "remove bad ones first" in output
    assert "the next model needs approval" in output
    second = read_latest(approved.root)
    assert (second.sequence, len(names(second))) == (2, 3)
    assert skip_reason(approved, **FOUR) == "nothing changed since snapshot 2"

    deliver(approved, more=people(6, first=91, day=2))
    fourth = published_run(approved, FOUR, skip_settling=True)
    assert fourth.sequence == 4
    assert names(fourth) == names(second)
    assert users_by_cause(fourth) == {"stayed": 90, "new user": 6}
    assert list(fourth.segment_history()["sequence"].unique()) == [1, 2, 4]
    assert pending_version(fourth) == third.model_version
    assert "rolled_back_from" not in (approved.published / "LATEST.json").read_text()

    again = published_run(approved, FOUR, approve=third.model_version)
    assert (again.sequence, names(again)) == (5, names(third))


def test_after_rollback_promotion_needs_approval_and_ids_are_new(approved):
    given_up = {int(segment_id[1:]) for segment_id in names(read_latest(approved.root))}
    command(approved, "rollback", "1")
    deliver(approved, more=people(12, first=91, day=2))
    snapshot = published_run(approved, {**THREE, "seed": 5})
    report = snapshot.run()["promotion"]
    assert (report["decision"], report["reason"]) == (
        "HOLD",
        "the settings have changed, but it failed no_approval_needed",
    )
    assert set(names(snapshot)) == {"S0001", "S0002", "S0003"}
    waiting = snapshot.run()["promotion_state"]["pending"]["model"]
    assert waiting["next_segment_number"] > max(given_up)
    last = published_run(approved, {**THREE, "seed": 5}, approve=waiting["version"])
    assert last.run()["promotion_state"]["approval_needed"] == ""


@pytest.mark.parametrize(
    ("sequence", "message"),
    [("9", "there is no snapshot 9; there are"), ("2", "a run is under way; roll back once it has ended")],
)
def test_refuses_impossible_rollback(pending, sequence, message):
    pointer = (pending.published / "LATEST.json").read_bytes()
    with FileLock(pending.lock_file) if "run" in message else FileLock(pending.root / "other.lock"):
        code, output = command(pending, "rollback", sequence)
    assert (code, message in output) == (1, True), output
    assert (pending.published / "LATEST.json").read_bytes() == pointer


def test_refuses_rollback_before_anything_is_published(tmp_path):
    data_root = deliver(DataRoot(tmp_path), people=people(6))
    code, output = command(data_root, "rollback", "1")
    assert (code, "nothing has been published yet" in output) == (1, True), output
    assert not has_snapshot(data_root.root)
