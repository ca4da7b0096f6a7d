"""A fitted segment model: choice of k, names, serialization, scoring and profiles."""
