"""The HTTP API: its answers equal the snapshot and the pages, and no request breaks it.

Over 250 lines: every endpoint, on one app.
"""

import io
import json
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from amzseg_pipeline.app.http_api import api_routes
from amzseg_pipeline.app.http_api.access import MAX_BODY_BYTES, is_loopback
from amzseg_pipeline.app.http_api.endpoints import ARROW_STREAM
from amzseg_pipeline.app.user_scoring import scored_user
from amzseg_pipeline.contracts.errors import SettingsError
from amzseg_pipeline.contracts.users import COUNT_COLUMNS, FEATURES, TYPICAL_PRICE
from amzseg_pipeline.steps.pseudonyms import MIN_KEY_BYTES, USER_KEY_VARIABLE, UserKey
from amzseg_pipeline.steps.segments import model_from_document
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.snapshots import Snapshot, read_latest
from amzseg_pipeline_tests.app.asgi import Answer, answer, quoted
from amzseg_pipeline_tests.app.snapshots import publish_again

LOCAL = ("127.0.0.1", "localhost")
TOKEN = "t" * 32
APP = Starlette(routes=api_routes(LOCAL, {"AMZSEG_API": "on"}))
COUNTS = tuple(column.name for column in COUNT_COLUMNS)
USER = {"user_id": "ann", "total_reviews": 3, "avg_rating": 4.3, "avg_discount": 25, "avg_spend": 1499.5}


def get(url: str, **headers: str) -> Answer:
    return answer(APP, f"/api/v1/{url}", headers=headers)


def score(*users: Any) -> Answer:
    body = json.dumps({"users": users}).encode()
    return answer(APP, "/api/v1/score", method="POST", body=body, headers={"content-type": "application/json"})


@pytest.fixture
def sample(sample_data_root: DataRoot) -> Snapshot:
    return read_latest(sample_data_root.root)


@pytest.mark.parametrize(
    ("hosts", "environment", "error"),
    [
        (LOCAL, {"AMZSEG_API": "on"}, None),
        (LOCAL, {"AMZSEG_API": "yes"}, "neither on nor off"),
        (("0.0.0.0",), {"AMZSEG_API": "on"}, "AMZSEG_API_TOKEN"),
        (("127.0.0.1", "segments.example.com"), {"AMZSEG_API": "on"}, "segments.example.com"),
        (("0.0.0.0",), {"AMZSEG_API": "on", "AMZSEG_API_TOKEN": "short"}, "fewer than 32"),
        (("0.0.0.0",), {"AMZSEG_API": "on", "AMZSEG_API_TOKEN": TOKEN}, None),
    ],
)
def test_beyond_loopback_a_token_is_required(hosts: tuple[str, ...], environment: dict[str, str], error: str) -> None:
    if error is None:
        assert len(api_routes(hosts, environment)) == 1
    else:
        with pytest.raises(SettingsError, match=error):
            api_routes(hosts, environment)


def test_the_api_is_off_by_default() -> None:
    assert api_routes(("0.0.0.0",), {}) == []
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "10.0.0.1")] == [
        True, True, True, False, False,
    ]  # fmt: skip


@pytest.mark.usefixtures("sample_data_root")
@pytest.mark.parametrize(
    ("header", "status"), [("", 401), ("Bearer wrong", 401), (f"Basic {TOKEN}", 401), (f"Bearer {TOKEN}", 200)]
)
def test_requests_need_the_token(header: str, status: int) -> None:
    app = Starlette(routes=api_routes(("0.0.0.0",), {"AMZSEG_API": "on", "AMZSEG_API_TOKEN": TOKEN}))
    found = answer(app, "/api/v1/snapshot", headers={"authorization": header} if header else {})
    assert found.status == status
    assert ("www-authenticate" in found.headers) == (status == 401)


@pytest.mark.usefixtures("sample_data_root")
def test_other_host_names_are_refused() -> None:
    assert get("snapshot", host="evil.example").status == 400


def test_snapshot_and_segments_equal_the_tables(sample: Snapshot) -> None:
    document = get("snapshot").json()
    assert document["sequence"] == sample.sequence
    assert document["users"] == sample.rows("segment_assignments")
    segments = pd.DataFrame(get("segments").json()).set_index("segment_id")
    profiles = sample.segment_profiles().set_index("segment_id")
    assert list(segments["users"]) == list(profiles["users"])
    assert segments["avg_spend"].to_numpy() == pytest.approx(profiles["avg_spend"].to_numpy())


def test_pages_of_users_cover_a_segment(sample: Snapshot) -> None:
    users = sample.segment_assignments()
    expected = users.loc[users["segment_id"] == "S0002", "user_id"].tolist()
    found: list[str] = []
    after = ""
    while True:
        page = get(f"segments/S0002/users?limit=700&after={quoted(after)}").json()
        found += [user["user_id"] for user in page["users"]]
        after = page["next_after"]
        if after is None:
            break
    assert found == expected


def test_arrow_pages_equal_json_pages(sample: Snapshot) -> None:
    found = get("segments/S0001/users?limit=50", accept=ARROW_STREAM)
    table = pa.ipc.open_stream(io.BytesIO(found.body)).read_all()
    page = get("segments/S0001/users?limit=50").json()
    assert found.headers["content-type"] == ARROW_STREAM
    assert table["user_id"].to_pylist() == [user["user_id"] for user in page["users"]]
    assert found.headers["x-next-after"] == quoted(page["next_after"])
    assert table.column_names == list(sample.segment_assignments().columns)


def test_a_user_equals_the_row_of_the_table(sample: Snapshot) -> None:
    row = sample.segment_assignments().iloc[41]
    user = get(f"users/{quoted(row['user_id'])}").json()
    assert user["segment_id"] == row["segment_id"]
    assert user["distance"] == pytest.approx(row["distance"])
    assert user["as_of"] == f"{row['as_of']:%Y-%m-%d}"


@pytest.mark.usefixtures("sample_data_root")
@pytest.mark.parametrize("url", ["users/nobody", "segments/S9999/users", "nothing"])
def test_unknown_resources_are_not_found(url: str) -> None:
    assert get(url).status == 404


def test_user_ids_may_contain_slashes(shown_data_root: DataRoot) -> None:
    users = read_latest(shown_data_root.root).segment_assignments()["user_id"].head(4)
    publish_again(shown_data_root, new_ids=dict(zip(users, ("0", "0/", "A/B", "//"), strict=True)))
    for user_id in ("0", "0/", "A/B", "//"):
        found = get(f"users/{quoted(user_id)}")
        assert (found.status, found.json()["user_id"]) == (200, user_id)
    assert get(f"users/{quoted('A/B/')}").status == 404


def test_with_the_key_users_are_found_by_source_id(shown_data_root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    user = read_latest(shown_data_root.root).segment_assignments().iloc[17]
    key = "k" * MIN_KEY_BYTES
    publish_again(shown_data_root, key=UserKey(key.encode()))
    assert get(f"users/{quoted(user['user_id'])}").status == 404
    monkeypatch.setenv(USER_KEY_VARIABLE, key)
    assert get(f"users/{quoted(user['user_id'])}").json()["segment_id"] == user["segment_id"]


def test_scores_equal_the_table_and_the_pages(sample: Snapshot) -> None:
    users = sample.segment_assignments().sample(60, random_state=4)
    model = model_from_document(sample.model_document(), location="model.json")
    columns = [name for name in (*FEATURES, *COUNTS, TYPICAL_PRICE.name) if name != "engagement_score"]
    rows = [
        {name: None if pd.isna(row[name]) else row[name] for name in columns}
        for row in users[columns].to_dict("records")
    ]
    integers = {"total_reviews", *COUNTS}
    given_users = [
        {name: int(value) if name in integers and value is not None else value for name, value in row.items()}
        for row in rows
    ]
    scores = score(*given_users).json()["users"]
    for found, row, published in zip(scores, rows, users.to_dict("records"), strict=True):
        assert found["segment_id"] == published["segment_id"]
        assert found["margin"] == pytest.approx(published["margin"])
        assert found["distance"] == pytest.approx(published["distance"])
        engagement = None if row["avg_rating"] is None else row["total_reviews"] * row["avg_rating"]
        page = scored_user({**row, "engagement_score": engagement}, model)
        assert (page.segment_id, page.second_segment_id) == (found["segment_id"], found["second_segment_id"])


@pytest.mark.usefixtures("sample_data_root")
@pytest.mark.parametrize(
    "user",
    [
        {},
        {**USER, "total_reviews": 0},
        {**USER, "avg_rating": 7},
        {**USER, "avg_spend": -1},
        {**USER, "avg_rating": "4"},
        {**USER, "unknown": 1},
        {**USER, "user_id": "x" * 300},
        "text",
        None,
    ],
)
def test_invalid_users_are_refused(user: Any) -> None:
    found = score(user)
    assert found.status == 422
    assert found.json()["detail"]


@pytest.mark.usefixtures("sample_data_root")
def test_requests_are_limited() -> None:
    assert score().status == 422
    assert score(*[USER] * 1001).status == 422
    assert len(score(*[USER] * 1000).json()["users"]) == 1000
    too_large = answer(APP, "/api/v1/score", method="POST", body=b"x" * (MAX_BODY_BYTES + 1))
    assert too_large.status == 413
    assert get("segments/S0001/users?limit=0").status == 422
    assert get("segments/S0001/users?limit=10001").status == 422


def test_etags_change_with_the_snapshot(shown_data_root: DataRoot) -> None:
    first = get("segments")
    etag = first.headers["etag"]
    again = get("segments", **{"if-none-match": f'"other", W/{etag}'})
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
    publish_again(shown_data_root)
    newer = get("segments", **{"if-none-match": etag})
    assert newer.status == 200
    assert newer.headers["etag"] != etag


def test_damaged_and_missing_snapshots_are_unavailable(shown_data_root: DataRoot) -> None:
    path = read_latest(shown_data_root.root).table_path("segment_assignments")
    path.write_bytes(path.read_bytes()[:-1])
    assert get("snapshot").status == 503
    assert "segment_assignments.parquet" in score(USER).json()["detail"]
    (shown_data_root.published / "LATEST.json").unlink()
    assert get("snapshot").status == 503


def test_the_openapi_description_lists_every_endpoint() -> None:
    document = get("openapi.json").json()
    assert document["openapi"].startswith("3.")
    assert set(document["paths"]) == {
        "/snapshot",
        "/segments",
        "/segments/{segment_id}/users",
        "/users/{user_id}",
        "/score",
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NUMBERS = st.none() | st.integers() | st.floats()
USERS = st.fixed_dictionaries(
    {"total_reviews": st.integers() | st.integers(1, 10**9)},
    optional={name: NUMBERS | st.floats(1, 5) for name in (*FEATURES[1:4], *COUNTS)},
)
per_example = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.usefixtures("sample_data_root")
@given(users=st.lists(USERS, min_size=1, max_size=3) | JSON)
@per_example
def test_any_body_is_scored_or_refused(users: Any) -> None:
    body = json.dumps({"users": users}).encode()
    found = answer(APP, "/api/v1/score", method="POST", body=body, headers={"content-type": "application/json"})
    assert found.status in (200, 422)
    if found.status == 200:
        assert all(0 <= user["margin"] <= 1 for user in found.json()["users"])


@pytest.mark.usefixtures("sample_data_root")
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30), limit=st.integers(-5, 20_000))
@per_example
def test_any_path_and_query_is_answered(text: str, limit: int) -> None:
    assert get(f"users/{quoted(text)}").status in (200, 404)
    assert get(f"segments/{quoted(text)}/users?after={quoted(text)}").status in (200, 404)
    assert get(f"segments/S0001/users?limit={limit}&after={quoted(text)}").status in (200, 422)
