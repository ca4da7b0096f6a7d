"""Raw rows as parquet parts: one for each batch, named by its bytes and its reader, written once.

Which files are read, and what happens to those that cannot be, is decided elsewhere. A part is a cache: one that is
damaged or not of today's contract is written again. Parquet that is scanned where it lies is a part as it is.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.pseudonyms import UserKey
from amzseg_pipeline.storage.fs.atomic_writes import atomic_write, delete, files_below
from amzseg_pipeline.storage.fs.object_store import footer
from amzseg_pipeline.storage.landing.formats.detection import FORMATS, format_of
from amzseg_pipeline.storage.landing.formats.export_format import ExportFormat, InPlaceFormat
from amzseg_pipeline.storage.landing.guards.parquet import parquet_rows
from amzseg_pipeline.storage.landing.readers.pseudonymized import keyed_rows, raw_rows_of
from amzseg_pipeline.storage.landing.scan.identity import check_unchanged
from amzseg_pipeline.storage.landing.scan.listing import LandingFile
from amzseg_pipeline.storage.parquet.arrow_schema import arrow_schema

_FACTS = b"amzseg_part"
_GROUP_ROWS = 2**16
_GROUP_BYTES = 2**26
_DICTIONARY_BYTES = 2**14
"""Ids outgrow it at once and are written as they are; the few texts of other columns fit."""


@dataclass(frozen=True)
class Part:
    """A parquet file with the rows of one batch. `records` are those of the export, faulty ones included.

    The file is of the contract that the format of this name holds; where that is a ScannedFormat, it is the export.
    """

    path: Path
    format: str
    rows: int
    records: int
    read_errors: int
    currency: str | None
    user_key_id: str | None = None


def batch_id(sha256: str) -> str:
    """The name of a batch, from the sha256 of its bytes."""
    return sha256[:16]


def part_reader(export_format: ExportFormat, user_key_id: str | None) -> str:
    """Names what decides the rows of a part beside the bytes of the export."""
    return export_format.version if user_key_id is None else f"{export_format.version}-{user_key_id}"


def kept_part(folder: Path, sha256: str, *, user_key: UserKey | None = None) -> Part | None:
    """The part that holds the batch already, with pseudonyms of the key, if there is one in `folder`."""
    for export_format in FORMATS:
        path = _part_path(folder, sha256, export_format, user_key)
        try:
            found = footer(path)
            if found.schema.to_arrow_schema().equals(arrow_schema(export_format.holds), check_metadata=True):
                return Part(path, rows=found.num_rows, **json.loads(found.metadata[_FACTS]))
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
            continue
    return None


def new_part(
    folder: Path,
    sha256: str,
    *,
    landing: Path,
    file: LandingFile,
    settings: Settings,
    user_key: UserKey | None = None,
) -> Part:
    """The part of the batch that `file` holds, written if need be, with pseudonyms of the key.

    RefusedInput where the file cannot be read, or changes meanwhile.
    """
    export = landing / file.path
    export_format = format_of(export, settings)
    if isinstance(export_format, InPlaceFormat) and user_key is None:
        rows = parquet_rows(export, settings, kinds=export_format.kinds)
        check_unchanged(landing, file)
        return Part(export, export_format.name, rows, records=rows, read_errors=0, currency=None)
    tables = raw_rows_of(export_format, export, settings)
    path = _part_path(folder, sha256, export_format, user_key)
    return _written_part(path, export_format, tables, landing=landing, file=file, sha256=sha256, user_key=user_key)


def delete_other_parts(folder: Path, kept: Iterable[Path]) -> None:
    """Deletes the parts in `folder` that are not among `kept`, and what a killed write left of one."""
    names = {path.name for path in kept}
    for path in files_below(folder):
        if ".parquet" in path.name and path.name not in names:
            delete(path)


def _written_part(
    path: Path,
    export_format: ExportFormat,
    tables: Iterable[pa.Table],
    *,
    landing: Path,
    file: LandingFile,
    sha256: str,
    user_key: UserKey | None,
) -> Part:
    schema = arrow_schema(export_format.holds)
    rows = records = read_errors = 0
    currency: str | None = None
    with (
        atomic_write(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd", dictionary_pagesize_limit=_DICTIONARY_BYTES) as writer,
    ):
        for group in _row_groups(tables if user_key is None else (keyed_rows(table, user_key) for table in tables)):
            currency = _currency_with(group, currency)
            rows += group.num_rows
            records = group["row_number"][-1].as_py()
            if "read_error" in group.column_names:
                read_errors += group.num_rows - group["read_error"].null_count
            writer.write_table(_completed(group, schema, source_file=file.path, batch=batch_id(sha256)))
        key_id = user_key.id if user_key else None
        part = Part(path, export_format.name, rows, records, read_errors, currency, key_id)
        facts = {name: fact for name, fact in asdict(part).items() if name not in ("path", "rows")}
        check_unchanged(landing, file)
        writer.add_key_value_metadata({_FACTS: json.dumps(facts)})
    return part


def _part_path(folder: Path, sha256: str, export_format: ExportFormat, user_key: UserKey | None) -> Path:
    return folder / f"{batch_id(sha256)}-{part_reader(export_format, user_key.id if user_key else None)}.parquet"


def _row_groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of about _GROUP_ROWS rows, and not many more than _GROUP_BYTES bytes."""
    pending: list[pa.Table] = []
    for table in tables:
        pending.append(table)
        if sum(len(part) for part in pending) >= _GROUP_ROWS or sum(part.nbytes for part in pending) >= _GROUP_BYTES:
            yield pa.concat_tables(pending)
            pending = []
    if pending:
        yield pa.concat_tables(pending)


def _currency_with(rows: pa.Table, currency: str | None) -> str | None:
    """The one currency of `rows` and of those before; RefusedInput naming the first record in another one."""
    if "currency" not in rows.column_names:
        return currency
    for other in pc.unique(rows["currency"]).drop_null().to_pylist():
        if currency not in (None, other):
            record = rows["row_number"][pc.index(rows["currency"], other).as_py()]
            raise RefusedInput(
                f"record {record.as_py():,} is in {other} and those before it in {currency}; "
                "deliver one currency, or one file for each to a landing zone of its own."
            )
        currency = other
    return currency


def _completed(rows: pa.Table, schema: pa.Schema, *, source_file: str, batch: str) -> pa.Table:
    columns = {
        **{name: pa.nulls(len(rows), schema.field(name).type) for name in schema.names},
        "source_file": pa.repeat(pa.scalar(source_file), len(rows)),
        "batch": pa.repeat(pa.scalar(batch), len(rows)),
        **{name: rows[name] for name in rows.column_names},
    }
    return pa.table(columns, schema=schema)
