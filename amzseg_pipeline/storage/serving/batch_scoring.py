"""An upload scored row by row in bounded memory, into two Parquet files in a temporary folder.

The files are deleted with the result; the data root is not written.
"""

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from tempfile import mkdtemp
from weakref import finalize

import narwhals as nw
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.schema import Table
from amzseg_pipeline.contracts.scoring import REJECTED_USERS, SCORED_USERS, USERS_TO_SCORE, RowIssue
from amzseg_pipeline.steps.segments import scored_users
from amzseg_pipeline.steps.users_to_score import users_to_score
from amzseg_pipeline.storage.parquet.arrow_schema import arrow_schema
from amzseg_pipeline.storage.serving.uploads import TextRows, Upload

_MAX_SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class ScoredUpload:
    """The files of scored and rejected rows, with counts of users by segment id and of rejected rows by reason."""

    scored: Path
    rejected: Path
    users: Counter[str]
    reasons: Counter[str]

    def first(self, path: Path, *, rows: int) -> pd.DataFrame:
        """The first rows of `scored` or `rejected`."""
        with pq.ParquetFile(path) as file:
            batches = list(islice(file.iter_batches(batch_size=rows), 1))
            frame: pd.DataFrame = pa.Table.from_batches(batches, file.schema_arrow).to_pandas()
            return frame


def scored_upload(upload: Upload, model: Model, *, progress: Callable[[float, int], None]) -> ScoredUpload:
    """Scores or rejects every row of `upload`, in the order of the file.

    Args:
        upload: the file.
        model: the model that scores.
        progress: called with the share of rows done (0 to 1) and their number after each batch.

    Raises:
        RefusedInput: the file cannot be parsed; the temporary folder is deleted.
    """
    folder = Path(mkdtemp(prefix="amzseg-scores-"))
    result = ScoredUpload(folder / "scored_users.parquet", folder / "rejected_users.parquet", Counter(), Counter())
    finalize(result, shutil.rmtree, folder, ignore_errors=True)
    with _writer(result.scored, SCORED_USERS) as scored, _writer(result.rejected, REJECTED_USERS) as rejected:
        for batch in upload.text_rows():
            valid_rows, rejected_rows = _split(batch)
            if len(valid_rows):
                scored.write_table(_scored(valid_rows, model, result.users))
            if len(rejected_rows):
                rejected.write_table(rejected_rows)
                result.reasons.update(rejected_rows["reason"].to_pylist())
            rows_done = result.users.total() + result.reasons.total()
            progress(rows_done / upload.row_count, rows_done)
    return result


def _writer(path: Path, table: Table) -> pq.ParquetWriter:
    return pq.ParquetWriter(path, arrow_schema(table), compression="zstd")


def _split(batch: TextRows) -> tuple[pa.Table, pa.Table]:
    """The rows that can be scored, with typed values, and the others as REJECTED_USERS."""
    parsed = nw.to_native(users_to_score(nw.from_native(batch.rows).lazy()).collect())
    is_valid = pc.is_null(parsed["issue"])
    texts = {
        name: pc.utf8_slice_codeunits(batch.rows[name], 0, _MAX_SHOWN_CHARACTERS)
        for name in USERS_TO_SCORE.column_names
    }
    faulty = pa.table({"row_number": batch.rows["row_number"], "reason": parsed["issue"], **texts}).filter(
        pc.invert(is_valid)
    )
    damaged = pa.table(
        {
            "row_number": pa.array(batch.damaged, pa.int64()),
            "reason": pa.repeat(RowIssue.FIELDS.value, len(batch.damaged)),
            **{name: pa.nulls(len(batch.damaged), pa.string()) for name in USERS_TO_SCORE.column_names},
        }
    )
    rejected = pa.concat_tables([faulty, damaged]).sort_by("row_number")
    return parsed.filter(is_valid), rejected.cast(arrow_schema(REJECTED_USERS))


def _scored(users: pa.Table, model: Model, counts: Counter[str]) -> pa.Table:
    frame = users.to_pandas(types_mapper=pd.ArrowDtype)
    scores = pa.Table.from_pandas(scored_users(frame, model, as_of=date.min), preserve_index=False)
    counts.update(scores["segment_id"].to_pylist())
    segment_ids, names, strategies = (
        pa.array([getattr(segment, attribute) for segment in model.segments])
        for attribute in ("segment_id", "name", "strategy")
    )

    def index(column: str) -> pa.Array:
        return pc.index_in(scores[column].combine_chunks(), segment_ids)

    columns = {name: scores[name] for name in SCORED_USERS.column_names if name in scores.column_names}
    columns |= {
        "row_number": users["row_number"],
        "strategy": strategies.take(index("segment_id")),
        "second_segment_name": names.take(index("second_segment_id")),
    }
    return pa.table({name: columns[name] for name in SCORED_USERS.column_names}).cast(arrow_schema(SCORED_USERS))
