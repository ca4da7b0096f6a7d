"""Uploads scored row by row."""

import gc
import io
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.scoring import REJECTED_USERS, SCORED_USERS, USERS_TO_SCORE, RowIssue
from amzseg_pipeline.contracts.users import COUNT_COLUMNS
from amzseg_pipeline.steps.segments import model_from_document
from amzseg_pipeline.storage.parquet.arrow_schema import arrow_schema
from amzseg_pipeline.storage.serving.batch_scoring import ScoredUpload, scored_upload
from amzseg_pipeline.storage.serving.uploads import opened_upload
from amzseg_pipeline.storage.snapshots import Snapshot

_COUNTS = tuple(column.name for column in COUNT_COLUMNS)
HEADER = ",".join(USERS_TO_SCORE.column_names) + "\n"


@pytest.fixture
def model(snapshot: Snapshot) -> Model:
    return model_from_document(snapshot.model_document(), location="model.json")


def scored(content: bytes | str, model: Model) -> ScoredUpload:
    stream = io.BytesIO(content.encode() if isinstance(content, str) else content)
    return scored_upload(opened_upload(stream), model, progress=lambda _part, _rows: None)


def test_published_users_keep_their_segments(snapshot: Snapshot, model: Model) -> None:
    assignments = snapshot.segment_assignments()
    content = assignments[list(USERS_TO_SCORE.column_names)].to_csv(index=False)
    result = scored(content, model)
    found = pd.read_parquet(result.scored)
    assert list(found["user_id"]) == list(assignments["user_id"])
    assert result.users == found["segment_id"].value_counts().to_dict()
    # In a file a mean counts as one over all reviews, and spend as the typical price; the snapshot knows more.
    is_known = (assignments[list(_COUNTS)].eq(assignments["total_reviews"], axis=0)).all(axis=1).to_numpy()
    is_known = is_known & (assignments["typical_price"] == assignments["avg_spend"]).fillna(True).to_numpy(bool)
    assert is_known.mean() > 0.4
    assert list(found["segment_id"][is_known]) == list(assignments["segment_id"][is_known])
    assert found["distance"][is_known].to_numpy() == pytest.approx(assignments["distance"][is_known].to_numpy())
    assert not result.reasons


def test_parquet_and_csv_are_scored_identically(snapshot: Snapshot, model: Model) -> None:
    from_parquet = scored(snapshot.table_path("segment_assignments").read_bytes(), model)
    content = snapshot.segment_assignments()[list(USERS_TO_SCORE.column_names)].to_csv(index=False)
    from_csv = scored(content, model)
    found, expected = pd.read_parquet(from_parquet.scored), pd.read_parquet(from_csv.scored)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_every_row_is_scored_or_rejected(model: Model) -> None:
    rows = ("a,3,4.5,20,1500", "b,0,4.5,20,1500", "c,1,,,", "d,1", "e,1,9,,", "=f,2,4,50,300", "g,-1,,,")
    result = scored(HEADER + "\n".join(rows), model)
    valid, rejected = pd.read_parquet(result.scored), pd.read_parquet(result.rejected)
    assert list(zip(valid["row_number"], valid["user_id"], strict=True)) == [(1, "a"), (3, "c"), (6, "=f")]
    assert list(zip(rejected["row_number"], rejected["reason"], strict=True)) == [
        (2, RowIssue.REVIEWS.value),
        (4, RowIssue.FIELDS.value),
        (5, RowIssue.RATING.value),
        (7, RowIssue.REVIEWS.value),
    ]
    assert rejected["avg_rating"].to_list()[2] == "9"
    assert result.reasons[RowIssue.REVIEWS.value] == 2
    assert result.users.total() == 3


def test_names_and_strategies_come_from_the_model(model: Model) -> None:
    result = scored(HEADER + "a,3,4.5,20,1500\nb,12,4,5,9000\nc,1,4,75,200\n", model)
    by_id = {segment.segment_id: segment for segment in model.segments}
    names = {segment.name for segment in model.segments}
    for row in pd.read_parquet(result.scored).itertuples():
        assert (row.segment_name, row.strategy) == (by_id[row.segment_id].name, by_id[row.segment_id].strategy)
        assert row.second_segment_name in names - {row.segment_name}


def test_empty_files_keep_their_schema(model: Model) -> None:
    for content in (HEADER + "a,3,4.5,20,1500\n", HEADER + "a,x,4.5,20,1500\n"):
        result = scored(content, model)
        assert pq.read_schema(result.scored).equals(arrow_schema(SCORED_USERS), check_metadata=True)
        assert pq.read_schema(result.rejected).equals(arrow_schema(REJECTED_USERS), check_metadata=True)


def test_first_rows(model: Model) -> None:
    result = scored(HEADER + "a,3,4.5,20,1500\n" * 30, model)
    assert list(result.first(result.scored, rows=5)["row_number"]) == [1, 2, 3, 4, 5]
    assert result.first(result.rejected, rows=5).empty


def test_long_texts_of_rejected_rows_are_cut(model: Model) -> None:
    result = scored(HEADER + "x" * 5000 + ",3,4.5,20,1500\n", model)
    assert pd.read_parquet(result.rejected)["user_id"].str.len().to_list() == [200]


def test_extreme_values_are_scored(model: Model) -> None:
    result = scored(HEADER + "a,1000000000,5,100,1000000000000\nb,1,1,0,0\n", model)
    found = pd.read_parquet(result.scored)
    assert len(found) == 2
    assert found["is_outlier"].iloc[0]
    assert found["distance"].notna().all()


def test_progress_reaches_the_end(model: Model) -> None:
    calls: list[tuple[float, int]] = []
    stream = io.BytesIO((HEADER + "a,3,4.5,20,1500\n" * 400_000).encode())
    scored_upload(opened_upload(stream), model, progress=lambda part, rows: calls.append((part, rows)))
    assert len(calls) > 1
    assert calls == sorted(calls)
    assert calls[-1] == (1.0, 400_000)


def damaged_parquet() -> bytes:
    """Pages that cannot be decompressed behind an intact footer."""
    rows = 100_000
    numbers = {name: pa.array(range(1, rows + 1)) for name in USERS_TO_SCORE.column_names[1:]}
    target = io.BytesIO()
    pq.write_table(pa.table({"user_id": pa.array(range(rows)), **numbers}), target, use_dictionary=False)
    content = bytearray(target.getvalue())
    content[100_000:101_000] = bytes(1_000)
    return bytes(content)


@pytest.fixture
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_temporary_files_of_a_failed_upload_are_deleted(model: Model, temporary_folder: Path) -> None:
    with pytest.raises(RefusedInput) as refusal:
        scored(damaged_parquet(), model)
    assert list(temporary_folder.iterdir())
    del refusal
    gc.collect()
    assert list(temporary_folder.iterdir()) == []


def test_temporary_files_are_deleted_with_the_result(model: Model, temporary_folder: Path) -> None:
    result = scored(HEADER + "a,1,2,3,4\n", model)
    assert result.scored.exists()
    del result
    gc.collect()
    assert list(temporary_folder.iterdir()) == []
