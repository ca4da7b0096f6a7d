"""Which requests the server accepts with the configuration of the repository."""

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
    shutil.copytree(_sample_run, folder / "data")
    with served_app(folder / "data", log=folder / "app.log") as address:
        yield address


@pytest.fixture(scope="module")
def proxied_address(_sample_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An app behind a proxy, set up as docs/app.md describes."""
    folder = tmp_path_factory.mktemp("proxied")
    shutil.copytree(_sample_run, folder / "data")
    named = {"STREAMLIT_SERVER_ALLOWED_HOSTS": FOREIGN, "STREAMLIT_BROWSER_SERVER_ADDRESS": FOREIGN}
    with served_app(folder / "data", log=folder / "app.log", environment=named) as address:
        yield address


def response(address: str, method: str, path: str, **headers: str) -> tuple[int, bytes]:
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
    return response(address, "GET", "/_stcore/stream", Host=host, Origin=origin, **handshake)[0]


def test_sessions_open_only_from_this_machine(address: str) -> None:
    here = urlsplit(address).netloc
    assert status_of_stream(address, host=here, origin=address) == 101
    assert status_of_stream(address, host=FOREIGN, origin=address) == 403


def test_behind_a_proxy_only_its_host_is_accepted(proxied_address: str) -> None:
    assert status_of_stream(proxied_address, host=FOREIGN, origin=f"https://{FOREIGN}") == 101
    assert status_of_stream(proxied_address, host="other.example.com", origin=f"https://{FOREIGN}") == 403


def test_uploads_need_a_session(address: str) -> None:
    status, _ = response(
        address, "PUT", "/_stcore/upload_file/nobody/nothing", Host=urlsplit(address).netloc, Content_Length="0"
    )
    assert status in (400, 403)


def test_no_embedding_page_controls_the_app(address: str) -> None:
    status, body = response(address, "GET", "/_stcore/host-config", Host=urlsplit(address).netloc)
    assert status == 200
    assert json.loads(body)["allowedOrigins"] == []


def test_no_agent_interface_and_no_static_files(address: str) -> None:
    here = urlsplit(address).netloc
    assert response(address, "POST", "/_stcore/agent/interact", Host=here, Content_Length="0")[0] in (403, 404, 405)
    for path in ("/app/static/config.toml", "/.streamlit/config.toml", "/../pyproject.toml"):
        status, body = response(address, "GET", path, Host=here)
        assert status in (400, 403, 404) or b"<html" in body
        assert b"[server]" not in body
        assert b"[project]" not in body
