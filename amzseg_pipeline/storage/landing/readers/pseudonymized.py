"""Raw rows with pseudonyms in the place of ids, and rows of exports that are else scanned where they lie.

What a pseudonym is stands in steps/pseudonyms.py. It is put here, before anything is written: no table of ours ever
holds an id as it was given.
"""

from collections.abc import Iterator
from pathlib import Path

import narwhals as nw
import pyarrow as pa

from amzseg_pipeline.contracts.reviews import RAW_REVIEWS
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.pseudonyms import UserKey
from amzseg_pipeline.storage.landing.formats.export_format import InPlaceFormat, ParsedFormat
from amzseg_pipeline.storage.landing.readers.parquet_texts import parquet_texts
from amzseg_pipeline.storage.parquet.arrow_schema import arrow_schema
from amzseg_pipeline.storage.parquet.user_hash import user_hashes

_ID_COLUMNS = ("user_id", "review_id")


def keyed_rows(rows: pa.Table, user_key: UserKey) -> pa.Table:
    """The rows with pseudonyms for the ids of users and reviews, and `user_hash` taken from the pseudonym.

    A review's id leads to its author on the shop's own pages, so it is no better kept than the user's.
    """
    for name in _ID_COLUMNS:
        if name in rows.column_names:
            ids = rows[name].combine_chunks().dictionary_encode()
            pseudonyms = pa.array(map(user_key.pseudonym, ids.dictionary.to_pylist()), pa.string())
            rows = rows.set_column(rows.column_names.index(name), name, pseudonyms.take(ids.indices))
    if "user_hash" in rows.column_names:
        hashes = user_hashes(rows["user_id"].combine_chunks())
        rows = rows.set_column(rows.column_names.index("user_hash"), "user_hash", hashes)
    return rows


def raw_rows_of(export_format: ParsedFormat | InPlaceFormat, export: Path, settings: Settings) -> Iterator[pa.Table]:
    """The rows of an export of any format, as a ReadFormat gives them."""
    if isinstance(export_format, ParsedFormat):
        yield from export_format.raw_rows(export, settings)
        return
    schema = arrow_schema(RAW_REVIEWS)
    own = [field for field in schema if field.name not in ("source_file", "batch")]
    for texts in parquet_texts(export, settings, kinds=export_format.kinds):
        given = pa.Table.from_batches([texts])
        for name in ("source_file", "batch", "user_hash"):
            given = given.append_column(name, pa.nulls(len(given), schema.field(name).type))
        rows = export_format.raw_frame(nw.from_native(given).lazy()).collect().to_arrow()
        yield rows.select([field.name for field in own]).cast(pa.schema(own))
