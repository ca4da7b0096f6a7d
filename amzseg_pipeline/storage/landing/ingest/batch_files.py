"""Raw rows as Parquet: one cached batch file per batch, named by the sha256 of its export and its reader.

A cached file that is damaged or of another contract is written again. An export that is read in place has no copy; a
record of its check is kept instead, so that its pages are not read again in every run.

Over 250 lines: three ways to a batch file (cached, read from a folder, read from a store) that share one layout.
"""

import json
import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.reviews import DETAILS_SEPARATOR
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.pseudonyms import UserKey
from amzseg_pipeline.storage.fs.atomic_writes import atomic_write, delete, files_below, staging_folder
from amzseg_pipeline.storage.fs.object_store import content_of, footer
from amzseg_pipeline.storage.landing.formats.detection import FORMAT_BY_NAME, format_of
from amzseg_pipeline.storage.landing.formats.export_format import ExportFormat, InPlaceFormat, ParsedFormat
from amzseg_pipeline.storage.landing.guards.parquet import check_engine_can_open, checked_row_count
from amzseg_pipeline.storage.landing.readers.parquet_texts import check_stored_ids
from amzseg_pipeline.storage.landing.readers.pseudonymized import parsed_rows, pseudonymized_rows
from amzseg_pipeline.storage.landing.scan.export import Export, readable_export
from amzseg_pipeline.storage.landing.scan.identity import check_unchanged, sha256_now, with_mapping
from amzseg_pipeline.storage.landing.scan.listing import LandingFile
from amzseg_pipeline.storage.parquet.arrow_schema import arrow_schema

_METADATA_KEY = b"amzseg_batch"
_GROUP_ROWS = 2**16
_GROUP_BYTES = 2**26
_DICTIONARY_BYTES = 2**14
"""Ids exceed it at once and are written plain; the few distinct texts of other columns fit."""


@dataclass(frozen=True)
class BatchFile:
    """A Parquet file with the rows of one batch. `records` counts those of the export, faulty ones included.

    The rows have the contract of the format; with an InPlaceFormat, the file is the export itself.
    """

    path: Path
    format: str
    rows: int
    records: int
    read_errors: int
    currency: str | None
    user_key_id: str | None = None
    assumptions: tuple[str, ...] = ()


def batch_id(sha256: str) -> str:
    """The id of a batch, from the sha256 of its bytes."""
    return sha256[:16]


def reader_id(export_format: ExportFormat, user_key_id: str | None) -> str:
    """Identifies what determines the rows of a batch in addition to its bytes."""
    return export_format.version if user_key_id is None else f"{export_format.version}-{user_key_id}"


def cached_batch_file(
    folder: Path, sha256: str, *, export: Path | None = None, user_key: UserKey | None = None
) -> BatchFile | None:
    """The batch file in `folder` written by today's reader and with pseudonyms of `user_key`, if there is one.

    For an `export` that is read in place, what its check found.
    """
    user_key_id = user_key.id if user_key else None
    for path in folder.glob(f"{batch_id(sha256)}-*.parquet"):
        try:
            found = footer(path)
            metadata = json.loads(found.metadata[_METADATA_KEY])
            batch_file = BatchFile(
                path, rows=found.num_rows, **metadata | {"assumptions": tuple(metadata["assumptions"])}
            )
            export_format = FORMAT_BY_NAME[batch_file.format]
            schema = arrow_schema(export_format.table)
            is_current = path.name == _file_name(sha256, export_format, user_key_id)
            if is_current and found.schema.to_arrow_schema().equals(schema, check_metadata=True):
                return batch_file
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
            continue
    if export is not None and user_key is None:
        return _checked_before(folder, sha256, export)
    return None


def new_batch_file(
    folder: Path,
    sha256: str,
    *,
    landing: Path,
    file: LandingFile,
    settings: Settings,
    now: float,
    user_key: UserKey | None = None,
) -> BatchFile:
    """The batch file for `file`, written to `folder` unless the export is read in place.

    Args:
        folder: The folder of cached batch files.
        sha256: That of the file's bytes.
        landing: The folder that `file.path` is relative to.
        file: The export as it was listed.
        settings: Limits for sizes.
        now: The time of the run, in seconds since 1970 UTC; later times by more than a year are implausible.
        user_key: Replaces the ids of users and reviews with pseudonyms.

    Raises:
        RefusedInput: The file cannot be read, or changes meanwhile.
    """
    with readable_export(landing / file.path, settings, now=now) as opened:
        export_format, export = format_of(opened)
        if isinstance(export_format, InPlaceFormat) and user_key is None:
            batch_file = _checked_in_place(export, export_format, settings)
            check_unchanged(landing, file)
            with atomic_write(folder / f"{_file_name(sha256, export_format, None)}.json") as temporary:
                temporary.write_text(json.dumps(vars(batch_file) | {"path": ""}), encoding="utf-8")
            return batch_file
        path = folder / _file_name(sha256, export_format, user_key.id if user_key else None)
        with atomic_write(path) as temporary:
            batch_file = _written(
                temporary, export_format, export, file=file, batch=batch_id(sha256), user_key=user_key
            )
            check_unchanged(landing, file)
    return replace(batch_file, path=path)


def sha256_of_new_object(
    folder: Path, *, landing: Path, file: LandingFile, settings: Settings, now: float, user_key: UserKey | None = None
) -> str:
    """The sha256 of a file in a store; its batch file is written to `folder` meanwhile, so it is transferred once.

    Parquet is hashed only, because its columns are read in ranges. Arguments and errors are those of new_batch_file.
    """
    with readable_export(landing / file.path, settings, now=now) as opened, staging_folder() as scratch:
        if opened.file_type == "parquet":
            return sha256_now(landing, file)
        export_format, export = format_of(opened)
        assert export.content_hash is not None
        known = export.content_hash.sha256  # of a copy; a stream is hashed while it is read
        draft = scratch / "rows.parquet"
        batch = batch_id(with_mapping(known, landing / file.path)) if known else ""
        _written(draft, export_format, export, file=file, batch=batch, user_key=user_key)
        assert export.content_hash.sha256
        sha256 = with_mapping(export.content_hash.sha256, landing / file.path)
        check_unchanged(landing, file)
        if cached_batch_file(folder, sha256, export=landing / file.path, user_key=user_key) is None:
            path = folder / _file_name(sha256, export_format, user_key.id if user_key else None)
            with atomic_write(path) as temporary:
                if known:
                    shutil.move(draft, temporary)
                else:
                    _copy_with_batch(draft, temporary, batch_id(sha256))
    return sha256


def _checked_in_place(export: Export, export_format: InPlaceFormat, settings: Settings) -> BatchFile:
    assert export.footer is not None
    rows = checked_row_count(export.path, export.footer, settings, column_types=export_format.column_types)
    check_engine_can_open(export.path)
    check_stored_ids(export, ("user_id", "parent_asin"))
    assumptions = tuple(export.assumptions)
    return BatchFile(export.path, export_format.name, rows, rows, read_errors=0, currency=None, assumptions=assumptions)


def _checked_before(folder: Path, sha256: str, export: Path) -> BatchFile | None:
    for path in folder.glob(f"{batch_id(sha256)}-*.parquet.json"):
        try:
            record = json.loads(content_of(path))
            batch_file = BatchFile(**record | {"path": export, "assumptions": tuple(record["assumptions"])})
            if path.name == f"{_file_name(sha256, FORMAT_BY_NAME[batch_file.format], None)}.json":
                return batch_file
        except (OSError, KeyError, TypeError, ValueError):
            continue
    return None


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(path, schema, compression="zstd", dictionary_pagesize_limit=_DICTIONARY_BYTES)


def _copy_with_batch(source: Path, target: Path, batch: str) -> None:
    with pq.ParquetFile(source) as rows, _writer(target, rows.schema_arrow) as writer:
        column = rows.schema_arrow.get_field_index("batch")
        for group in range(rows.num_row_groups):
            table = rows.read_row_group(group)
            batches = pa.repeat(pa.scalar(batch), len(table))
            writer.write_table(table.set_column(column, rows.schema_arrow.field(column), batches))
        writer.add_key_value_metadata({_METADATA_KEY: rows.metadata.metadata[_METADATA_KEY]})


def _written(
    path: Path,
    export_format: ParsedFormat | InPlaceFormat,
    export: Export,
    *,
    file: LandingFile,
    batch: str,
    user_key: UserKey | None,
) -> BatchFile:
    """Writes the rows of the export to the local `path`."""
    user_key_id = user_key.id if user_key else None
    schema = arrow_schema(export_format.table)
    tables = parsed_rows(export_format, export)
    if user_key is not None:
        tables = (pseudonymized_rows(table, user_key) for table in tables)
    rows = records = last = read_errors = 0
    first_error = ""
    currency: str | None = None
    with _writer(path, schema) as writer:
        for group in _row_groups(tables):
            if "read_error" in group.column_names and not rows:
                first_error = next(iter(group["read_error"].drop_null().slice(0, 1).to_pylist()), "")
            currency = currency_with(group, currency)
            rows += group.num_rows
            records += record_count(group, after=last)
            last = group["row_number"][-1].as_py()
            if "read_error" in group.column_names:
                read_errors += group.num_rows - group["read_error"].null_count
            writer.write_table(_with_all_columns(group, schema, source_file=file.path, batch=batch))
        if read_errors == rows:
            raise no_record_can_be_read(first_error)
        assumptions = tuple(export.assumptions)
        batch_file = BatchFile(path, export_format.name, rows, records, read_errors, currency, user_key_id, assumptions)
        metadata = {name: value for name, value in asdict(batch_file).items() if name not in ("path", "rows")}
        writer.add_key_value_metadata({_METADATA_KEY: json.dumps(metadata)})
    return batch_file


def record_count(rows: pa.Table, *, after: int) -> int:
    """The number of records in rows that follow one of the record `after`; a record may have several rows."""
    return int(np.count_nonzero(np.diff(rows["row_number"].to_numpy(), prepend=after)))


def no_record_can_be_read(first_error: str) -> RefusedInput:
    """The refusal of a file whose records are all damaged, with the details of the first."""
    details = first_error.partition(DETAILS_SEPARATOR)[2] or first_error
    return RefusedInput(f"no record can be read; of the first: {details}. Export it again as docs/exports.md shows.")


def delete_other_batch_files(folder: Path, kept: Collection[tuple[str, str]]) -> None:
    """Deletes the batch files in `folder` except those `kept`, each the sha256 and the reader_id of a batch.

    Leftovers of interrupted writes are deleted too.
    """
    names = {f"{batch_id(sha256)}-{reader}.parquet" for sha256, reader in kept}
    for path in files_below(folder):
        if ".parquet" in path.name and path.name.removesuffix(".json") not in names:
            delete(path)


def _file_name(sha256: str, export_format: ExportFormat, user_key_id: str | None) -> str:
    return f"{batch_id(sha256)}-{reader_id(export_format, user_key_id)}.parquet"


def _row_groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of about _GROUP_ROWS rows and at most slightly more than _GROUP_BYTES bytes."""
    pending: list[pa.Table] = []
    for table in tables:
        pending.append(table)
        if sum(map(len, pending)) >= _GROUP_ROWS or sum(table.nbytes for table in pending) >= _GROUP_BYTES:
            yield pa.concat_tables(pending)
            pending = []
    if pending:
        yield pa.concat_tables(pending)


def currency_with(rows: pa.Table, currency: str | None) -> str | None:
    """The one currency of `rows` and earlier rows; RefusedInput naming the first record in another one."""
    if "currency" not in rows.column_names:
        return currency
    for other in pc.unique(rows["currency"]).drop_null().to_pylist():
        if currency not in (None, other):
            record = rows["row_number"][pc.index(rows["currency"], other).as_py()]
            raise RefusedInput(
                f"record {record.as_py():,} is in {other} and earlier records are in {currency}; "
                "deliver one currency, or use a separate data root for each."
            )
        currency = other
    return currency


def _with_all_columns(rows: pa.Table, schema: pa.Schema, *, source_file: str, batch: str) -> pa.Table:
    columns = {
        **{name: pa.nulls(len(rows), schema.field(name).type) for name in schema.names},
        "source_file": pa.repeat(pa.scalar(source_file), len(rows)),
        "batch": pa.repeat(pa.scalar(batch), len(rows)),
        **{name: rows[name] for name in rows.column_names},
    }
    return pa.table(columns, schema=schema)
