"""Tables between assets: a cache that can be deleted."""
