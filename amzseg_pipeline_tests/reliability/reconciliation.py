"""Reads damaged exports and compares the counts with those of independent readers."""

import codecs
import csv
import gzip
import io
import json
import shutil
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps import reviews
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.landing import RawReviews, raw_items_frame, raw_reviews, raw_reviews_frame
from amzseg_pipeline_tests.reliability.damage import BOM, BYTE_KINDS, Damage, csv_record_ends, damages, line_ends

_READ_AT_ONCE = 25


@dataclass(frozen=True)
class ExpectedCounts:
    """Expected counts of an export: records, rows of raw_reviews, and rows that cannot be read (`faults`)."""

    records: int
    rows: int
    faults: int


@dataclass(frozen=True)
class Outcome:
    """The outcome of one damage: `refusal` is the error with its causes, "" if the file was read."""

    kind: str
    is_complete_records: bool
    refusal: str
    fault: str

    @property
    def word(self) -> str:
        """The column in the table of outcomes."""
        if self.fault:
            return "FAULT"
        if self.refusal:
            return "refused"
        return "complete records" if self.is_complete_records else "counted"


def outcomes(
    root: Path,
    damaged: Iterable[Damage],
    *,
    name: str,
    account: Callable[[bytes], ExpectedCounts],
    private: Sequence[str] = (),
    others: Mapping[str, bytes] | None = None,
) -> list[Outcome]:
    """Reads each damage as the export `name`, together with the files `others` in its folder, and checks the result.

    `private` are texts that no message may contain. Rows that were read are cleaned and reconciled in batches.
    """
    found = []
    read: dict[Path, RawReviews] = {}

    def account_for_rows() -> str:
        fault = _fault_in_rows(list(read.values()), root / "temporary") if read else ""
        for folder in read:
            shutil.rmtree(folder)
        read.clear()
        return fault

    for number, damage in enumerate(damaged):
        data_root = DataRoot(root / str(number))
        data_root.landing.mkdir(parents=True)
        for path, content in {**(others or {}), name: damage.content}.items():
            (data_root.landing / path).write_bytes(content)
        refusal, fault = "", ""
        try:
            raw = raw_reviews(data_root, Settings(), now=time.time(), skip_settling=False)
        except RefusedInput as error:
            refusal = "".join(traceback.format_exception(error))
            fault = _fault_in_message(str(error), name)
            shutil.rmtree(data_root.root)
        else:
            fault = _fault_in_counts(raw, damage.content, account)
            read[data_root.root] = raw
        fault = fault or next((f"a message quotes {text!r}" for text in private if text in refusal), "")
        if len(read) == _READ_AT_ONCE:
            fault = fault or account_for_rows()
        found.append(Outcome(damage.kind, damage.is_complete_records, refusal, fault))
    if fault := account_for_rows():
        found.append(Outcome("remaining files", False, "", fault))
    return found


def undetected_cuts(root: Path, damaged: Iterable[Damage], *, name: str, sidecar: str, says: bytes) -> int:
    """The number of cuts between records that are read although `<name>.<sidecar>` contradicts them."""
    data_root = DataRoot(root)
    data_root.landing.mkdir(parents=True)
    (data_root.landing / f"{name}.{sidecar}").write_bytes(says)
    undetected = 0
    for damage in damaged:
        (data_root.landing / name).write_bytes(damage.content)
        try:
            raw_reviews(data_root, Settings(), now=time.time(), skip_settling=False)
        except RefusedInput:
            continue
        undetected += 1
    return undetected


def table(found: Sequence[Outcome]) -> str:
    """A Markdown table of outcomes by kind of damage."""
    columns = ("refused", "counted", "complete records", "FAULT")
    counts = Counter((outcome.kind, outcome.word) for outcome in found)
    kinds = list(dict.fromkeys(outcome.kind for outcome in found))
    rows = [[kind, *(f"{counts[kind, word]:,}" for word in columns)] for kind in kinds]
    rows.append(["all", *(f"{sum(outcome.word == word for outcome in found):,}" for word in columns)])
    head = [["damage", *columns], ["---", *["---:"] * len(columns)]]
    return "\n".join(f"| {' | '.join(row)} |" for row in [*head, *rows])


def _encoding(content: bytes) -> str:
    marked = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    return {0: "utf-16-be", 1: "utf-16-le"}.get(content[:2].find(b"\0"), marked)


def sales_counts(content: bytes) -> ExpectedCounts:
    """Counts of an Amazon Sales Dataset CSV, in UTF-8 or UTF-16, by Python's csv module."""
    text = io.StringIO(content.decode(_encoding(content)), newline="")
    header, *records = (record for record in csv.reader(text, strict=True) if record)
    users, reviews = header.index("user_id"), header.index("review_id")
    rows = faults = 0
    for record in records:
        is_read = len(record) == len(header) and record != header
        reviewers = record[users].count(",") + 1 if is_read else 0
        is_read = is_read and reviewers == record[reviews].count(",") + 1
        rows += reviewers if is_read else 1
        faults += not is_read
    return ExpectedCounts(len(records), rows, faults)


def lines_counts(content: bytes) -> ExpectedCounts:
    """Counts of JSON Lines, in UTF-8 or UTF-16, by Python's json module."""
    if _encoding(content) != "utf-8-sig":
        content = content.decode(_encoding(content)).encode()
    lines = content.removeprefix(BOM).removesuffix(b"\n").split(b"\n")
    return ExpectedCounts(len(lines), len(lines), sum(not _is_object(line) for line in lines))


def gzipped_lines_counts(content: bytes) -> ExpectedCounts:
    """Counts of JSON Lines in a .gz."""
    return lines_counts(gzip.decompress(content))


def real_outcomes(root: Path, real_data: Path, *, count: int) -> Iterator[tuple[str, list[Outcome]]]:
    """The outcomes of `count` damages of the real exports: a CSV, JSON Lines, and compressed JSON Lines."""
    sales = (real_data / "amazon.csv").read_bytes()
    packed = (real_data / "Gift_Cards_5.json.gz").read_bytes()
    lines = gzip.decompress(packed)
    items = {"meta_Gift_Cards.json.gz": (real_data / "meta_Gift_Cards.json.gz").read_bytes()}
    tenth = count // 10

    made = damages(sales, seed=21, count=5 * tenth, record_ends=csv_record_ends(sales))
    yield "amazon.csv", outcomes(root / "csv", made, name="amazon.csv", account=sales_counts)
    made = damages(lines, seed=22, count=4 * tenth, record_ends=line_ends(lines))
    yield (
        "Gift_Cards_5.json",
        outcomes(root / "lines", made, name="Gift_Cards_5.json", account=lines_counts, others=items),
    )
    made = damages(packed, seed=23, count=tenth, record_ends=[], kinds=BYTE_KINDS)
    yield (
        "Gift_Cards_5.json.gz",
        outcomes(root / "packed", made, name="Gift_Cards_5.json.gz", account=gzipped_lines_counts, others=items),
    )


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _fault_in_counts(raw: RawReviews, content: bytes, account: Callable[[bytes], ExpectedCounts]) -> str:
    try:
        expected = account(content)
    except (ValueError, csv.Error, OSError, EOFError, zlib.error) as error:
        return f"{raw.rows} rows were read where a strict reader says: {error}"
    records = sum(batch.records for batch in raw.reviews)
    if (records, raw.rows) != (expected.records, expected.rows) or raw.read_errors < expected.faults:
        return f"{records} records, {raw.rows} rows and {raw.read_errors} faults were read of {expected}"
    return ""


def _fault_in_rows(read: Sequence[RawReviews], temporary: Path) -> str:
    batches = [batch for raw in read for batch in raw.reviews]
    engine = Engine(Settings(threads=1, memory_limit_mib=512), temporary=temporary)
    checked = engine.cached(reviews.validated_reviews(raw_reviews_frame(batches, engine)))
    items = reviews.items(reviews.validated_items(raw_items_frame(batches, read[0].items, engine)))
    row_reconciliation = reviews.row_reconciliation(
        raw_rows=sum(raw.rows for raw in read),
        cleaned=reviews.cleaned_reviews(reviews.with_item_prices(checked, items)),
        rejected=reviews.rejected_reviews(checked),
    )
    engine.close()
    return "" if row_reconciliation.reconciles else f"rows are lost: {row_reconciliation.summary}"


def _fault_in_message(message: str, name: str) -> str:
    if f"{name}: " not in message:
        return f"the message does not name the file: {message}"
    if len(message) > 2_000:
        return f"the message has {len(message)} characters"
    return ""
