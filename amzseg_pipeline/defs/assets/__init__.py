"""The assets, one module per group, each with its checks."""
