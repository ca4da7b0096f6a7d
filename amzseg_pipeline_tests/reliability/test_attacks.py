"""Attacks on exports and snapshots end in a refusal that names the file, or in rows that are all accounted for."""

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.defs import notifications
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline_tests.reliability.attacks import (
    REGIONS,
    changing_file_outcomes,
    expected_rows,
    mutations,
    operations_at_once,
    outcome_of_parquet,
    parquet_export,
)
from amzseg_pipeline_tests.storage.landing.synthetic_exports import (
    canonical_csv,
    item_2023,
    json_lines,
    landing_zone,
    parquet,
    raw_rows,
    review_2023,
    reviews_read,
)


def assert_no_fault(outcomes: Counter[str]) -> None:
    faults = [outcome for outcome in outcomes if "FAULT" in outcome]
    assert not faults, "\n".join(faults[:5])


@pytest.mark.parametrize("count", [12, pytest.param(300, marks=[pytest.mark.slow, pytest.mark.timeout(1_800)])])
def test_a_mutated_parquet_file_is_refused_or_keeps_all_rows(tmp_path: Path, count: int) -> None:
    original = tmp_path / "original.parquet"
    parquet_export(original)
    content, expected = original.read_bytes(), expected_rows(original)
    outcomes: Counter[str] = Counter()
    for number, (region, mutated) in enumerate(mutations(content, original, seed=15, count=count)):
        outcomes[f"{region}: {outcome_of_parquet(tmp_path / str(number), mutated, expected)}"] += 1
    print(*sorted(outcomes.items()), sep="\n")
    assert_no_fault(outcomes)
    assert {name.partition(":")[0] for name in outcomes} == set(REGIONS)
    assert sum(count for name, count in outcomes.items() if name.endswith("refused")) > count / 10


IDS = {
    "right to left": "\u202eanna",
    "Hebrew": "משתמש",
    "zero width": "an\u200bna",
    "combining": "a\u0301nna",
    "emoji": "👩\u200d🔬",
}


@pytest.mark.parametrize("user_id", IDS.values(), ids=IDS)
def test_an_unusual_id_is_kept_as_it_is(tmp_path: Path, user_id: str) -> None:
    exports = {
        "a.csv": canonical_csv([{"user_id": user_id}]),
        "b.jsonl": json_lines([review_2023(user_id=user_id)]),
        "c.parquet": parquet([{**review_2023(user_id=user_id), "timestamp": "2020-05-05T14:08:48"}]),
    }
    for name, content in exports.items():
        [row] = raw_rows(reviews_read(landing_zone(tmp_path / name, {name: content})))
        assert row["user_id"] == user_id


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", canonical_csv([{"user_id": "A" * 2**20}]), "user_id is longer than 4,096 bytes"),
        ("a.parquet", parquet([{**review_2023(user_id="A" * 2**20), "timestamp": "2020-05-05"}]), "user_id is longer"),
        ("a.csv", canonical_csv([{"user_id": "A\0B"}]), "a NUL byte"),
        ("a.jsonl", json_lines([review_2023(user_id="A" * 2**19)]), "user_id is not a text in quotes"),
        ("a.jsonl", json_lines([review_2023(user_id="A\0B")]), "user_id is not a text"),
        ("a.jsonl", json_lines([review_2023(user_id="\ud800")]), "user_id is not a text|no record can be read"),
        ("a.jsonl", b'{"user_id":' * 100_000 + b"\n", "no JSON object of at most"),
        ("a.json", b"[" * 100_000 + b"\n", "without names|nested|of no known format"),
        ("a.jsonl", json_lines([review_2023()]).replace(b"1588687728924", b"1e400"), "timestamp is not a number"),
    ],
    ids=["1 MB", "1 MB in Parquet", "NUL", "0.5 MB in JSON", "NUL in JSON", "surrogate", "deep", "deep list", "1e400"],
)
def test_an_id_or_record_that_no_table_can_hold_is_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    with pytest.raises(RefusedInput, match=message) as caught:
        reviews_read(landing_zone(tmp_path, {name: content}))
    assert f"{name}: " in str(caught.value)
    assert len(str(caught.value)) < 2_000


def test_an_id_of_1_mb_rejects_its_record_only(tmp_path: Path) -> None:
    content = json_lines([review_2023(), review_2023(user_id="A" * 2**20), review_2023(3)])
    rows = raw_rows(reviews_read(landing_zone(tmp_path, {"a.jsonl": content})))
    assert [row["user_id"] for row in rows] == ["A1", None, "A3"]


def test_the_first_of_two_equal_keys_counts_as_in_every_run(tmp_path: Path) -> None:
    line = json.dumps(review_2023())[:-1].encode() + b', "user_id": "other", "rating": 1e400}\n'
    [row] = raw_rows(reviews_read(landing_zone(tmp_path, {"a.jsonl": line})))
    assert (row["user_id"], row["rating"]) == ("A1", "5.0")


def test_an_infinite_price_is_no_price(tmp_path: Path) -> None:
    items = json_lines([item_2023()]).replace(b"12.99", b"1e400")
    raw = reviews_read(landing_zone(tmp_path, {"a.jsonl": json_lines([review_2023()]), "meta.jsonl": items}))
    assert (raw.item_rows, raw.read_errors) == (1, 0)


@pytest.mark.parametrize("rounds", [4, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_a_file_that_changes_while_it_is_read_is_refused_or_read_as_one_state(tmp_path: Path, rounds: int) -> None:
    outcomes = changing_file_outcomes(tmp_path, seed=15, rounds=rounds)
    print(outcomes)
    assert_no_fault(outcomes)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_reads_ten_thousand_tiny_files(tmp_path: Path) -> None:
    header = b"user_id,parent_asin,rating,timestamp\n"
    exports = {
        f"{number // 100}/{number}.csv": header + b"A%07d,B000000001,5.0,%d\n" % (number, 1_588_687_728_923 + number)
        for number in range(10_000)
    }
    data_root = landing_zone(tmp_path, exports)
    started = time.process_time()
    raw = reviews_read(data_root)
    print(f"{time.process_time() - started:.0f} CPU-s")
    assert (len(raw.batches), raw.rows, raw.read_errors) == (10_000, 10_000, 0)


@pytest.mark.parametrize("rounds", [4, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(1_800)])])
def test_operations_at_once_leave_readers_and_erasures_intact(tmp_path: Path, rounds: int) -> None:
    outcomes = operations_at_once(DataRoot(tmp_path), seed=15, rounds=rounds)
    print(*sorted(outcomes.items()), sep="\n")
    assert_no_fault(outcomes)
    assert outcomes["run"] == rounds
    assert outcomes["read"] > rounds


@contextmanager
def hanging_server(answer: bytes) -> Iterator[str]:
    """A server that accepts a connection and sends one byte of `answer` every 50 ms, without ever ending it."""
    server = socket.create_server(("127.0.0.1", 0))
    is_over = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            while not is_over.is_set():
                with server.accept()[0] as connection:
                    for byte in answer:
                        connection.send(bytes([byte]))
                        if is_over.wait(0.05):
                            break
                    is_over.wait()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/hook"
    finally:
        is_over.set()
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000], ids=["silent", "slow"])
def test_a_webhook_that_hangs_is_given_up(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "_TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr(notifications, "_PAUSE_SECONDS", 0)
    started = time.monotonic()
    with hanging_server(answer) as address, pytest.raises(OSError):
        notifications.request(address, b"{}")
    assert time.monotonic() - started < 5
