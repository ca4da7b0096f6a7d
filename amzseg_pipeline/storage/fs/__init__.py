"""Files on a local disk or in an object store: atomic writes, the write lease, disk usage."""
