"""Messages in place of a page."""

from datetime import timedelta
from pathlib import Path

import pytest

from amzseg_pipeline.contracts.publish import MANIFEST_FILE, MODEL_FILE, PUBLISHED_FILES, PUBLISHED_TABLES
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.snapshots import read_latest
from amzseg_pipeline_tests.app.pages import PAGES, errors, opened, prose
from amzseg_pipeline_tests.app.snapshots import date_back, rewrite_manifest


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("page", PAGES)
def test_without_a_snapshot_pages_say_run_the_pipeline(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.setenv("AMZSEG_DATA", str(tmp_path))
    session = opened(page)
    assert [header.value for header in session.header] == ["Nothing is published yet"]
    assert "make run" in session.info[0].value
    assert errors(session) == []


def test_a_page_loads_once_something_is_published(shown_data_root: DataRoot) -> None:
    users = read_latest(shown_data_root.root).rows("segment_assignments")
    hidden = shown_data_root.published.rename(shown_data_root.root / "elsewhere")
    session = opened()
    assert "Nothing is published yet" in prose(session)
    hidden.rename(shown_data_root.published)
    assert f"{users:,}" in prose(session.run())


@pytest.mark.parametrize(
    ("page", "file_name"),
    [
        *((page, "segment_assignments.parquet") for page in ("overview", "score_file")),
        *(("overview", f"{table.name}.parquet") for table in PUBLISHED_TABLES if table != SEGMENT_ASSIGNMENTS),
        *(("overview", file_name) for file_name in (*PUBLISHED_FILES, MANIFEST_FILE)),
    ],
)
def test_a_flipped_byte_is_reported(shown_data_root: DataRoot, page: str, file_name: str) -> None:
    flip_a_byte(read_latest(shown_data_root.root).path / file_name)
    session = opened(page)
    assert [header.value for header in session.header] == ["The published segments are damaged"]
    assert file_name in session.code[0].value
    assert "python -m amzseg_pipeline rollback" in session.code[0].value
    assert not session.exception
    assert not session.metric


@pytest.mark.parametrize("file_name", ["segment_profiles.parquet", MODEL_FILE])
def test_a_byte_flipped_after_opening_is_reported(shown_data_root: DataRoot, file_name: str) -> None:
    session = opened()
    flip_a_byte(read_latest(shown_data_root.root).path / file_name)
    assert [header.value for header in session.run().header] == ["The published segments are damaged"]
    assert file_name in session.code[0].value


def test_a_flipped_byte_of_the_pointer_is_reported(shown_data_root: DataRoot) -> None:
    path = shown_data_root.published / "LATEST.json"
    content = path.read_bytes()
    flip_a_byte(path)
    session = opened()
    assert len(session.header) == 1
    assert "LATEST.json" in session.code[0].value
    assert not session.metric
    path.write_bytes(content)
    assert session.run().metric


@pytest.mark.parametrize("content", [b"", b"\xff\xfe"])
def test_a_damaged_pointer_is_reported(shown_data_root: DataRoot, content: bytes) -> None:
    (shown_data_root.published / "LATEST.json").write_bytes(content)
    session = opened()
    assert [header.value for header in session.header] == ["The published segments are damaged"]
    assert "LATEST.json" in session.code[0].value


@pytest.mark.parametrize("changes", [{"contract_version": "2.0"}, {"format": 9}])
def test_an_unknown_contract_asks_to_update_the_app(shown_data_root: DataRoot, changes: dict[str, object]) -> None:
    rewrite_manifest(shown_data_root, **changes)
    session = opened()
    assert [header.value for header in session.header] == ["The segments were published by another version"]
    assert "Update the app" in session.error[0].value


@pytest.mark.parametrize(
    ("span", "setting", "is_stale"),
    [
        (timedelta(hours=71), None, False),
        (timedelta(days=3, hours=1), None, True),
        (timedelta(days=3, hours=1), "7", False),
        (timedelta(hours=7), "0.25", True),
    ],
)
def test_stale_snapshots_show_a_warning(
    shown_data_root: DataRoot, monkeypatch: pytest.MonkeyPatch, span: timedelta, setting: str | None, is_stale: bool
) -> None:
    if setting:
        monkeypatch.setenv("AMZSEG_STALE_DAYS", setting)
    date_back(shown_data_root, span)
    session = opened()
    assert session.metric
    assert any("a newer snapshot was expected" in warning.value for warning in session.warning) == is_stale


def test_damage_after_opening_shows_no_traceback(shown_data_root: DataRoot) -> None:
    session = opened()
    read_latest(shown_data_root.root).table_path("segment_assignments").write_bytes(b"PAR1")
    session.switch_page("app_pages/segments.py").run()
    assert "The published segments are damaged" in prose(session)
    assert not session.exception


def test_an_invalid_setting_is_reported(shown_data_root: DataRoot) -> None:
    (shown_data_root.root / "settings.toml").write_text("stale_days = 'soon'")
    session = opened()
    assert "A setting is invalid" in prose(session)
    assert "settings.toml" in session.code[0].value


@pytest.mark.usefixtures("sample_data_root")
def test_unexpected_errors_are_only_logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamlit.grid", lambda *_, **__: 1 / 0)
    session = opened()
    assert "Something went wrong" in prose(session)
    assert "division" not in prose(session)
    assert "ZeroDivisionError" in caplog.text
