"""The engine: DuckDB in this process, which runs the steps on tables larger than memory."""

from amzseg_pipeline.storage.engines.duckdb import Engine, EngineUsage, ExportFile, batch_folder, bucket_folder

__all__ = ["Engine", "EngineUsage", "ExportFile", "batch_folder", "bucket_folder"]
