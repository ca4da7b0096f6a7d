"""Alerts and pings, sent to a real server on loopback.

Over 250 lines: every sensor, and how each handles failures.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from amzseg_pipeline import read_latest
from amzseg_pipeline.definitions import defs
from amzseg_pipeline.defs import notifications, sensors
from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.defs.runs import EXPORT, deliver, evaluated_schedule
from amzseg_pipeline_tests.listener import listening
from amzseg_pipeline_tests.storage.landing.synthetic_exports import sales_csv


@pytest.fixture
def listener():
    with listening() as listener:
        yield listener


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(notifications, "_PAUSE_SECONDS", 0.01)


@pytest.fixture
def instance():
    with scenario.quick_instance() as instance:
        yield instance


def failed_run(data_root, instance, **tags):
    """A run on a broken export."""
    deliver(data_root, broken=b"nonsense\n")
    result = scenario.run(data_root, instance=instance)
    instance.add_run_tags(result.run_id, tags)
    return result


def alert(data_root, instance, result):
    """The result of the sensor for the failure of the run."""
    context = dg.build_run_status_sensor_context(
        sensor_name="alert_on_failure",
        dagster_instance=instance,
        dagster_run=instance.get_run_by_id(result.run_id),
        dagster_event=result.get_run_failure_event(),
        resources={"pipeline": PipelineResource(root=str(data_root.root))},
    ).for_run_failure()
    return sensors.alert_on_failure(context)


def test_sends_nothing_without_an_address(tmp_path, instance, listener, monkeypatch):
    monkeypatch.delenv(notifications.ALERT_VARIABLE, raising=False)
    data_root = DataRoot(tmp_path)
    skipped = alert(data_root, instance, failed_run(data_root, instance))
    assert "AMZSEG_ALERT_URL is not set" in skipped.skip_message
    assert listener.received == []


def test_tags_failed_run_with_the_reason_without_an_address(tmp_path, instance):
    data_root = DataRoot(tmp_path)
    result = failed_run(data_root, instance)
    alert(data_root, instance, result)
    outcome = instance.get_run_by_id(result.run_id).tags["amzseg/outcome"]
    assert outcome.startswith("failed: raw_reviews: RefusedInput: ")
    assert "broken.csv" in outcome


def test_alert_names_run_reason_and_published_snapshot(one_export, instance, listener, monkeypatch):
    monkeypatch.setenv(notifications.ALERT_VARIABLE, listener.address)
    result = failed_run(one_export, instance)
    assert alert(one_export, instance, result) is None
    [sent] = listener.alerts
    assert sent["text"].startswith(f"segment_users failed (run {result.run_id[:8]}): raw_reviews: ")
    assert "broken.csv: it is CSV of no known format" in sent["text"]
    assert "Readers still see snapshot 1 of " in sent["text"]
    assert sent["run_id"] == result.run_id
    assert "Traceback" not in sent["text"]


def test_alert_contains_the_numbers_of_a_failed_check(tmp_path, instance, listener, monkeypatch):
    monkeypatch.setenv(notifications.ALERT_VARIABLE, listener.address)
    data_root = deliver(DataRoot(tmp_path), export=sales_csv([{}] * 9 + [{"user_id": "U1"}]))
    alert(data_root, instance, scenario.run(data_root, instance=instance))
    [sent] = listener.alerts
    assert sent["reasons"] == [
        "Check rejection_rate of cleaned_reviews: rejected 5.3% (the lists of users and reviews differ in length, so "
        "values cannot be assigned to reviews; 1 in user_id, 2 in review_id); the limit is 5.0%."
    ]
    assert sent["readers"] == "Nothing is published."


def test_sends_no_alert_for_a_crash_that_is_retried(tmp_path, instance, listener, monkeypatch):
    monkeypatch.setenv(notifications.ALERT_VARIABLE, listener.address)
    data_root = DataRoot(tmp_path)
    crashed = failed_run(data_root, instance, **{"dagster/will_retry": "true"})
    skipped = alert(data_root, instance, crashed)
    assert "is retried" in skipped.skip_message
    assert listener.received == []
    failed_again = failed_run(data_root, instance, **{"dagster/will_retry": "false"})
    alert(data_root, instance, failed_again)
    assert [sent["run_id"] for sent in listener.alerts] == [failed_again.run_id]


def test_a_run_whose_process_crashed_has_an_alert_and_an_outcome(tmp_path, instance, listener, monkeypatch):
    """Dagster's monitoring records such a failure without an error."""
    monkeypatch.setenv(notifications.ALERT_VARIABLE, listener.address)
    run = instance.create_run_for_job(scenario.defs.resolve_job_def("segment_users"))
    message = "Run worker failed"
    event = instance.report_run_failed(run, message)
    context = dg.build_run_status_sensor_context(
        sensor_name="alert_on_failure",
        dagster_instance=instance,
        dagster_run=instance.get_run_by_id(run.run_id),
        dagster_event=event,
        resources={"pipeline": PipelineResource(root=str(tmp_path))},
    ).for_run_failure()
    assert sensors.alert_on_failure(context) is None
    [sent] = listener.alerts
    assert (sent["run_id"], sent["reasons"]) == (run.run_id, [message])
    assert instance.get_run_by_id(run.run_id).tags["amzseg/outcome"] == f"failed: {message}"


@pytest.mark.parametrize(
    ("statuses", "sent", "fails"),
    [([500], 2, False), ([503, 503], 3, False), ([500] * 3, 3, True), ([404], 1, True)],
)
def test_requests_a_failing_server_three_times(listener, monkeypatch, statuses, sent, fails):
    monkeypatch.setenv(notifications.PING_VARIABLE, listener.address)
    listener.statuses = statuses
    if fails:
        with pytest.raises(OSError, match="HTTP Error") as caught:
            notifications.ping()
        assert "secret-token" not in str(caught.value)
    else:
        assert notifications.ping()
    assert len(listener.received) == sent


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/", "hooks.example.com/x"])
def test_refuses_other_addresses_without_naming_them(monkeypatch, address):
    monkeypatch.setenv(notifications.PING_VARIABLE, address)
    with pytest.raises(ValueError, match="must start with https://") as caught:
        notifications.ping()
    assert address not in str(caught.value)


def test_schedule_pings_if_everything_is_published(one_export, listener, monkeypatch):
    monkeypatch.setenv(notifications.PING_VARIABLE, listener.address)
    more = deliver(one_export, more=EXPORT[: EXPORT.rindex(b"\n", 0, -1) + 1]).landing / "more.csv"
    assert isinstance(evaluated_schedule(one_export), dg.RunRequest)
    assert listener.received == []
    more.unlink()
    assert "nothing changed" in evaluated_schedule(one_export).skip_message
    assert len(listener.received) == 1
    (one_export.landing / "export.csv").unlink()
    assert "is it mounted" in evaluated_schedule(one_export).skip_message
    assert len(listener.received) == 1


def test_schedule_ignores_a_server_that_does_not_answer(one_export, monkeypatch):
    monkeypatch.setenv(notifications.PING_VARIABLE, "http://127.0.0.1:9/")
    assert evaluated_schedule(one_export).skip_message == "nothing changed since snapshot 1"


def test_pings_after_a_successful_run(one_export, instance, listener, monkeypatch):
    result = scenario.run(one_export, instance=instance)

    def ping():
        context = dg.build_run_status_sensor_context(
            sensor_name="ping_after_success",
            dagster_instance=instance,
            dagster_run=instance.get_run_by_id(result.run_id),
            dagster_event=result.get_run_success_event(),
        )
        return sensors.ping_after_success(context)

    assert "AMZSEG_PING_URL is not set" in ping().skip_message
    monkeypatch.setenv(notifications.PING_VARIABLE, listener.address)
    assert ping() is None
    assert len(listener.received) == 1


@pytest.mark.parametrize(
    ("state", "parts"),
    [
        ({}, []),
        ({"drift_since": "2026-01-09T02:00:00+00:00"}, []),
        ({"pending": {"model": {"version": "m2"}, "report": {"reason": "late"}}}, ["Model m2", "an earlier version"]),
        ({"drift_since": "2026-01-01T02:00:00+00:00"}, ["drifted", "since 2026-01-01"]),
        (
            {
                "pending": {
                    "model": {"version": "m2"},
                    "since": "2026-01-09T02:00:00+00:00",
                    "report": {"reason": "it is better, but it failed moved_share"},
                }
            },
            ["Model m2 is pending approval since 2026-01-09", "failed moved_share", "--approve m2"],
        ),
    ],
)
def test_pending_models_and_old_drift_need_a_person(state, parts):
    messages = [text for _, text in sensors._messages(state, now=datetime(2026, 1, 10, tzinfo=UTC))]
    assert len(messages) == bool(parts)
    assert all(part in messages[0] for part in parts)


@pytest.fixture
def alert_tick(one_export, instance, listener, monkeypatch):
    """Evaluates alert_on_segments on a day, with the cursor of the tick before: the texts sent, and what it reports."""
    monkeypatch.setenv(notifications.ALERT_VARIABLE, listener.address)
    cursors = [None]

    def tick(messages, *, day):
        earlier = len(listener.alerts)
        monkeypatch.setattr(sensors, "_messages", lambda *_, **__: messages.items())
        now = datetime(2026, 1, 10, tzinfo=UTC) + timedelta(days=day)
        pipeline = PipelineResource(root=str(one_export.root), run_at=now.isoformat())
        with dg.build_sensor_context(instance, cursors[-1], resources={"pipeline": pipeline}) as context:
            skipped = sensors.alert_on_segments(context)
            cursors.append(context.cursor)
        return [sent["text"] for sent in listener.alerts[earlier:]], skipped.skip_message

    return tick


def test_a_message_about_segments_is_repeated_weekly(alert_tick):
    days = ((0, {"a": "A"}), (6, {"a": "A"}), (7, {"a": "A", "b": "B"}), (8, {"b": "B"}), (9, {}))
    sent = [alert_tick(messages, day=day)[0] for day, messages in days]
    assert sent == [["A"], [], ["A", "B"], [], []]


def test_a_message_is_not_repeated_if_the_next_one_fails(alert_tick, listener):
    messages = {"a": "A", "b": "B", "c": "C"}
    listener.statuses = [200, 404, 200]
    sent, report = alert_tick(messages, day=0)
    assert sent == ["A", "B", "C"]
    assert report == "sent 2 of 3 messages about segments; HTTP Error 404: Not Found"
    assert alert_tick(messages, day=0)[0] == ["B"]


def test_segments_that_need_nobody_send_no_alert(one_export, instance, listener, monkeypatch):
    def evaluated():
        resources = {"pipeline": PipelineResource(root=str(one_export.root))}
        return sensors.alert_on_segments(dg.build_sensor_context(instance=instance, resources=resources)).skip_message

    assert evaluated() == "AMZSEG_ALERT_URL is not set"
    monkeypatch.setenv(notifications.ALERT_VARIABLE, listener.address)
    assert evaluated() == "sent 0 of 0 messages about segments"
    assert listener.received == []
    snapshot = read_latest(one_export.root)
    snapshot.table_path("segment_assignments").write_bytes(b"PAR1")
    assert evaluated() == "sent 0 of 0 messages about segments"


def test_landing_sensor_alone_is_off_by_default():
    status = {sensor.name: sensor.default_status for sensor in defs.sensors}
    assert status["alert_on_failure"] == status["ping_after_success"] == dg.DefaultSensorStatus.RUNNING
    assert status["landing_sensor"] == dg.DefaultSensorStatus.STOPPED
