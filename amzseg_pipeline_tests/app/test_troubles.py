import json
from datetime import UTC, datetime, timedelta

import pytest

from amzseg_pipeline.storage.files import sha256_of
from amzseg_pipeline.storage.home import Home
from amzseg_pipeline.storage.snapshots import read_latest
from amzseg_pipeline_tests.app.pages import PAGES, errors, opened, prose


def rewrite_manifest(home: Home, **changes: object) -> None:
    """Changes the manifest and lets the pointer agree, as another version would have published it."""
    pointer_path = home.published / "LATEST.json"
    pointer = json.loads(pointer_path.read_bytes())
    path = home.published / pointer["manifest"]
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **changes}))
    pointer_path.write_text(json.dumps({**pointer, "sha256": sha256_of(path)}))


def date_back(home: Home, span: timedelta) -> None:
    """Lets the snapshot be older, by name and by manifest."""
    pointer_path = home.published / "LATEST.json"
    pointer = json.loads(pointer_path.read_bytes())
    old = home.published / pointer["manifest"]
    created = (datetime.now(UTC) - span).replace(microsecond=0)
    number, _, run = old.parent.name.split("-", 2)
    folder = old.parent.rename(old.parent.with_name(f"{number}-{created:%Y%m%dT%H%M%SZ}-{run}"))
    pointer_path.write_text(json.dumps({**pointer, "manifest": f"snapshots/{folder.name}/{old.name}"}))
    rewrite_manifest(home, created=created.isoformat().replace("+00:00", "Z"))


@pytest.mark.parametrize("page", PAGES)
def test_with_nothing_published_every_page_says_to_run_the_pipeline(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.setenv("AMZSEG_DATA", str(tmp_path))
    session = opened(page)
    assert [header.value for header in session.header] == ["Nothing is published yet"]
    assert "make run" in session.info[0].value
    assert errors(session) == []


def test_a_page_fills_itself_once_something_is_published(shown_home: Home) -> None:
    users = read_latest(shown_home.root).rows("segment_assignments")
    hidden = shown_home.published.rename(shown_home.root / "elsewhere")
    session = opened()
    assert "Nothing is published yet" in prose(session)
    hidden.rename(shown_home.published)
    assert f"{users:,}" in prose(session.run())


@pytest.mark.parametrize(
    ("page", "file_name"),
    [
        *((page, "segment_assignments.parquet") for page in PAGES),
        *(("overview", file_name) for file_name in ("model.json", "datapackage.json", "segment_profiles.parquet")),
    ],
)
def test_one_flipped_byte_is_told_and_nothing_is_shown(shown_home: Home, page: str, file_name: str) -> None:
    path = read_latest(shown_home.root).path / file_name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    session = opened(page)
    assert [header.value for header in session.header] == ["The published segments are damaged"]
    assert file_name in session.code[0].value
    assert not session.exception
    assert not session.metric


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"\xff\xfe", b'{"format": 1}'])
def test_a_damaged_pointer_is_told(shown_home: Home, content: bytes) -> None:
    (shown_home.published / "LATEST.json").write_bytes(content)
    session = opened()
    assert [header.value for header in session.header] == ["The published segments are damaged"]
    assert "LATEST.json" in session.code[0].value


@pytest.mark.parametrize("changes", [{"contract_version": "2.0"}, {"format": 9}])
def test_a_snapshot_of_a_newer_contract_asks_for_a_newer_app(shown_home: Home, changes: dict[str, object]) -> None:
    rewrite_manifest(shown_home, **changes)
    session = opened()
    assert [header.value for header in session.header] == ["The segments were published by another version"]
    assert "Update the app" in session.error[0].value


@pytest.mark.parametrize(
    ("span", "setting", "is_stale"),
    [
        (timedelta(hours=71), None, False),
        (timedelta(days=3, hours=1), None, True),
        (timedelta(days=40), None, True),
        (timedelta(days=3, hours=1), "7", False),
        (timedelta(hours=7), "0.25", True),
    ],
)
def test_a_stale_snapshot_is_shown_with_a_warning(
    shown_home: Home, monkeypatch: pytest.MonkeyPatch, span: timedelta, setting: str | None, is_stale: bool
) -> None:
    if setting:
        monkeypatch.setenv("AMZSEG_STALE_DAYS", setting)
    date_back(shown_home, span)
    session = opened()
    assert session.metric
    assert [("newer ones were expected" in warning.value) for warning in session.warning] == [True] * is_stale


def test_damage_after_opening_is_told_and_not_traced(shown_home: Home) -> None:
    session = opened()
    read_latest(shown_home.root).table_path("segment_assignments").write_bytes(b"PAR1")
    session.switch_page("app_pages/segments.py").run()
    assert "The published segments are damaged" in prose(session)
    assert not session.exception


def test_a_setting_that_cannot_be_read_is_told(shown_home: Home) -> None:
    (shown_home.root / "settings.toml").write_text("stale_days = 'soon'")
    session = opened()
    assert "A setting cannot be read" in prose(session)
    assert "settings.toml" in session.code[0].value


@pytest.mark.usefixtures("shown_home")
def test_what_nobody_expected_goes_to_the_log_alone(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamlit.grid", lambda *_, **__: 1 / 0)
    session = opened()
    assert "Something went wrong" in prose(session)
    assert "division" not in prose(session)
    assert "ZeroDivisionError" in caplog.text
