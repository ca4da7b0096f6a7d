"""Pure functions on narwhals frames, which run on DuckDB, Spark, Polars and pandas."""
