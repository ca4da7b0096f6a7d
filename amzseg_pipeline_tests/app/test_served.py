"""What the server lets in, with the configuration that ships."""

import json
import shutil
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from amzseg_pipeline_tests.app.serving import served_app

FOREIGN = "segments.example.com"


@pytest.fixture(scope="module")
def address(_sample_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(_sample_run, folder / "home")
    with served_app(folder / "home", log=folder / "app.log") as address:
        yield address


@pytest.fixture(scope="module")
def proxied_address(_sample_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """As docs/app.md tells to put it behind a proxy."""
    folder = tmp_path_factory.mktemp("proxied")
    shutil.copytree(_sample_run, folder / "home")
    named = {"STREAMLIT_SERVER_ALLOWED_HOSTS": FOREIGN, "STREAMLIT_BROWSER_SERVER_ADDRESS": FOREIGN}
    with served_app(folder / "home", log=folder / "app.log", environment=named) as address:
        yield address


def answer(address: str, method: str, path: str, **headers: str) -> tuple[int, bytes]:
    """Status and body of a request with exactly these headers."""
    connection = HTTPConnection(urlsplit(address).netloc, timeout=60)
    connection.putrequest(method, path, skip_host=True)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    response = connection.getresponse()
    body = b"" if response.status == 101 else response.read()
    connection.close()
    return response.status, body


def status_of_stream(address: str, *, host: str, origin: str) -> int:
    """The status with which a session is opened or refused."""
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec_WebSocket_Protocol": "streamlit",
    }
    return answer(address, "GET", "/_stcore/stream", Host=host, Origin=origin, **handshake)[0]


def test_a_session_is_opened_from_this_machine_alone(address: str) -> None:
    here = urlsplit(address).netloc
    assert status_of_stream(address, host=here, origin=address) == 101
    assert status_of_stream(address, host=FOREIGN, origin=address) == 403


def test_behind_a_proxy_sessions_are_those_of_its_name(proxied_address: str) -> None:
    assert status_of_stream(proxied_address, host=FOREIGN, origin=f"https://{FOREIGN}") == 101
    assert status_of_stream(proxied_address, host="other.example.com", origin=f"https://{FOREIGN}") == 403


def test_a_file_is_taken_only_from_a_page_of_the_app(address: str) -> None:
    status, _ = answer(
        address, "PUT", "/_stcore/upload_file/nobody/nothing", Host=urlsplit(address).netloc, Content_Length="0"
    )
    assert status in (400, 403)


def test_no_page_that_embeds_the_app_may_steer_it(address: str) -> None:
    status, body = answer(address, "GET", "/_stcore/host-config", Host=urlsplit(address).netloc)
    assert status == 200
    assert json.loads(body)["allowedOrigins"] == []


def test_nothing_but_a_person_drives_it_and_no_folder_is_served(address: str) -> None:
    here = urlsplit(address).netloc
    assert answer(address, "POST", "/_stcore/agent/interact", Host=here, Content_Length="0")[0] in (403, 404, 405)
    for path in ("/app/static/config.toml", "/.streamlit/config.toml", "/../pyproject.toml"):
        status, body = answer(address, "GET", path, Host=here)
        assert status in (400, 403, 404) or b"<html" in body
        assert b"[server]" not in body
        assert b"[project]" not in body
