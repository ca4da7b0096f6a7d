"""The supported export formats: how each one is detected and mapped to raw reviews."""
