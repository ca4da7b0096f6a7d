"""What a run would read from an export: format, columns, first values, counts and assumptions. Nothing is written."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.reviews import DETAILS_SEPARATOR, RAW_REVIEWS, READ_ERRORS, RejectionReason
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.reviews import RULE_NAMES, values
from amzseg_pipeline.storage.landing.formats.detection import format_of
from amzseg_pipeline.storage.landing.formats.export_format import ExportFormat, InPlaceFormat, ParsedFormat
from amzseg_pipeline.storage.landing.guards.parquet import check_engine_can_open
from amzseg_pipeline.storage.landing.guards.text import check_size, printable
from amzseg_pipeline.storage.landing.ingest.batch_files import currency_with, no_record_can_be_read, record_count
from amzseg_pipeline.storage.landing.readers.decompression import compression_of
from amzseg_pipeline.storage.landing.readers.plain_text import WINDOWS_1252
from amzseg_pipeline.storage.landing.readers.pseudonymized import parsed_rows
from amzseg_pipeline.storage.landing.scan.export import DELIMITERS, Export, readable_export
from amzseg_pipeline.storage.landing.scan.listing import reason_to_skip
from amzseg_pipeline.storage.landing.values.column import MAX_EXAMPLES, quoted

_PATTERNS = {
    "rating": values.STARS,
    "rating_count": values.COUNT,
    "paid_price": values.MONEY,
    "list_price": values.MONEY,
    "price": values.MONEY,
    "discount_percent": values.PERCENT,
    "reviewed_at": values.MILLISECONDS,
}
_MISSING = {
    "user_id": RejectionReason.MISSING_USER,
    "review_id": RejectionReason.MISSING_REVIEW,
    "item_id": RejectionReason.MISSING_ITEM,
}


@dataclass
class _Column:
    first: dict[str, None] = field(default_factory=dict)
    unreadable: int = 0
    examples: dict[str, None] = field(default_factory=dict)


def inspection_lines(path: Path, settings: Settings, *, now: float, name: str = "") -> list[str]:
    """What is detected in the export at `path`, as lines of text; a column shows its first three values.

    The first line has `name`, by default that of the file. Raises RefusedInput if a run would refuse the file.
    """
    name = name or path.name
    if reason := reason_to_skip(path.name):
        return [f"{name}: a run skips this file: {reason}; rename it if it is an export"]
    if not path.exists():
        raise RefusedInput(f"{path}: there is no such file.")
    try:
        if path.is_file():
            check_size(path.stat().st_size, settings)
        with readable_export(path, settings, now=now) as opened:
            export_format, export = format_of(opened)
            if isinstance(export_format, InPlaceFormat):
                check_engine_can_open(path)
            return [f"{name}: {export_format.name}", *_lines(path, export_format, export)]
    except RefusedInput as refusal:
        raise RefusedInput(f"{name}: {refusal}") from refusal


def _lines(path: Path, export_format: ParsedFormat | InPlaceFormat, export: Export) -> list[str]:
    columns: dict[str, _Column] = {}
    rejected: Counter[str] = Counter()
    details: dict[str, dict[str, None]] = {}
    rows = records = last = 0
    currency: str | None = None
    for table in parsed_rows(export_format, export):
        rows += len(table)
        currency = currency_with(table, currency)
        records += record_count(table, after=last)
        last = table["row_number"][-1].as_py()
        for error in _rejections(table):
            reason, _, detail = error.partition(DETAILS_SEPARATOR)
            rejected[reason] += 1
            if detail and len(details.setdefault(reason, {})) < MAX_EXAMPLES:
                details[reason][detail] = None
        for name in table.column_names:
            if name not in ("row_number", "read_error", "user_hash", "source_file", "batch"):
                _add(columns.setdefault(name, _Column()), name, table[name].combine_chunks())
    if rows and sum(rejected[reason] for reason in READ_ERRORS) == rows:
        raise no_record_can_be_read(next(iter(details.get(next(iter(rejected)), {})), next(iter(rejected))))
    return [
        *_file_lines(path, export, export_format),
        f"records: {records:,}, rows: {rows:,}, of which rejected: {rejected.total():,}",
        *_value_lines(columns),
        *_meaning_lines(export_format),
        *(f"assumed: {assumption}" for assumption in export.assumptions),
        *_rejected_lines(rejected, details),
        *_unreadable_lines(columns),
    ]


def _rejections(rows: pa.Table) -> list[str]:
    """For each row that validation rejects, its read error or the reason for the missing value."""
    reasons = pa.nulls(len(rows), pa.string())
    if "read_error" in rows.column_names:
        reasons = rows["read_error"].combine_chunks().cast(pa.string())
    for name, reason in _MISSING.items():
        if name in rows.column_names:
            has_value = pc.not_equal(pc.coalesce(rows[name].combine_chunks().cast(pa.string()), ""), "")
            reasons = pc.coalesce(reasons, pc.if_else(has_value, None, pa.scalar(str(reason))))
    found: list[str] = reasons.drop_null().to_pylist()
    return found


def _add(column: _Column, name: str, texts: pa.Array) -> None:
    texts = texts.drop_null().cast(pa.string())
    if len(column.first) < MAX_EXAMPLES:
        column.first |= dict.fromkeys(texts.slice(0, 100).to_pylist())
    if name in _PATTERNS:
        failing = texts.filter(pc.invert(pc.match_substring_regex(texts, _PATTERNS[name])))
        column.unreadable += len(failing)
        if len(column.examples) < MAX_EXAMPLES:
            originals = (text.removeprefix(values.UNREADABLE_MARK) for text in failing.slice(0, 100).to_pylist())
            column.examples |= dict.fromkeys(originals)


def _file_lines(path: Path, export: Export, export_format: ExportFormat) -> Iterator[str]:
    description: str = export.file_type
    if compression := compression_of(path):
        description = f"{description}, {compression}"
    if export.file_type == "CSV":
        encoding = "UTF-16" if export.is_utf_16 else "UTF-8"
        encoding = "Windows-1252" if WINDOWS_1252 in export.assumptions else encoding
        description = f"{description}, {encoding}, values separated by {DELIMITERS[export.delimiter]}"
    yield f"file: {description}"
    used = export.columns.values() or [
        name for name in export.names[0] if name in (*export_format.required_names, *export_format.optional_names)
    ]
    yield f"columns used: {', '.join(used)}"
    ignored = [printable(name[:40]) or "(no name)" for name in export.names[0] if name not in set(used)]
    yield f"columns ignored: {', '.join(ignored) or 'none'}"


def _value_lines(columns: Mapping[str, _Column]) -> Iterator[str]:
    order = [name for name in (*RAW_REVIEWS.column_names, "price") if name in columns]
    for name in order:
        if columns[name].first:
            yield f"{name}: {quoted(columns[name].first)}"
    if empty := [name for name in order if not columns[name].first]:
        yield f"without values: {', '.join(empty)}"


def _meaning_lines(export_format: ExportFormat) -> Iterator[str]:
    if export_format.rating_meaning == "product":
        yield "meaning: rating is the mean rating of the product, not the reviewer's; prices are those of the listing"


def _rejected_lines(rejected: Mapping[str, int], details: Mapping[str, Mapping[str, None]]) -> Iterator[str]:
    for reason, rows in rejected.items():
        examples = f", such as: {'; '.join(details[reason])}" if reason in details else ""
        yield f"rejected: {rows:,} rows: {reason}{examples}"


def _unreadable_lines(columns: Mapping[str, _Column]) -> Iterator[str]:
    for name, column in columns.items():
        if column.unreadable:
            rule = RULE_NAMES["paid_price" if name == "price" else name]
            yield f"unreadable: {name}: {column.unreadable:,} values are not {rule}, such as {quoted(column.examples)}"
