"""The pipeline's own errors. Every message names the file, the place in it and the fix."""


class PipelineError(Exception):
    """The root of every error this package raises on purpose."""


class SettingsError(PipelineError):
    """A setting is unknown, of the wrong type or out of range."""


class RefusedInput(PipelineError):
    """Files of the landing zone cannot be read as they are; the message lists every one of them."""


class RefusedForNow(RefusedInput):
    """A file is refused for what is around it, not for its bytes: unreadable, half delivered, changed while read."""


class TableError(PipelineError):
    """A table in the warehouse is missing, or its rows do not keep its contract."""


class WriteError(PipelineError):
    """A file cannot be written: the disk is full, or what is there does not let us."""


class ModelError(PipelineError):
    """A model cannot be fitted, read or used to score."""


class SnapshotError(PipelineError):
    """A published snapshot is missing, damaged or of a contract this code does not know."""


class NothingPublished(SnapshotError):
    """There is no latest snapshot to read."""


class UnknownContract(SnapshotError):
    """A snapshot is of a format or contract that this code does not know, and so perhaps newer than the code."""


class ErasureError(PipelineError):
    """A user cannot be forgotten yet, or something of them is left."""
