"""HOW: pure functions, frame in, frame out. No files, clock, environment or Dagster.

Frames are narwhals frames, so that the same function runs on DuckDB, Spark, Polars and pandas.
"""
