"""Delivery into databases: PostgreSQL as a server process, DuckDB, and SQLite as another one of SQLAlchemy."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pytest
import sqlalchemy as sa

from amzseg_pipeline.contracts.errors import DeliveryError, SettingsError
from amzseg_pipeline.contracts.publish import PUBLISHED_TABLES
from amzseg_pipeline.storage.serving.delivery import deliver, delivered_name, delivery_url, shown_address
from amzseg_pipeline.storage.snapshots import read_latest
from amzseg_pipeline_tests.app.snapshots import publish_again
from amzseg_pipeline_tests.postgres import postgres

DATABASES = ("postgresql", "duckdb", "sqlite")
DELIVER = """
import sys
from amzseg_pipeline.storage.serving.delivery import deliver, delivery_url
from amzseg_pipeline.storage.snapshots import read_latest
deliver(read_latest(sys.argv[1]), delivery_url({"AMZSEG_DELIVER_URL": sys.argv[2]}))
"""


@pytest.fixture(scope="module")
def _server() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture
def server(_server: str) -> Iterator[sa.URL]:
    """The address of an empty database of a PostgreSQL server."""
    admin = sa.create_engine(_server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.execute(sa.text("DROP DATABASE IF EXISTS marketing WITH (FORCE)"))
        connection.execute(sa.text("CREATE DATABASE marketing"))
    return sa.make_url(_server).set(database="marketing")


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> sa.URL:
    """The address of an empty database of the type that the test names."""
    if request.param == "postgresql":
        return request.getfixturevalue("server")
    return delivery_url({"AMZSEG_DELIVER_URL": f"{request.param}:///{tmp_path}/segments.db"})


def rows_of(url: sa.URL, statement: str) -> pd.DataFrame:
    """The result of a statement, as a reader of the database gets it."""
    if url.drivername == "duckdb":
        with duckdb.connect(url.database, read_only=True) as connection:
            return connection.execute(statement).df()
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return pd.read_sql(sa.text(statement), connection)


@pytest.mark.parametrize("url", DATABASES, indirect=True)
def test_every_table_arrives_as_published(published_data_root, url):
    snapshot = read_latest(published_data_root.root)
    assert delivered_name(url) is None
    deliver(snapshot, url)
    assert delivered_name(url) == snapshot.path.name
    for table in PUBLISHED_TABLES:
        key = ", ".join(table.key)
        found = rows_of(url, f"SELECT * FROM current_{table.name} ORDER BY {key}")
        published = snapshot.table(table.name)
        assert tuple(found.columns) == table.column_names
        assert len(found) == len(published)
        both = (found, published)
        by_key = [frame.sort_values(list(table.key), ignore_index=True) for frame in both]
        for column in table.columns:
            delivered, expected = (frame[column.name] for frame in by_key)
            if column.type == "date":
                delivered, expected = pd.to_datetime(delivered), pd.to_datetime(expected)
            elif column.type == "bool":
                delivered = delivered.astype(bool)
            pd.testing.assert_series_equal(delivered, expected, check_dtype=False, check_exact=True)


@pytest.mark.parametrize("url", DATABASES, indirect=True)
def test_a_second_delivery_replaces_the_first(published_data_root, url):
    deliver(read_latest(published_data_root.root), url)
    second = publish_again(published_data_root)
    for _ in range(2):  # the same snapshot again changes nothing
        deliver(second, url)
        assert delivered_name(url) == second.path.name
        for table in PUBLISHED_TABLES:
            found = rows_of(url, f"SELECT DISTINCT snapshot FROM {table.name}")
            assert found["snapshot"].to_list() in ([second.sequence], []), table.name
        assert len(rows_of(url, "SELECT * FROM segment_assignments")) == second.rows("segment_assignments")


@pytest.mark.parametrize("url", DATABASES, indirect=True)
def test_a_table_of_others_is_never_replaced(published_data_root, url):
    if url.drivername == "duckdb":
        with duckdb.connect(url.database) as connection:
            connection.execute("CREATE TABLE orders (id BIGINT)")
    else:
        with sa.create_engine(url).begin() as connection:
            connection.execute(sa.text("CREATE TABLE segment_profiles (id BIGINT)"))
    with pytest.raises(DeliveryError, match=r"tables of others \(orders\)|segment_profiles differs .* drop it"):
        deliver(read_latest(published_data_root.root), url)
    assert delivered_name(url) is None


def test_readers_see_one_snapshot_while_others_are_delivered(published_data_root, server):
    snapshots = [read_latest(published_data_root.root), publish_again(published_data_root)]
    users = snapshots[0].rows("segment_assignments")
    deliver(snapshots[0], server)
    stop, seen, torn = threading.Event(), set(), []

    def read(isolation: str) -> None:
        statement = sa.text(
            "SELECT (SELECT snapshot FROM delivered_snapshot), (SELECT max(snapshot) FROM segment_assignments), "
            "(SELECT count(*) FROM current_segment_assignments), (SELECT sum(users) FROM current_segment_profiles)"
        )
        engine = sa.create_engine(server, isolation_level=isolation, poolclass=sa.NullPool)
        while not stop.is_set():
            with engine.connect() as connection:
                found = [tuple(connection.execute(statement).one()) for _ in range(3)]
            seen.update(row[0] for row in found)
            torn.extend(row for row in found if row != (row[0], row[0], users, users))
            if isolation == "REPEATABLE READ" and len(set(found)) > 1:
                torn.append(found)

    readers = [threading.Thread(target=read, args=(level,)) for level in ("READ COMMITTED", "REPEATABLE READ")]
    for reader in readers:
        reader.start()
    for number in range(6):
        deliver(snapshots[(number + 1) % 2], server)
    stop.set()
    for reader in readers:
        reader.join()
    assert torn == []
    assert seen == {1, 2}


def test_a_delivery_killed_in_the_middle_leaves_the_previous_snapshot(published_data_root, server):
    first = read_latest(published_data_root.root)
    deliver(first, server)
    second = publish_again(published_data_root)
    engine = sa.create_engine(server, poolclass=sa.NullPool)
    with engine.connect() as blocking:
        # The last table cannot be written, so the delivery waits with the others replaced.
        blocking.execute(sa.text("LOCK TABLE segment_history IN SHARE ROW EXCLUSIVE MODE"))
        address = server.render_as_string(hide_password=False)
        process = subprocess.Popen([sys.executable, "-c", DELIVER, published_data_root.root, address])
        waiting = sa.text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        deadline = time.monotonic() + 60
        while not rows_of(server, waiting.text).iloc[0, 0]:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert delivered_name(server) == first.path.name
    counts = rows_of(server, "SELECT snapshot, count(*) AS users FROM segment_assignments GROUP BY snapshot")
    assert counts.to_dict("list") == {"snapshot": [1], "users": [first.rows("segment_assignments")]}
    deliver(second, server)
    assert delivered_name(server) == second.path.name


def test_duckdb_readers_keep_the_file_they_opened(published_data_root, tmp_path):
    url = delivery_url({"AMZSEG_DELIVER_URL": f"duckdb:///{tmp_path}/segments.duckdb"})
    deliver(read_latest(published_data_root.root), url)
    leftover = tmp_path / ".segments.duckdb.tmp"
    leftover.write_bytes(b"of a killed delivery")
    with duckdb.connect(tmp_path / "segments.duckdb", read_only=True) as reader:
        deliver(publish_again(published_data_root), url)
        assert reader.execute("SELECT snapshot FROM delivered_snapshot").fetchall() == [(1,)]
        assert reader.execute("SELECT count(*) > 0 FROM current_segment_assignments").fetchall() == [(True,)]
    assert delivered_name(url).startswith("000002-")
    assert not leftover.exists()


@pytest.mark.parametrize(
    ("address", "error", "message"),
    [
        ("no address: secret", SettingsError, "AMZSEG_DELIVER_URL: give an address such as"),
        (
            "postgresql://me:secret@127.0.0.1:1/x",
            DeliveryError,
            r"me:\*\*\*@127.0.0.1:1/x: .*refused.*next run",
        ),
        ("duckdb://", SettingsError, "name the file"),
        ("nothing://me:secret@host/x", SettingsError, "the driver of nothing is not installed"),
        ("sqlite:////no/such/folder/x.db", DeliveryError, "unable to open"),
    ],
)
def test_errors_name_address_and_fix_but_no_password(published_data_root, address, error, message):
    with pytest.raises(error, match=message) as raised:
        deliver(read_latest(published_data_root.root), delivery_url({"AMZSEG_DELIVER_URL": address}))
    assert "secret" not in str(raised.value)


def test_no_variable_means_no_delivery():
    assert delivery_url({}) is None
    url = delivery_url({"AMZSEG_DELIVER_URL": "postgresql://me:secret@host/x?options=-csearch_path%3Dcrm"})
    assert shown_address(url) == "postgresql+psycopg2://me:***@host/x"
