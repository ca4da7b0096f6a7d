"""The engine: DuckDB in this process, which runs the steps on tables larger than memory."""

from amzseg_pipeline.storage.engines.duckdb import (
    HASH_BITS,
    Engine,
    EngineUsage,
    ExportFile,
    batch_folder,
    bucket_folder,
)

__all__ = ["HASH_BITS", "Engine", "EngineUsage", "ExportFile", "batch_folder", "bucket_folder"]
