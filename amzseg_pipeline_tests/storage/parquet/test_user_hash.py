"""The user hash is identical in Python and in the engine."""

import hashlib

import duckdb
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from amzseg_pipeline.storage.parquet.user_hash import DUCKDB_USER_HASH, user_hashes


def test_hash_is_the_first_32_bits_of_md5() -> None:
    assert user_hashes(pa.array(["A", None, "A"])).to_pylist() == [0x7FC56270, None, 0x7FC56270]
    assert hashlib.md5(b"A").hexdigest().startswith("7fc56270")


@given(st.lists(st.none() | st.text(), max_size=20))
def test_python_and_duckdb_agree(user_ids: list[str | None]) -> None:
    texts = pa.array(user_ids, pa.string())
    with duckdb.connect() as connection:
        users = connection.from_arrow(pa.table({"u": texts}))
        found = users.project(DUCKDB_USER_HASH.format(user_id="u")).fetchall()
    assert [hash_ for (hash_,) in found] == user_hashes(texts).to_pylist()
