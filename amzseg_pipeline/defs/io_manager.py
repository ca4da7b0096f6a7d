"""How assets become files of the warehouse and files become inputs, chosen by what the asset hands over.

No formats here: storage/ writes and reads; this only connects it to Dagster.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import narwhals as nw
import pandas as pd

from amzseg_pipeline.contracts.errors import TableError
from amzseg_pipeline.contracts.model import FeatureScaling, Model
from amzseg_pipeline.contracts.promotion import Challenger, Drift, PromotionReport
from amzseg_pipeline.contracts.tables import TABLES
from amzseg_pipeline.steps.segments.model.serialization import (
    document,
    feature_scaling_document,
    feature_scaling_from_document,
    from_document,
    model_document,
    model_from_document,
)
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.fs.atomic_writes import atomic_write
from amzseg_pipeline.storage.fs.object_store import store_of
from amzseg_pipeline.storage.fs.write_lease import require_lease
from amzseg_pipeline.storage.landing import RawReviews, raw_reviews_document, raw_reviews_from_document
from amzseg_pipeline.storage.parquet import tables
from amzseg_pipeline.storage.parquet.partitions import (
    TableParts,
    bytes_in,
    delete_other_parts,
    table_parts_document,
    table_parts_from_document,
)
from amzseg_pipeline.storage.warehouse.catalog import document_path, read_document, table_frame
from amzseg_pipeline.storage.warehouse.cleaned_reviews import (
    CleanedReviews,
    cleaned_reviews_document,
    cleaned_reviews_from_document,
)

_DOCUMENTS: dict[type, tuple[Callable[..., dict[str, Any]], Callable[..., object]]] = {
    RawReviews: (raw_reviews_document, raw_reviews_from_document),
    CleanedReviews: (cleaned_reviews_document, cleaned_reviews_from_document),
    TableParts: (table_parts_document, table_parts_from_document),
    FeatureScaling: (feature_scaling_document, feature_scaling_from_document),
    Model: (model_document, model_from_document),
    **{kind: (document, partial(from_document, kind=kind)) for kind in (Drift, Challenger, PromotionReport)},
}
"""Kinds of asset that are a JSON document: how each is written and read. Of a table in parts it is the index."""


class WarehouseIOManager(dg.IOManager):
    """Tables are `warehouse/<asset>.parquet`, documents `warehouse/<asset>.json`; each appears whole or not at all.

    A table in parts is an index, the document, and the folders it names; others beside them are deleted once it is
    written. A table is handed to the next asset as a narwhals LazyFrame on the engine or as a pandas frame, as its
    annotation asks.
    """

    def __init__(self, warehouse: Path, engine: Engine) -> None:
        self._warehouse = warehouse
        self._engine = engine

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Writes what an asset returned and tells its rows, bytes and place in the metadata."""
        name = context.asset_key.path[-1]
        if store_of(self._warehouse) is not None:
            require_lease(self._warehouse, context.run_id)
        if type(obj) in _DOCUMENTS:
            path = document_path(self._warehouse, name)
            to_document, _ = _DOCUMENTS[type(obj)]
            with atomic_write(path) as temporary:
                temporary.write_text(json.dumps(to_document(obj), indent=1, allow_nan=False), encoding="utf-8")
        else:
            path = tables.table_path(self._warehouse, name)
            self._write_table(obj, name, path)
        size_bytes, rows = path.stat().st_size, None
        if isinstance(obj, CleanedReviews | TableParts):
            delete_other_parts(obj.parts)
            size_bytes, rows = bytes_in(obj.parts), obj.rows
        elif isinstance(obj, RawReviews):
            rows = obj.rows
        elif type(obj) not in _DOCUMENTS:
            rows = tables.row_count(path)
        use = self._engine.use()
        metadata: dict[str, Any] = {
            "dagster/uri": path.as_uri(),
            "bytes": size_bytes,
            "peak_memory_mib": use.memory_mib,
            "peak_temporary_mib": use.temporary_mib,
        }
        context.add_output_metadata(metadata if rows is None else {**metadata, "dagster/row_count": rows})

    def load_input(self, context: dg.InputContext) -> object:
        """What the annotation of the input asks for."""
        name = context.asset_key.path[-1]
        wanted = context.dagster_type.typing_type
        if wanted in _DOCUMENTS:
            _, from_document = _DOCUMENTS[wanted]
            return read_document(document_path(self._warehouse, name), from_document)
        frame = table_frame(self._warehouse, name, self._engine)
        if wanted is pd.DataFrame:
            return tables.pandas_frame(frame)
        return frame

    def _write_table(self, obj: object, name: str, path: Path) -> None:
        if isinstance(obj, nw.LazyFrame):
            with atomic_write(path) as temporary:
                self._engine.write(obj, temporary)
        elif isinstance(obj, pd.DataFrame):
            tables.write_frames([obj], TABLES[name], path)
        elif isinstance(obj, tables.FrameStream):
            tables.write_frames(obj.frames, TABLES[name], path)
        else:
            raise TableError(
                f"{name}: {type(obj).__name__} is no table; return a LazyFrame, a DataFrame or a FrameStream."
            )


@dg.io_manager(required_resource_keys={"pipeline", "engine"}, description="Tables and documents of the warehouse.")
def warehouse_io_manager(context: dg.InitResourceContext) -> WarehouseIOManager:
    """The IO manager on the run's home and engine."""
    return WarehouseIOManager(context.resources.pipeline.data_root.warehouse, context.resources.engine)
