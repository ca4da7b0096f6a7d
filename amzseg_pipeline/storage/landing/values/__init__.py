"""How the cells of a column are written (units, separators, symbols), decided per column and never per cell."""
