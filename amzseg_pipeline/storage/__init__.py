"""WHERE: the only code that opens files. No rules about reviews, users or segments, and no Dagster."""
