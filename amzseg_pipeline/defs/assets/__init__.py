"""The assets of the pipeline, one module per group, each with its checks."""
