"""Readers of CSV, JSON Lines and Parquet: every value becomes a column of text."""
