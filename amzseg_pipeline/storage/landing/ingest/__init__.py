"""raw_reviews: each batch is read once and kept as Parquet parts."""
