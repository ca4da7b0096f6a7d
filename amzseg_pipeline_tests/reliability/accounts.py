"""What the pipeline makes of a damaged export, beside an account of the same bytes that uses none of its code."""

import csv
import io
import json
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import narwhals as nw

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps import reviews
from amzseg_pipeline.storage.home import Home
from amzseg_pipeline.storage.landing import raw_reviews
from amzseg_pipeline_tests.reliability.damage import Damage


@dataclass(frozen=True)
class Account:
    """Records and rows of raw_reviews that the bytes of an export make."""

    records: int
    rows: int


@dataclass(frozen=True)
class Outcome:
    """What came of one damage: `refusal` is the error in words, its causes included, "" where it was read."""

    damage: Damage
    refusal: str
    fault: str

    @property
    def word(self) -> str:
        """Its column in a table of outcomes."""
        if self.fault:
            return "FAULT"
        if self.damage.is_whole_records and not self.refusal:
            return "whole records"
        return "refused" if self.refusal else "accounted for"


def outcomes(
    root: Path,
    damaged: Sequence[Damage],
    *,
    name: str,
    account: Callable[[bytes], Account],
    private: Sequence[str],
    beside: dict[str, bytes] | None = None,
) -> Iterator[Outcome]:
    """Reads each damage as the export `name`, with the files `beside` it, and says what is wrong with the answer.

    `private` are texts that no message may hold.
    """
    home = Home(root)
    home.landing.mkdir(parents=True)
    for path, content in (beside or {}).items():
        (home.landing / path).write_bytes(content)
    for damage in damaged:
        (home.landing / name).write_bytes(damage.content)
        refusal, fault = "", ""
        try:
            fault = _fault_in_rows(home, damage.content, account)
        except RefusedInput as error:
            refusal = "".join(traceback.format_exception(error))
            fault = _fault_in_words(str(error), name)
        fault = fault or next((f"a message quotes {text!r}" for text in private if text in refusal), "")
        yield Outcome(damage, refusal, fault)


def undetected_cuts(root: Path, damaged: Sequence[Damage], *, name: str, sidecar: str, says: bytes) -> int:
    """How many cuts at the end of a record are read although `<name>.<sidecar>` stands beside them."""
    home = Home(root)
    home.landing.mkdir(parents=True)
    (home.landing / f"{name}.{sidecar}").write_bytes(says)
    undetected = 0
    for damage in damaged:
        (home.landing / name).write_bytes(damage.content)
        try:
            raw_reviews(home, Settings(), now=time.time(), settle=False)
        except RefusedInput:
            continue
        undetected += 1
    return undetected


def table(found: Sequence[Outcome]) -> str:
    """How many damages of each kind had which outcome."""
    words = ("refused", "accounted for", "whole records", "FAULT")
    counts = Counter((outcome.damage.kind, outcome.word) for outcome in found)
    kinds = list(dict.fromkeys(outcome.damage.kind for outcome in found))
    rows = [[kind, *(f"{counts[kind, word]:,}" for word in words)] for kind in kinds]
    rows.append(["all", *(f"{sum(outcome.word == word for outcome in found):,}" for word in words)])
    head = [" | ".join(["damage", *words]), "|".join(["---", *["---:"] * len(words)])]
    return "\n".join(f"| {' | '.join(row)} |" if isinstance(row, list) else f"| {row} |" for row in [*head, *rows])


def sales_account(content: bytes) -> Account:
    """Of an Amazon Sales Dataset CSV, by Python's own reader."""
    header, *records = (
        row for row in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True) if row
    )
    users, items = header.index("user_id"), header.index("review_id")
    rows = 0
    for record in records:
        is_read = len(record) == len(header) and record != header
        lengths = (record[users].count(",") + 1, record[items].count(",") + 1) if is_read else (0, 1)
        rows += lengths[0] if lengths[0] == lengths[1] else 1
    return Account(len(records), rows)


def lines_account(content: bytes) -> Account:
    """Of a file with one record a line."""
    lines = [line for line in content.removeprefix(b"\xef\xbb\xbf").splitlines() if line.strip()]
    return Account(len(lines), len(lines))


def is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _fault_in_rows(home: Home, content: bytes, account: Callable[[bytes], Account]) -> str:
    raw = raw_reviews(home, Settings(), now=time.time(), settle=False)
    try:
        expected = account(content)
    except (ValueError, csv.Error) as error:
        return f"{raw.rows} rows were read where a strict reader says: {error}"
    if (raw.records, raw.rows) != (expected.records, expected.rows):
        return f"{raw.records} records and {raw.rows} rows were read of {expected}"
    paths = [str(path) for path in raw.parts]
    with duckdb.connect() as connection:
        connection.read_parquet(paths).to_table("raw")
        checked = reviews.checked_reviews(nw.from_native(connection.table("raw")))
        accounts = reviews.accounts(
            raw_rows=raw.rows, cleaned=reviews.cleaned_reviews(checked), rejected=reviews.rejected_reviews(checked)
        )
    return "" if accounts.balanced else f"rows are lost: {accounts.sentence}"


def _fault_in_words(message: str, name: str) -> str:
    if f"{name}: " not in message:
        return f"the message does not name the file: {message}"
    if len(message) > 2_000:
        return f"the message has {len(message)} characters"
    return ""
