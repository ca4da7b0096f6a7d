"""WHAT each table promises: columns, types, units, ranges and row rules. No logic, no I/O."""
