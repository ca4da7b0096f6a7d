"""What a run would read from an export: format, columns, first values, counts and assumptions. Nothing is written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from amzseg_pipeline.contracts.reviews import RAW_REVIEWS
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.reviews import values
from amzseg_pipeline.storage.landing.formats.detection import format_of
from amzseg_pipeline.storage.landing.formats.export_format import ExportFormat
from amzseg_pipeline.storage.landing.readers.decompression import compression_of
from amzseg_pipeline.storage.landing.readers.pseudonymized import parsed_rows
from amzseg_pipeline.storage.landing.scan.export import DELIMITERS, Export, opened_export
from amzseg_pipeline.storage.landing.values.column import MAX_EXAMPLES, quoted

_RULES = {
    "rating": (values.STARS, "a rating from 1 to 5 with at most one decimal"),
    "rating_count": (values.COUNT, "a count"),
    "paid_price": (values.MONEY, "an amount with at most two decimals"),
    "list_price": (values.MONEY, "an amount with at most two decimals"),
    "price": (values.MONEY, "an amount with at most two decimals"),
    "discount_percent": (values.PERCENT, "a percentage from 0 to 100"),
    "reviewed_at": (values.MILLISECONDS, "milliseconds since 1970"),
}
"""Column of raw rows -> the pattern of its values, and what it is called."""


@dataclass
class _Column:
    first: dict[str, None] = field(default_factory=dict)
    unreadable: int = 0
    examples: dict[str, None] = field(default_factory=dict)


def inspection_lines(path: Path, settings: Settings, *, now: float) -> list[str]:
    """What is detected in the export at `path`, as lines of text; a column shows its first three values.

    RefusedInput where a run would refuse the file.
    """
    export_format, export = format_of(opened_export(path, settings, now=now))
    columns: dict[str, _Column] = {}
    rows = errors = records = 0
    for table in parsed_rows(export_format, export):
        rows += len(table)
        records = table["row_number"][-1].as_py()
        if "read_error" in table.column_names:
            errors += len(table) - table["read_error"].null_count
        for name in table.column_names:
            if name not in ("row_number", "read_error", "user_hash", "source_file", "batch"):
                _add(columns.setdefault(name, _Column()), name, table[name].combine_chunks())
    return [
        f"{path.name}: {export_format.name}",
        *_file_lines(export, export_format),
        f"records: {records:,}, rows: {rows:,}, of which unreadable: {errors:,}",
        *_value_lines(columns),
        *(f"assumed: {assumption}" for assumption in export.assumptions),
        *_unreadable_lines(columns),
    ]


def _add(column: _Column, name: str, texts: pa.Array) -> None:
    texts = texts.drop_null().cast(pa.string())
    if len(column.first) < MAX_EXAMPLES:
        column.first |= dict.fromkeys(texts.slice(0, 100).to_pylist())
    if name in _RULES:
        failing = texts.filter(pc.invert(pc.match_substring_regex(texts, _RULES[name][0])))
        column.unreadable += len(failing)
        if len(column.examples) < MAX_EXAMPLES:
            column.examples |= dict.fromkeys(failing.slice(0, 100).to_pylist())


def _file_lines(export: Export, export_format: ExportFormat) -> Iterator[str]:
    description: str = export.file_type
    if compression := compression_of(export.path):
        description = f"{description}, {compression}"
    if export.file_type == "CSV":
        encoding = "UTF-16" if export.is_utf_16 else "UTF-8"
        description = f"{description}, {encoding}, values separated by {DELIMITERS[export.delimiter]}"
    yield f"file: {description}"
    used = export.columns.values() or [
        name for name in export.names[0] if name in (*export_format.required_names, *export_format.optional_names)
    ]
    yield f"columns used: {', '.join(used)}"
    ignored = [name for name in export.names[0] if name not in set(used)]
    yield f"columns ignored: {', '.join(name[:40] or '(no name)' for name in ignored) or 'none'}"


def _value_lines(columns: Mapping[str, _Column]) -> Iterator[str]:
    order = [name for name in (*RAW_REVIEWS.column_names, "price") if name in columns]
    for name in order:
        yield f"{name}: {quoted(columns[name].first) or 'no values'}"


def _unreadable_lines(columns: Mapping[str, _Column]) -> Iterator[str]:
    for name, column in columns.items():
        if column.unreadable:
            rule = _RULES[name][1]
            yield f"unreadable: {name}: {column.unreadable:,} values are not {rule}, such as {quoted(column.examples)}"
