"""Errors of the pipeline. Each message names the file, the location in it and the fix."""


class PipelineError(Exception):
    """Base class of all errors that this package raises deliberately."""


class SettingsError(PipelineError):
    """A setting is unknown, of the wrong type or out of range."""


class RefusedInput(PipelineError):
    """Files in the landing zone cannot be read; the message lists each of them."""


class RefusedForNow(RefusedInput):
    """A file cannot be read yet for a temporary reason: no access, incomplete delivery, changed while being read."""


class TableError(PipelineError):
    """A table in the warehouse is missing or violates its contract."""


class WriteError(PipelineError):
    """A file cannot be written: the disk is full, or access is denied."""


class ModelError(PipelineError):
    """A model cannot be fitted, read or used to score."""


class SnapshotError(PipelineError):
    """A published snapshot is missing, damaged or has an unknown contract version."""


class NothingPublished(SnapshotError):
    """No snapshot has been published."""


class UnknownContract(SnapshotError):
    """A snapshot has an unknown format or contract version; it may be newer than this code."""


class ErasureError(PipelineError):
    """A user cannot be erased yet, or some of their data remains."""


class DeliveryError(PipelineError):
    """The snapshot cannot be delivered to the database of AMZSEG_DELIVER_URL."""
