"""Metadata of assets for the Dagster UI."""
