"""An upload scored row by row: two parquet files in a temporary folder, made in bounded memory.

Nothing of the data root is written, and nothing is kept once whoever asked lets go of the result.
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

_SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class ScoredUpload:
    """Where the scored and the rejected rows lie, and how many there are by segment id and by reason.

    The files are deleted with the object.
    """

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
    """Every row of `upload` scored or rejected, in the order of the file.

    `progress` is told, part by part, how much of the file is done (0 to 1) and how many rows. Raises RefusedInput where
    the file turns out not to be readable; the temporary folder is then gone.
    """
    folder = Path(mkdtemp(prefix="amzseg-"))
    result = ScoredUpload(folder / "scored_users.parquet", folder / "rejected_users.parquet", Counter(), Counter())
    finalize(result, shutil.rmtree, folder, ignore_errors=True)
    with _writer(result.scored, SCORED_USERS) as scored, _writer(result.rejected, REJECTED_USERS) as rejected:
        for part in upload.text_rows():
            valid, faulty = _split(part)
            if len(valid):
                scored.write_table(_scored(valid, model, result.users))
            if len(faulty):
                rejected.write_table(faulty)
                result.reasons.update(faulty["reason"].to_pylist())
            progress(part.read, result.users.total() + result.reasons.total())
    return result


def _writer(path: Path, table: Table) -> pq.ParquetWriter:
    return pq.ParquetWriter(path, arrow_schema(table), compression="zstd")


def _split(part: TextRows) -> tuple[pa.Table, pa.Table]:
    """The rows that can be scored, typed, and those that cannot, as REJECTED_USERS."""
    read = nw.to_native(users_to_score(nw.from_native(part.rows).lazy()).collect())
    is_valid = pc.is_null(read["issue"])
    shown = {
        name: pc.utf8_slice_codeunits(part.rows[name], 0, _SHOWN_CHARACTERS) for name in part.rows.column_names[1:]
    }
    faulty = pa.table({"row_number": part.rows["row_number"], "reason": read["issue"], **shown}).filter(
        pc.invert(is_valid)
    )
    damaged = pa.table(
        {
            "row_number": pa.array(part.damaged, pa.int64()),
            "reason": pa.repeat(RowIssue.FIELDS.value, len(part.damaged)),
            **{name: pa.nulls(len(part.damaged), pa.string()) for name in USERS_TO_SCORE.column_names},
        }
    )
    rejected = pa.concat_tables([faulty, damaged]).sort_by("row_number")
    return read.filter(is_valid), rejected.cast(arrow_schema(REJECTED_USERS))


def _scored(users: pa.Table, model: Model, counts: Counter[str]) -> pa.Table:
    frame = users.to_pandas(types_mapper=pd.ArrowDtype)
    found = pa.Table.from_pandas(scored_users(frame, model, as_of=date.min), preserve_index=False)
    ids = found["segment_id"]
    counts.update(ids.to_pylist())
    places, names, strategies = (
        pa.array([getattr(segment, word) for segment in model.segments]) for word in ("segment_id", "name", "strategy")
    )
    columns = {name: found[name] for name in SCORED_USERS.column_names if name in found.column_names}
    columns |= {
        "row_number": users["row_number"],
        "strategy": strategies.take(pc.index_in(ids.combine_chunks(), places)),
        "second_segment_name": names.take(pc.index_in(found["second_segment_id"].combine_chunks(), places)),
    }
    return pa.table({name: columns[name] for name in SCORED_USERS.column_names}).cast(arrow_schema(SCORED_USERS))
