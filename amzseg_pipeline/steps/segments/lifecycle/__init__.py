"""A model across runs: drift, challengers, promotion, lineage, migrations and history."""
