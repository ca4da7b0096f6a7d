"""Raw rows whose ids are replaced by pseudonyms (steps/pseudonyms.py) before anything is written."""

from collections.abc import Iterator

import narwhals as nw
import pyarrow as pa

from amzseg_pipeline.contracts.reviews import RAW_REVIEWS
from amzseg_pipeline.steps.pseudonyms import UserKey
from amzseg_pipeline.storage.landing.formats.export_format import InPlaceFormat, ParsedFormat
from amzseg_pipeline.storage.landing.readers.parquet_texts import parquet_texts
from amzseg_pipeline.storage.landing.scan.export import Export
from amzseg_pipeline.storage.landing.values.ids import check_ids
from amzseg_pipeline.storage.parquet.arrow_schema import arrow_schema
from amzseg_pipeline.storage.parquet.user_hash import user_hashes

_ID_COLUMNS = ("user_id", "review_id")


def pseudonymized_rows(rows: pa.Table, user_key: UserKey) -> pa.Table:
    """The rows with pseudonyms for the ids of users and reviews, and `user_hash` computed from the pseudonym.

    A review id identifies its author on the shop's pages, so it is replaced like the user id. An empty id stays empty.
    """
    for name in _ID_COLUMNS:
        if name in rows.column_names:
            ids = rows[name].combine_chunks().dictionary_encode()
            given = ids.dictionary.to_pylist()
            pseudonyms = pa.array([each and user_key.pseudonym(each) for each in given], pa.string())
            rows = rows.set_column(rows.column_names.index(name), name, pseudonyms.take(ids.indices))
    if "user_hash" in rows.column_names:
        hashes = user_hashes(rows["user_id"].combine_chunks())
        rows = rows.set_column(rows.column_names.index("user_hash"), "user_hash", hashes)
    return rows


def parsed_rows(export_format: ParsedFormat | InPlaceFormat, export: Export) -> Iterator[pa.Table]:
    """The rows of an export of any format, as a ParsedFormat gives them. RefusedInput where ids lost digits."""
    if isinstance(export_format, ParsedFormat):
        yield from export_format.raw_rows(export)
        return
    schema = arrow_schema(RAW_REVIEWS)
    fields = [field for field in schema if field.name not in ("source_file", "batch")]
    for texts in parquet_texts(export, column_types=export_format.column_types):
        columns = pa.Table.from_batches([texts])
        for name in ("source_file", "batch", "user_hash"):
            columns = columns.append_column(name, pa.nulls(len(columns), schema.field(name).type))
        rows = export_format.raw_frame(nw.from_native(columns).lazy()).collect().to_arrow()
        check_ids(rows, {"user_id": "user_id", "item_id": "parent_asin"})
        yield rows.select([field.name for field in fields]).cast(pa.schema(fields))
