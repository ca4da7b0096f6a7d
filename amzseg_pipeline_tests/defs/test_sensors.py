"""Alerts and signs of life, sent to a real server on loopback."""

import dagster as dg
import pytest

from amzseg_pipeline.definitions import defs
from amzseg_pipeline.defs import sensors as alerts
from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.defs.runs import EXPORT, answer, deliver
from amzseg_pipeline_tests.listener import listening
from amzseg_pipeline_tests.storage.landing.exports import sales_csv


@pytest.fixture
def listener():
    with listening() as listener:
        yield listener


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(alerts, "_PAUSE_SECONDS", 0.01)


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def failed_run(data_root, instance, **tags):
    """A run on a broken export."""
    deliver(data_root, broken=b"nonsense\n")
    result = scenario.run(data_root, instance=instance)
    instance.add_run_tags(result.run_id, tags)
    return result


def alert(data_root, instance, result):
    """What the sensor answers on the failure of the run."""
    context = dg.build_run_status_sensor_context(
        sensor_name="alert_on_failure",
        dagster_instance=instance,
        dagster_run=instance.get_run_by_id(result.run_id),
        dagster_event=result.get_run_failure_event(),
        resources={"pipeline": PipelineResource(root=str(data_root.root))},
    ).for_run_failure()
    return alerts.alert_on_failure(context)


def test_without_an_address_nothing_is_sent(tmp_path, instance, listener, monkeypatch):
    monkeypatch.delenv(alerts.ALERT_VARIABLE, raising=False)
    data_root = DataRoot(tmp_path)
    answered = alert(data_root, instance, failed_run(data_root, instance))
    assert "AMZSEG_ALERT_URL is not set" in answered.skip_message
    assert listener.received == []


def test_a_failed_run_is_tagged_with_the_reason_whether_or_not_it_is_sent(tmp_path, instance):
    data_root = DataRoot(tmp_path)
    result = failed_run(data_root, instance)
    alert(data_root, instance, result)
    outcome = instance.get_run_by_id(result.run_id).tags["amzseg/outcome"]
    assert outcome.startswith("failed: raw_reviews: RefusedInput: ")
    assert "broken.csv" in outcome


def test_a_failure_sends_one_alert_with_run_reason_and_what_readers_see(tmp_path, instance, listener, monkeypatch):
    monkeypatch.setenv(alerts.ALERT_VARIABLE, listener.address)
    data_root = deliver(DataRoot(tmp_path), export=EXPORT)
    scenario.run(data_root)
    result = failed_run(data_root, instance)
    assert alert(data_root, instance, result) is None
    [sent] = listener.alerts
    assert sent["text"].startswith(f"segment_users failed (run {result.run_id[:8]}): raw_reviews: ")
    assert "broken.csv: it is CSV of no known format" in sent["text"]
    assert "Readers still see snapshot 1 of " in sent["text"]
    assert sent["run_id"] == result.run_id
    assert "Traceback" not in sent["text"]


def test_a_failed_check_is_told_with_its_numbers(tmp_path, instance, listener, monkeypatch):
    monkeypatch.setenv(alerts.ALERT_VARIABLE, listener.address)
    data_root = deliver(DataRoot(tmp_path), export=sales_csv([{}] * 9 + [{"user_id": "U1"}]))
    alert(data_root, instance, scenario.run(data_root, instance=instance))
    [sent] = listener.alerts
    assert sent["reasons"] == ["Check few_rejected of cleaned_reviews: rejected 5.3%; the limit is 5.0%."]
    assert sent["readers"] == "Nothing is published."


def test_a_crash_that_is_tried_again_sends_none(tmp_path, instance, listener, monkeypatch):
    monkeypatch.setenv(alerts.ALERT_VARIABLE, listener.address)
    data_root = DataRoot(tmp_path)
    crashed = failed_run(data_root, instance, **{"dagster/will_retry": "true"})
    answered = alert(data_root, instance, crashed)
    assert "is tried again" in answered.skip_message
    assert listener.received == []
    failed_again = failed_run(data_root, instance, **{"dagster/will_retry": "false"})
    alert(data_root, instance, failed_again)
    assert [sent["run_id"] for sent in listener.alerts] == [failed_again.run_id]


@pytest.mark.parametrize(
    ("statuses", "sent", "fails"),
    [([500], 2, False), ([503, 503], 3, False), ([500] * 3, 3, True), ([404], 1, True)],
)
def test_a_server_in_trouble_is_asked_three_times(listener, monkeypatch, statuses, sent, fails):
    monkeypatch.setenv(alerts.PING_VARIABLE, listener.address)
    listener.statuses = statuses
    if fails:
        with pytest.raises(OSError, match="HTTP Error") as caught:
            alerts.ping()
        assert "secret-token" not in str(caught.value)
    else:
        assert alerts.ping()
    assert len(listener.received) == sent


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/", "hooks.example.com/x"])
def test_an_address_of_another_kind_is_not_asked_for_and_not_told(monkeypatch, address):
    monkeypatch.setenv(alerts.PING_VARIABLE, address)
    with pytest.raises(ValueError, match="must start with https://") as caught:
        alerts.ping()
    assert address not in str(caught.value)


def test_a_night_that_ended_well_gives_a_sign_of_life_and_others_do_not(tmp_path, listener, monkeypatch):
    monkeypatch.setenv(alerts.PING_VARIABLE, listener.address)
    data_root = deliver(DataRoot(tmp_path), export=EXPORT)
    assert isinstance(answer(data_root), dg.RunRequest)
    scenario.run(data_root)
    assert listener.received == []
    assert "nothing changed" in answer(data_root).skip_message
    assert len(listener.received) == 1
    (data_root.landing / "export.csv").unlink()
    assert "is it mounted" in answer(data_root).skip_message
    assert len(listener.received) == 1


def test_a_server_that_does_not_answer_spoils_no_night(tmp_path, monkeypatch):
    data_root = deliver(DataRoot(tmp_path), export=EXPORT)
    scenario.run(data_root)
    monkeypatch.setenv(alerts.PING_VARIABLE, "http://127.0.0.1:9/")
    assert answer(data_root).skip_message == "nothing changed since snapshot 1"


def test_a_run_that_succeeded_gives_a_sign_of_life(tmp_path, instance, listener, monkeypatch):
    data_root = deliver(DataRoot(tmp_path), export=EXPORT)
    result = scenario.run(data_root, instance=instance)

    def ping():
        context = dg.build_run_status_sensor_context(
            sensor_name="ping_after_success",
            dagster_instance=instance,
            dagster_run=instance.get_run_by_id(result.run_id),
            dagster_event=result.get_run_success_event(),
        )
        return alerts.ping_after_success(context)

    assert "AMZSEG_PING_URL is not set" in ping().skip_message
    monkeypatch.setenv(alerts.PING_VARIABLE, listener.address)
    assert ping() is None
    assert len(listener.received) == 1


def test_both_sensors_are_on_from_the_start_and_the_other_is_not():
    on = {sensor.name: sensor.default_status for sensor in defs.sensors}
    assert on["alert_on_failure"] == on["ping_after_success"] == dg.DefaultSensorStatus.RUNNING
    assert on["landing_sensor"] == dg.DefaultSensorStatus.STOPPED
