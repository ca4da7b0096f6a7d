"""Downloads of campaign lists."""

import io
from datetime import date

import pandas as pd
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from amzseg_pipeline.app.segment_downloads import PATH, segment_download_path, segment_response
from amzseg_pipeline.storage.serving.exports import FileFormat
from amzseg_pipeline.storage.serving.snapshot_queries import Campaign
from amzseg_pipeline.storage.snapshots import Snapshot
from amzseg_pipeline.storage.snapshots.rewrite import erase_users
from amzseg_pipeline_tests.app.asgi import Answer, answer, quoted

pytestmark = pytest.mark.usefixtures("shown_data_root")

APP = Starlette(routes=[Route(PATH, segment_response)])


def path_of(segment_id: str, file_format: FileFormat = "csv", *, sequence: int = 1) -> str:
    return segment_download_path(sequence, segment_id, file_format, campaign=Campaign())


def download(path: str) -> Answer:
    return answer(APP, f"/{path}")


@pytest.mark.parametrize(("file_format", "read"), [("csv", pd.read_csv), ("parquet", pd.read_parquet)])
def test_a_segment_is_sent_as_a_named_file(snapshot: Snapshot, file_format: FileFormat, read) -> None:
    assignments = snapshot.segment_assignments()
    found = download(path_of("S0002", file_format))
    assert found.status == 200
    assert found.headers["content-disposition"] == f'attachment; filename="S0002-members-snapshot-1.{file_format}"'
    users = read(io.BytesIO(found.body))
    assert list(users["user_id"]) == list(assignments.loc[assignments["segment_id"] == "S0002", "user_id"])


def test_filters_are_part_of_the_path(snapshot: Snapshot) -> None:
    campaign = Campaign("joined", since=date(2999, 1, 1), min_margin=0.3, several_reviews=True, no_outliers=True)
    found = download(segment_download_path(1, "S0002", "csv", campaign=campaign))
    name = "S0002-joined-since-2999-01-01-margin-0.3-several-reviews-no-outliers-snapshot-1.csv"
    assert found.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert pd.read_csv(io.BytesIO(found.body)).empty
    assert list(pd.read_csv(io.BytesIO(found.body)).columns) == list(snapshot.segment_assignments().columns)


def test_files_are_streamed(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amzseg_pipeline.storage.serving.exports._BATCH_ROWS", 10)
    assert len(download(path_of("S0001")).chunks) > 1
    assert snapshot.sequence == 1


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda path: path.replace("S0001", "S0002"), id="another segment"),
        pytest.param(lambda path: path.replace("/1/", "/2/"), id="another snapshot"),
        pytest.param(lambda path: path.replace("/csv", "/parquet"), id="another format"),
        pytest.param(lambda path: path.replace("/csv", "x/csv"), id="another campaign"),
        pytest.param(lambda path: path.replace(path.split("/")[1], "0" * 64), id="another signature"),
        pytest.param(lambda path: path.replace(path.split("/")[1], quoted("é" * 64)), id="not ASCII"),
        pytest.param(lambda path: path.replace(path.split("/")[1], quoted("\0\ud7ff")), id="not text"),
    ],
)
def test_unsigned_paths_are_not_found(changed) -> None:
    assert download(changed(path_of("S0001"))).status == 404


def test_no_changed_character_of_a_path_is_accepted() -> None:
    path = path_of("S0001")
    start = path.index("/") + 1
    forged = (f"{path[:at]}{'0' if path[at] != '0' else '1'}{path[at + 1 :]}" for at in range(start, len(path)))
    assert {download(each).status for each in forged} == {404}


def test_a_path_that_was_issued_earlier_has_no_user_erased_since(snapshot: Snapshot) -> None:
    assignments = snapshot.segment_assignments()
    path, user = path_of("S0001"), assignments.loc[assignments["segment_id"] == "S0001", "user_id"].iloc[0]
    assert user.encode() in download(path).body
    erase_users(snapshot.path.parents[1], lambda _: [user])
    replayed = download(path)
    assert (replayed.status, user.encode() in replayed.body) == (200, False)


def test_damaged_or_missing_snapshots_give_the_reason(snapshot: Snapshot) -> None:
    missing = download(path_of("S0001", sequence=7))
    assert (missing.status, b"there is no snapshot 7" in missing.body) == (503, True)
    path = snapshot.table_path("segment_assignments")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    damaged = download(path_of("S0001"))
    assert (damaged.status, b"another sha256" in damaged.body) == (503, True)
