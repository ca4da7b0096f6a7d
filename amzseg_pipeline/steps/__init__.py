"""Pure functions on narwhals frames, which run on DuckDB, Polars and pandas."""
