"""Downloadable files."""

import csv
import io
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amzseg_pipeline.contracts.errors import SnapshotError
from amzseg_pipeline.storage.serving.exports import campaign_chunks, file_content, parquet_file_as
from amzseg_pipeline.storage.serving.snapshot_queries import Campaign, PublishedUsers
from amzseg_pipeline.storage.snapshots import Snapshot

DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def csv_rows(table: pa.Table) -> list[list[str]]:
    content = file_content(table.to_batches(), table.schema, file_format="csv")
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("=1+1", "'=1+1"),
        ('=HYPERLINK("http://x.example","y")', '\'=HYPERLINK("http://x.example","y")'),
        ("+49 30", "'+49 30"),
        ("-2", "'-2"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\n=1", "'\n=1"),
        ("＝1", "'＝1"),
        ("a=1", "a=1"),
        ("'=1", "'=1"),
        ("", ""),
        ('say "hi", twice', 'say "hi", twice'),
        ("AE22AC5TVX", "AE22AC5TVX"),
    ],
)
def test_formulas_get_a_leading_quote(cell: str, expected: str) -> None:
    assert csv_rows(pa.table({"user_id": [cell, "last"]})) == [["user_id"], [expected], ["last"]]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1))
def test_no_text_starts_like_a_formula(texts: list[str]) -> None:
    rows = csv_rows(pa.table({"one": texts, "two": ["x"] * len(texts)}))[1:]
    assert [row[0] for row in rows] == [f"'{text}" if text.startswith(DANGEROUS) else text for text in texts]


def test_numbers_and_missing_values() -> None:
    table = pa.table({"user_id": ["a", None], "change": [-1.5, None], "as_of": pa.array([0, 1], pa.date32())})
    assert csv_rows(table)[1:] == [["a", "-1.5", "1970-01-01"], ["", "", "1970-01-02"]]


def segment_file(snapshot: Snapshot, segment_id: str, *, file_format: str) -> bytes:
    """The chunks joined."""
    chunks = campaign_chunks(PublishedUsers(snapshot), segment_id, Campaign(), file_format=file_format)
    return b"".join(chunks)


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_segments_contain_the_users_of_the_snapshot(snapshot: Snapshot, file_format: str) -> None:
    assignments = snapshot.segment_assignments()
    parts = []
    for segment_id in sorted(set(assignments["segment_id"])):
        content = io.BytesIO(segment_file(snapshot, segment_id, file_format=file_format))
        part = pd.read_csv(content) if file_format == "csv" else pd.read_parquet(content)
        assert set(part["segment_id"]) == {segment_id}
        assert list(part.columns) == list(assignments.columns)
        parts.append(part)
    users = pd.concat(parts).sort_values("user_id")
    assert list(users["user_id"]) == sorted(assignments["user_id"])
    assert users["distance"].to_numpy() == pytest.approx(assignments.sort_values("user_id")["distance"].to_numpy())


def test_parquet_keeps_the_schema(snapshot: Snapshot) -> None:
    content = segment_file(snapshot, "S0001", file_format="parquet")
    schema = pq.read_schema(pa.BufferReader(content))
    assert schema.equals(pq.read_schema(snapshot.table_path("segment_assignments")), check_metadata=True)


def test_an_unknown_segment_has_no_rows(snapshot: Snapshot) -> None:
    assert pq.read_table(pa.BufferReader(segment_file(snapshot, "S9999", file_format="parquet"))).num_rows == 0
    assert segment_file(snapshot, "S9999", file_format="csv").count(b"\n") == 1


def test_a_damaged_snapshot_raises_snapshot_error(snapshot: Snapshot) -> None:
    snapshot.table_path("segment_assignments").write_bytes(b"PAR1 no more")
    with pytest.raises(SnapshotError, match=r"segment_assignments\.parquet.*run the pipeline again"):
        segment_file(snapshot, "S0001", file_format="csv")


def test_parquet_files_are_returned_unchanged_or_as_csv(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"user_id": ["=1", "b"], "n": [1, 2]}), path)
    assert parquet_file_as(path, file_format="parquet") == path.read_bytes()
    assert parquet_file_as(path, file_format="csv").decode() == '"user_id","n"\n"\'=1",1\n"b",2\n'
