"""Delivers the published snapshot to a database for downstream teams: all tables at once, with views `current_*`.

On a database server, rows are deleted and inserted in one transaction. Tables are never dropped or truncated, because
only changes of rows are isolated by transactions: every statement sees one snapshot, and so does a transaction at
REPEATABLE READ.
A DuckDB file cannot be written while others read it, so a new file replaces it.

Over 250 lines: servers and DuckDB files, each with its way to replace all tables at once.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import duckdb
import pyarrow as pa
import sqlalchemy as sa
from pyarrow import csv
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.schema import CreateView

from amzseg_pipeline.contracts.errors import DeliveryError, PipelineError, SettingsError
from amzseg_pipeline.contracts.publish import PUBLISHED_TABLES
from amzseg_pipeline.contracts.schema import ColumnType
from amzseg_pipeline.storage.fs.atomic_writes import atomic_write
from amzseg_pipeline.storage.parquet.tables import record_batches
from amzseg_pipeline.storage.snapshots import Snapshot
from amzseg_pipeline.storage.snapshots.layout import pointer_of

URL_VARIABLE = "AMZSEG_DELIVER_URL"

_DELIVERED = "delivered_snapshot"
_TABLE_NAMES = (_DELIVERED, *(table.name for table in PUBLISHED_TABLES))
_CONNECT_SECONDS = 10
_DUCKDB = "duckdb"
_TYPES: Mapping[ColumnType, type[sa.types.TypeEngine]] = {
    "string": sa.Text,
    "int64": sa.BigInteger,
    "float64": sa.Double,
    "bool": sa.Boolean,
    "date": sa.Date,
}


def delivery_url(environment: Mapping[str, str] = os.environ) -> sa.URL | None:
    """The address in AMZSEG_DELIVER_URL; None if it is not set. Raises SettingsError if it is not an address."""
    text = environment.get(URL_VARIABLE)
    if not text:
        return None
    try:
        url = sa.make_url(text)
    except (ArgumentError, ValueError):
        # The message must not repeat the text, which may contain a password.
        raise SettingsError(f"{URL_VARIABLE}: give an address such as postgresql://user@host/database.") from None
    # The driver of the extra `postgres`; SQLAlchemy's default is another one.
    return url.set(drivername="postgresql+psycopg2") if url.drivername in ("postgres", "postgresql") else url


def shown_address(url: sa.URL) -> str:
    """The address without password and options."""
    return url.set(query={}).render_as_string(hide_password=True)


def deliver(snapshot: Snapshot, url: sa.URL) -> None:
    """Replaces what the database holds with this snapshot.

    Raises:
        DeliveryError: The database refused the snapshot; it still holds the previous one.
        SettingsError: The driver of the database is not installed, or the address names no DuckDB file.
    """
    if url.drivername == _DUCKDB:
        _replace_duckdb_file(snapshot, _duckdb_path(url))
        return
    metadata = _metadata()
    with _connection(url) as connection:
        _require_columns(connection, metadata, url)
        metadata.create_all(connection)
        delivered = metadata.tables[_DELIVERED]
        connection.execute(delivered.delete())
        connection.execute(delivered.insert(), _description(snapshot))
        for table in PUBLISHED_TABLES:
            rows = metadata.tables[table.name]
            connection.execute(rows.delete())
            for batch in _batches(snapshot, table.name):
                _insert(connection, rows, batch)


def undelivered_snapshot(published: Path, url: sa.URL | None) -> str:
    """Why the published snapshot should be delivered now; empty if it need not be."""
    pointer = None if url is None else pointer_of(published)
    if url is None or pointer is None:
        return ""
    try:
        name = delivered_name(url)
    except PipelineError as error:
        return f"it is unknown which snapshot is delivered: {error}"
    return "" if name == str(pointer.name) else f"snapshot {pointer.name.sequence} is not delivered yet"


def delivered_name(url: sa.URL) -> str | None:
    """The folder name of the delivered snapshot; None if there is none. Raises DeliveryError if it cannot be read."""
    if url.drivername == _DUCKDB:
        path = _duckdb_path(url)
        if not path.exists():
            return None
        with _duckdb(path, url, read_only=True) as database:
            if _DELIVERED not in _tables(database):
                return None
            found = database.execute(f"SELECT name FROM {_DELIVERED}").fetchone()
    else:
        with _connection(url) as connection:
            if not sa.inspect(connection).has_table(_DELIVERED):
                return None
            found = connection.execute(sa.select(_metadata().tables[_DELIVERED].c.name)).one_or_none()
    return str(found[0]) if found else None


def _metadata() -> sa.MetaData:
    """The tables and views of a delivery; comments describe them."""
    metadata = sa.MetaData()
    number = sa.select(
        sa.Table(
            _DELIVERED,
            metadata,
            sa.Column("snapshot", sa.BigInteger, primary_key=True, autoincrement=False, comment="its number"),
            sa.Column("name", sa.Text, nullable=False, comment="name of its folder in published/snapshots/"),
            sa.Column("created", sa.DateTime(timezone=True), nullable=False, comment="when it was published"),
            sa.Column("model_version", sa.Text, nullable=False, comment="version of the model that scored the users"),
            sa.Column("currency", sa.Text, comment="ISO 4217 code of prices"),
            comment="The snapshot that the tables hold: one row.",
        ).c.snapshot
    ).scalar_subquery()
    for table in PUBLISHED_TABLES:
        # A primary key cannot contain nulls.
        key = table.key if not any(column.nullable for column in table.columns if column.name in table.key) else ()
        rows = sa.Table(
            table.name,
            metadata,
            sa.Column("snapshot", sa.BigInteger, primary_key=bool(key), autoincrement=False, nullable=False),
            *(
                sa.Column(
                    column.name,
                    _TYPES[column.type],
                    primary_key=column.name in key,
                    nullable=column.nullable,
                    comment=f"{column.description} [{column.unit}]" if column.unit else column.description,
                )
                for column in table.columns
            ),
            comment=table.description,
        )
        current = sa.select(*(rows.c[name] for name in table.column_names)).where(rows.c.snapshot == number)
        CreateView(current, f"current_{table.name}", metadata=metadata)
    return metadata


def _description(snapshot: Snapshot) -> dict[str, object]:
    return {
        "snapshot": snapshot.sequence,
        "name": snapshot.path.name,
        "created": snapshot.created,
        "model_version": snapshot.model_version,
        "currency": snapshot.currency,
    }


def _batches(snapshot: Snapshot, name: str) -> Iterator[pa.RecordBatch]:
    """The rows of a table with the number of the snapshot as first column."""
    for batch in record_batches(snapshot.table_path(name)):
        numbers = pa.array([snapshot.sequence] * batch.num_rows, pa.int64())
        yield pa.RecordBatch.from_arrays([numbers, *batch.columns], ["snapshot", *batch.schema.names])


@contextmanager
def _connection(url: sa.URL) -> Iterator[sa.Connection]:
    """A transaction that no other delivery can interleave with."""
    arguments = {"connect_timeout": _CONNECT_SECONDS} if url.get_backend_name() == "postgresql" else {}
    try:
        engine = sa.create_engine(url, connect_args=arguments, isolation_level="SERIALIZABLE", poolclass=sa.NullPool)
        with engine.begin() as connection:
            yield connection
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise SettingsError(
            f"{URL_VARIABLE}: the driver of {url.drivername} is not installed ({error}); for PostgreSQL install the "
            "extra: pip install 'amzseg-pipeline[postgres]'."
        ) from error
    except SQLAlchemyError as error:
        raise _refused(url, error) from error


def _require_columns(connection: sa.Connection, metadata: sa.MetaData, url: sa.URL) -> None:
    """Raises DeliveryError if a table with a name of this delivery has other columns, so it must not be replaced."""
    inspector = sa.inspect(connection)
    for table in map(metadata.tables.__getitem__, _TABLE_NAMES):
        if inspector.has_table(table.name):
            found = {column["name"] for column in inspector.get_columns(table.name)}
            if found != set(table.c.keys()):
                names = ", ".join(sorted(found ^ set(table.c.keys())))
                raise DeliveryError(
                    f"{shown_address(url)}: the table {table.name} differs from the contract in {names}. If it is "
                    f"of an earlier version, drop it and current_{table.name}; otherwise deliver to another schema."
                )


def _insert(connection: sa.Connection, table: sa.Table, batch: pa.RecordBatch) -> None:
    if connection.dialect.driver == "psycopg2":
        rows = BytesIO()
        # As COPY expects: texts are quoted, nulls are empty and unquoted.
        csv.write_csv(batch, rows, csv.WriteOptions(include_header=False))
        rows.seek(0)
        columns = ", ".join(f'"{name}"' for name in batch.schema.names)
        try:
            with closing(connection.connection.cursor()) as cursor:
                options = "FORMAT csv, ENCODING 'UTF8'"
                cast(Any, cursor).copy_expert(f'COPY "{table.name}" ({columns}) FROM STDIN WITH ({options})', rows)
        except connection.dialect.loaded_dbapi.Error as error:
            raise DBAPIError(f"COPY {table.name}", None, error) from error
    elif batch.num_rows:
        connection.execute(table.insert(), batch.to_pylist())


def _duckdb_path(url: sa.URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise SettingsError(f"{URL_VARIABLE}: name the file, for example duckdb:////srv/warehouse/segments.duckdb.")
    return Path(url.database)


@contextmanager
def _duckdb(path: Path, url: sa.URL, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
    try:
        with duckdb.connect(path, read_only=read_only) as database:
            yield database
    except duckdb.Error as error:
        raise _refused(url, error) from error


def _tables(database: duckdb.DuckDBPyConnection) -> set[str]:
    return {str(row[0]) for row in database.execute("SELECT table_name FROM duckdb_tables()").fetchall()}


def _replace_duckdb_file(snapshot: Snapshot, path: Path) -> None:
    url = sa.URL.create(_DUCKDB, database=str(path))
    metadata = _metadata()
    if path.exists():
        with _duckdb(path, url, read_only=True) as database:
            if others := _tables(database) - set(_TABLE_NAMES):
                raise DeliveryError(
                    f"{path}: it has tables of others ({', '.join(sorted(others))}), which a delivery would delete; "
                    f"give {URL_VARIABLE} a file of its own."
                )
    with atomic_write(path) as temporary:
        for leftover in (temporary, temporary.with_name(f"{temporary.name}.wal")):
            leftover.unlink(missing_ok=True)
        with _duckdb(temporary, url, read_only=False) as database:
            dialect = cast(Any, postgresql.dialect)(paramstyle="named")

            def execute(statement: sa.DDLElement, *_: object) -> None:
                database.execute(str(statement.compile(dialect=dialect)))

            metadata.create_all(sa.create_mock_engine("postgresql+psycopg2://", execute), checkfirst=False)
            for table in PUBLISHED_TABLES:
                for batch in _batches(snapshot, table.name):
                    rows = pa.Table.from_batches([batch])  # noqa: F841 (the statement reads it by its name)
                    database.execute(f"INSERT INTO {table.name} BY NAME SELECT * FROM rows")
            database.execute(f"INSERT INTO {_DELIVERED} VALUES (?, ?, ?, ?, ?)", [*_description(snapshot).values()])


def _refused(url: sa.URL, error: Exception) -> DeliveryError:
    reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    return DeliveryError(
        f"{shown_address(url)}: the snapshot is not delivered: {reason}. Readers of the data root are not affected; "
        "the next run delivers it."
    )
