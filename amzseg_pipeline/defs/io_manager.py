"""The IO manager: stores the outputs of assets in the warehouse and loads them as inputs, chosen by their type."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import narwhals as nw
import pandas as pd

from amzseg_pipeline.contracts.errors import TableError
from amzseg_pipeline.contracts.tables import TABLES
from amzseg_pipeline.defs.column_lineage import LINEAGE_TABLES, column_lineage
from amzseg_pipeline.defs.documents import DOCUMENTS
from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.fs.atomic_writes import atomic_write
from amzseg_pipeline.storage.fs.object_store import store_of
from amzseg_pipeline.storage.fs.write_lease import require_lease
from amzseg_pipeline.storage.landing import RawReviews
from amzseg_pipeline.storage.parquet import tables
from amzseg_pipeline.storage.parquet.partitions import TableParts, bytes_in, delete_other_parts
from amzseg_pipeline.storage.warehouse.catalog import document_path, read_document, table_frame
from amzseg_pipeline.storage.warehouse.cleaned_reviews import CleanedReviews


class WarehouseIOManager(dg.IOManager):
    """Stores tables as `warehouse/<asset>.parquet` and documents as `warehouse/<asset>.json`, atomically.

    A table in parts is an index and the folders it lists; other folders are deleted once the index is written. An
    input is loaded as a narwhals LazyFrame on the engine or as a pandas frame, as its annotation says.
    """

    def __init__(self, warehouse: Path, engine: Engine) -> None:
        self._warehouse = warehouse
        self._engine = engine

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Stores an output; its metadata gets rows, bytes, path and the resources used."""
        name = context.asset_key.path[-1]
        if store_of(self._warehouse) is not None:
            require_lease(self._warehouse, context.run_id)
        if type(obj) in DOCUMENTS:
            path = document_path(self._warehouse, name)
            to_document, _ = DOCUMENTS[type(obj)]
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
        elif type(obj) not in DOCUMENTS:
            rows = tables.row_count(path)
        usage = self._engine.usage()
        metadata: dict[str, Any] = {
            "dagster/uri": path.as_uri(),
            "bytes": size_bytes,
            "peak_memory_mib": usage.memory_mib,
            "peak_temporary_mib": usage.temporary_mib,
        }
        if name in LINEAGE_TABLES:
            metadata["dagster/column_lineage"] = column_lineage(name)
        context.add_output_metadata(metadata if rows is None else {**metadata, "dagster/row_count": rows})

    def load_input(self, context: dg.InputContext) -> object:
        """Loads an input as the type of its annotation."""
        name = context.asset_key.path[-1]
        wanted = context.dagster_type.typing_type
        if wanted in DOCUMENTS:
            _, from_document = DOCUMENTS[wanted]
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
        else:
            raise TableError(f"{name}: {type(obj).__name__} is not a table; return a LazyFrame or a DataFrame.")


class WarehouseIOManagerFactory(dg.ConfigurableIOManagerFactory[WarehouseIOManager]):
    """Creates the IO manager of a run on its data root and engine."""

    pipeline: dg.ResourceDependency[PipelineResource]
    engine: dg.ResourceDependency[Engine]

    def create_io_manager(self, _: dg.InitResourceContext) -> WarehouseIOManager:
        """The IO manager."""
        return WarehouseIOManager(self.pipeline.data_root.warehouse, self.engine)
