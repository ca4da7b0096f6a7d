"""WHEN: Dagster only. An asset's body is about three lines; its checks stand below it."""
