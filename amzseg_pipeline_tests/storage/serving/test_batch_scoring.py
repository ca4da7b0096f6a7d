import gc
import io
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.scoring import REJECTED_USERS, SCORED_USERS, USERS_TO_SCORE, RowIssue
from amzseg_pipeline.contracts.users import COUNT_COLUMNS
from amzseg_pipeline.steps.segments import model_from_document
from amzseg_pipeline.storage.parquet.arrow_schema import arrow_schema
from amzseg_pipeline.storage.serving.batch_scoring import ScoredUpload, scored_upload
from amzseg_pipeline.storage.serving.uploads import upload_of
from amzseg_pipeline.storage.snapshots import Snapshot

_COUNTS = tuple(column.name for column in COUNT_COLUMNS)
HEADER = ",".join(USERS_TO_SCORE.column_names) + "\n"


@pytest.fixture
def model(snapshot: Snapshot) -> Model:
    return model_from_document(snapshot.model_document(), location="model.json")


def scored(content: bytes | str, model: Model) -> ScoredUpload:
    stream = io.BytesIO(content.encode() if isinstance(content, str) else content)
    return scored_upload(upload_of(stream), model, progress=lambda _part, _rows: None)


def test_published_users_brought_as_a_file_get_the_segments_they_have(snapshot: Snapshot, model: Model) -> None:
    everyone = snapshot.segment_assignments()
    content = everyone[list(USERS_TO_SCORE.column_names)].to_csv(index=False)
    result = scored(content, model)
    found = pd.read_parquet(result.scored)
    assert list(found["user_id"]) == list(everyone["user_id"])
    assert result.users == found["segment_id"].value_counts().to_dict()
    # In a file a mean is one over all reviews, and spend is the typical price; the snapshot knows better.
    is_known = (everyone[list(_COUNTS)].eq(everyone["total_reviews"], axis=0)).all(axis=1).to_numpy()
    is_known &= (everyone["typical_price"] == everyone["avg_spend"]).fillna(True).to_numpy(bool)
    assert is_known.mean() > 0.4
    assert list(found["segment_id"][is_known]) == list(everyone["segment_id"][is_known])
    assert found["distance"][is_known].to_numpy() == pytest.approx(everyone["distance"][is_known].to_numpy())
    assert not result.reasons


def test_a_parquet_of_published_users_is_scored_like_a_csv(snapshot: Snapshot, model: Model) -> None:
    from_parquet = scored(snapshot.table_path("segment_assignments").read_bytes(), model)
    content = snapshot.segment_assignments()[list(USERS_TO_SCORE.column_names)].to_csv(index=False)
    from_csv = scored(content, model)
    found, expected = pd.read_parquet(from_parquet.scored), pd.read_parquet(from_csv.scored)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_each_row_is_either_scored_or_rejected_with_its_number_and_reason(model: Model) -> None:
    rows = ("a,3,4.5,20,1500", "b,0,4.5,20,1500", "c,1,,,", "d,1", "e,1,9,,", "=f,2,4,50,300", "g,-1,,,")
    result = scored(HEADER + "\n".join(rows), model)
    kept, rejected = pd.read_parquet(result.scored), pd.read_parquet(result.rejected)
    assert list(zip(kept["row_number"], kept["user_id"], strict=True)) == [(1, "a"), (3, "c"), (6, "=f")]
    assert list(zip(rejected["row_number"], rejected["reason"], strict=True)) == [
        (2, RowIssue.REVIEWS.value),
        (4, RowIssue.FIELDS.value),
        (5, RowIssue.RATING.value),
        (7, RowIssue.REVIEWS.value),
    ]
    assert rejected["avg_rating"].to_list()[2] == "9"
    assert result.reasons[RowIssue.REVIEWS.value] == 2
    assert result.users.total() == 3


def test_names_and_strategies_are_those_of_the_model(model: Model) -> None:
    result = scored(HEADER + "a,3,4.5,20,1500\nb,12,4,5,9000\nc,1,4,75,200\n", model)
    by_id = {segment.segment_id: segment for segment in model.segments}
    names = {segment.name for segment in model.segments}
    for row in pd.read_parquet(result.scored).itertuples():
        assert (row.segment_name, row.strategy) == (by_id[row.segment_id].name, by_id[row.segment_id].strategy)
        assert row.second_segment_name in names - {row.segment_name}


def test_both_files_keep_their_contract_even_without_rows(model: Model) -> None:
    for content in (HEADER + "a,3,4.5,20,1500\n", HEADER + "a,x,4.5,20,1500\n"):
        result = scored(content, model)
        assert pq.read_schema(result.scored).equals(arrow_schema(SCORED_USERS), check_metadata=True)
        assert pq.read_schema(result.rejected).equals(arrow_schema(REJECTED_USERS), check_metadata=True)


def test_first_rows_are_shown_and_of_an_empty_file_none(model: Model) -> None:
    result = scored(HEADER + "a,3,4.5,20,1500\n" * 30, model)
    assert list(result.first(result.scored, rows=5)["row_number"]) == [1, 2, 3, 4, 5]
    assert result.first(result.rejected, rows=5).empty


def test_long_texts_of_rejected_rows_are_cut(model: Model) -> None:
    result = scored(HEADER + "x" * 5000 + ",3,4.5,20,1500\n", model)
    assert pd.read_parquet(result.rejected)["user_id"].str.len().to_list() == [200]


def test_values_at_the_ends_of_their_ranges_are_scored(model: Model) -> None:
    result = scored(HEADER + "a,1000000000,5,100,1000000000000\nb,1,1,0,0\n", model)
    found = pd.read_parquet(result.scored)
    assert len(found) == 2
    assert found["is_outlier"].iloc[0]
    assert found["distance"].notna().all()


def test_progress_is_told_and_reaches_the_end(model: Model) -> None:
    told: list[tuple[float, int]] = []
    stream = io.BytesIO((HEADER + "a,3,4.5,20,1500\n" * 400_000).encode())
    scored_upload(upload_of(stream), model, progress=lambda part, rows: told.append((part, rows)))
    assert len(told) > 1
    assert told == sorted(told)
    assert told[-1] == (1.0, 400_000)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_nothing_is_left_of_an_upload_that_turns_out_unreadable(model: Model, temporary: Path) -> None:
    with pytest.raises(RefusedInput) as refusal:
        scored(HEADER + "a,1,2,3,4\n" * 500_000 + "x" * 70_000 + ",1,2,3,4\n", model)
    assert list(temporary.iterdir())
    del refusal
    gc.collect()
    assert list(temporary.iterdir()) == []


def test_the_files_go_when_the_result_does(model: Model, temporary: Path) -> None:
    result = scored(HEADER + "a,1,2,3,4\n", model)
    assert result.scored.exists()
    del result
    gc.collect()
    assert list(temporary.iterdir()) == []
