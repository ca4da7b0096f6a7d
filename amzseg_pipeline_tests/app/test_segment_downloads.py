import asyncio
import io

import pandas as pd
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from amzseg_pipeline.app.segment_downloads import PATH, segment_address, segment_response
from amzseg_pipeline.storage.snapshots import Snapshot

pytestmark = pytest.mark.usefixtures("shown_home")


def answer(address: str) -> tuple[int, dict[str, str], list[bytes]]:
    """Status, headers and the pieces of the body, as a server sends them."""
    sent = []

    async def receive() -> dict[str, object]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": f"/{address}",
        "headers": [],
        "query_string": b"",
        "asgi": {"spec_version": "2.4"},
    }
    asyncio.run(Starlette(routes=[Route(PATH, segment_response)])(scope, receive, send))
    start, *bodies = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], headers, [body["body"] for body in bodies if body["body"]]


@pytest.mark.parametrize(("file_format", "read"), [("csv", pd.read_csv), ("parquet", pd.read_parquet)])
def test_a_segment_is_sent_whole_as_a_file_of_its_name(snapshot: Snapshot, file_format: str, read) -> None:
    everyone = snapshot.segment_assignments()
    status, headers, pieces = answer(segment_address(1, "S0002", file_format))
    assert status == 200
    assert headers["content-disposition"] == f'attachment; filename="S0002-snapshot-1.{file_format}"'
    users = read(io.BytesIO(b"".join(pieces)))
    assert list(users["user_id"]) == list(everyone.loc[everyone["segment_id"] == "S0002", "user_id"])


def test_it_is_sent_in_pieces(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amzseg_pipeline.storage.serving.exports._BATCH_ROWS", 10)
    _, _, pieces = answer(segment_address(1, "S0001", "csv"))
    assert len(pieces) > len(snapshot.segment_assignments()) / 10 / 2


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda address: address.replace("S0001", "S0002"), id="another segment"),
        pytest.param(lambda address: address.replace("/1/", "/2/"), id="another snapshot"),
        pytest.param(lambda address: address.replace("/csv", "/parquet"), id="another format"),
        pytest.param(lambda address: address.replace(address.split("/")[1], "0" * 64), id="another signature"),
    ],
)
def test_an_address_that_no_page_gave_is_none(changed) -> None:
    assert answer(changed(segment_address(1, "S0001", "csv")))[0] == 404


def test_a_damaged_or_retired_snapshot_is_told_in_words(snapshot: Snapshot) -> None:
    status, _, pieces = answer(segment_address(7, "S0001", "csv"))
    assert (status, b"there is no snapshot 7" in b"".join(pieces)) == (503, True)
    path = snapshot.table_path("segment_assignments")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    status, _, pieces = answer(segment_address(1, "S0001", "csv"))
    assert (status, b"the sha256 differs" in b"".join(pieces)) == (503, True)
