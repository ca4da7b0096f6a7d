"""Clusters of workers, faults of workers, of the run and of the store."""
