"""Tables as Parquet: schemas, reading and writing, partitions and the user hash."""
