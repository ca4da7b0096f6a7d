"""The files in deploy/: systemd units, the compose file, and Dagster on PostgreSQL."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import dagster as dg
import distributed
import pytest
import yaml

from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.postgres import free_port, postgres

REPO = Path(__file__).parent.parent
DEPLOY = REPO / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
BIN = Path(sys.executable).parent


def started_commands() -> dict[str, list[str]]:
    """Unit -> the command it starts, without the folder of the executable."""
    lines = {unit.stem: re.search(r"^ExecStart=(.+)$", unit.read_text(), re.M)[1].split() for unit in UNITS}
    return {name: [Path(arguments[0]).name, *arguments[1:]] for name, arguments in lines.items()}


def test_the_sbom_has_every_locked_package_with_its_hashes():
    lock = (REPO / "requirements.lock").read_text()
    blocks = re.findall(r"^([\w.-]+)(?:\[\S+\])?==(\S+)((?:.*\\\n)*.*)", lock, re.M)
    locked = {
        f"pkg:pypi/{name.lower()}@{version}": {*re.findall("[0-9a-f]{64}", rest)} for name, version, rest in blocks
    }
    components = json.loads((REPO / "sbom.cdx.json").read_text())["components"]
    assert {each["purl"]: {each["content"] for each in each["hashes"]} for each in components} == locked
    table = (REPO / "docs/licences.md").read_text()
    assert len(re.findall(r"^\| [\w.-]+ \| [\d.]", table, re.M)) == len(locked) > 100


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_units(tmp_path):
    for unit in UNITS:
        # systemd-analyze looks for the executable, so the path of this environment replaces /opt/amzseg.
        text = re.sub(r"^ExecStart=\S+/", f"ExecStart={BIN}/", unit.read_text(), flags=re.M)
        (tmp_path / unit.name).write_text(text)
    verified = subprocess.run(
        ["systemd-analyze", "verify", *tmp_path.glob("*.service")], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")


def test_exactly_one_daemon_runs():
    for commands in (started_commands().values(), [s.get("command", "").split() for s in COMPOSE["services"].values()]):
        assert sum(command[:1] == ["dagster-daemon"] for command in commands) == 1
    assert "deploy" not in COMPOSE["services"]["daemon"]


def test_compose_starts_the_same_processes_as_systemd():
    composed = {s["command"].split()[0] for s in COMPOSE["services"].values() if "command" in s}
    assert composed == {command[0] for command in started_commands().values()}


def test_dask_workers_get_the_store_and_publish_no_port():
    services = yaml.safe_load((DEPLOY / "compose.dask.yaml").read_text())["services"]
    values = yaml.safe_load((DEPLOY / "dask-helm-values.yaml").read_text())
    assert not any("ports" in service for service in services.values())
    assert services["dask-scheduler"]["environment"] == services["dask-worker"]["environment"]
    in_compose = {
        name for name in COMPOSE["services"]["code"]["environment"] if name.startswith(("AMZSEG_DATA", "AWS_"))
    }
    assert in_compose <= set(services["dask-worker"]["environment"])
    assert Settings(workers=services["code"]["environment"]["AMZSEG_WORKERS"])
    assert {each["name"] for each in values["worker"]["env"]} >= {"AMZSEG_DATA", "AMZSEG_LOCAL"}


def test_every_key_of_the_configuration_of_dask_exists():
    defaults = yaml.safe_load((Path(distributed.__file__).parent / "distributed.yaml").read_text())

    def check(given, known):
        assert set(given) <= set(known)
        for name, value in given.items():
            if isinstance(value, dict):
                check(value, known[name])

    check(yaml.safe_load((DEPLOY / "dask.yaml").read_text()), defaults)
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    assert "ENV DASK_CONFIG=/opt/amzseg/deploy/dask.yaml" in dockerfile
    assert "deploy/dask.yaml deploy/" in dockerfile


def test_everything_listens_on_loopback():
    hosts = [
        arguments[position + 1]
        for arguments in started_commands().values()
        for position, argument in enumerate(arguments)
        if argument in ("-h", "--server.address")
    ]
    assert hosts == ["127.0.0.1"] * 3
    published = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_dockerfile_copies_existing_files():
    for line in re.findall(r"^COPY (.+)$", (DEPLOY / "Dockerfile").read_text(), re.M):
        for source in line.split()[:-1]:
            assert (REPO / source).exists(), source


@pytest.mark.parametrize(
    ("data", "max_runs"), [("/srv/amzseg", 10), ("s3://bucket/segments", 1)], ids=["folder", "store"]
)
def test_runs_on_a_store_share_one_queue(tmp_path, data, max_runs):
    image, history = tmp_path / "image", tmp_path / "dagster"
    shutil.copytree(DEPLOY, image / "deploy")
    shutil.copy(REPO / "dagster.yaml", image / "deploy")
    environment = {"PATH": os.environ["PATH"], "AMZSEG_DATA": data, "DAGSTER_HOME": str(history)}
    subprocess.run(["sh", "deploy/entrypoint.sh", "true"], cwd=image, env=environment, check=True)
    with dg.DagsterInstance.from_config(str(history)) as instance:
        assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == max_runs


def test_make_instance_stores_run_history_on_this_machine(tmp_path):
    environment = {"PATH": os.environ["PATH"], "AMZSEG_DATA": "s3://bucket/segments", "AMZSEG_LOCAL": str(tmp_path)}
    subprocess.run(["make", "--no-print-directory", "instance"], cwd=REPO, env=environment, check=True)
    written = (tmp_path / "dagster/dagster.yaml").read_text()
    assert written == (REPO / "dagster.yaml").read_text() + (DEPLOY / "queue.yaml").read_text()


def graphql(port: int, query: str) -> dict:
    """The data of a GraphQL query to the web server."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        data=json.dumps({"query": query}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.load(response)["data"]


def wait_for(result, *, seconds: float):
    """The first non-empty result, tried once a second."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if found := result():
                return found
        except (OSError, TypeError, KeyError):
            pass
        time.sleep(1)
    raise AssertionError(f"nothing within {seconds:.0f} s")


@pytest.mark.slow
def test_run_tick_and_ui_work_on_postgresql(tmp_path):
    data_root = scenario.data_root_with(tmp_path / "data", sample_amazon=scenario.SAMPLE.read_bytes())
    with postgres() as url:
        data_root.dagster.mkdir()
        config = (REPO / "dagster.yaml").read_text() + (DEPLOY / "postgres.yaml").read_text()
        (data_root.dagster / "dagster.yaml").write_text(config)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AMZSEG_")},
            "AMZSEG_DATA": str(data_root.root),
            "AMZSEG_POSTGRES_URL": url,
            "AMZSEG_CRON": "* * * * *",
            "AMZSEG_K": "3",
            "DAGSTER_HOME": str(data_root.dagster),
            "PYTHONWARNINGS": "ignore",
        }
        run = [sys.executable, "-m", "amzseg_pipeline", "run"]
        subprocess.run(run, env=environment, check=True, capture_output=True, cwd=REPO)
        port = free_port()
        server = subprocess.Popen(
            [BIN / "dagster", "dev", "-h", "127.0.0.1", "-p", str(port)],
            env=environment,
            cwd=REPO,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            runs = "{ runsOrError { ... on Runs { results { status jobName } } } }"
            found = wait_for(lambda: graphql(port, runs)["runsOrError"]["results"], seconds=60)
            assert {(run["jobName"], run["status"]) for run in found} == {("segment_users", "SUCCESS")}
            state = "schedules { scheduleState { ticks { status skipReason } } }"
            ticks = "{ repositoriesOrError { ... on RepositoryConnection { nodes { STATE } } } }".replace(
                "STATE", state
            )
            skips = wait_for(
                lambda: [
                    tick["skipReason"]
                    for repository in graphql(port, ticks)["repositoriesOrError"]["nodes"]
                    for schedule in repository["schedules"]
                    for tick in schedule["scheduleState"]["ticks"]
                    if tick["status"] == "SKIPPED"
                ],
                seconds=100,
            )
            assert "nothing changed since snapshot 1" in skips[0] or "no export" in skips[0]
        finally:
            server.terminate()
            server.wait(30)
    assert not list(data_root.dagster.glob("history/**/*.db"))
