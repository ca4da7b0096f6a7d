"""The resource through which the assets and checks of a run see the previous published run."""

import dagster as dg
from pydantic import PrivateAttr

from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.storage.previous_run import PreviousRun, previous_run


class PreviousRunResource(dg.ConfigurableResource):
    """The previous run, read from its snapshot once per run."""

    pipeline: dg.ResourceDependency[PipelineResource]
    _value: PreviousRun | None = PrivateAttr(default=None)

    @property
    def value(self) -> PreviousRun:
        """The previous run. It is read on first use, when the run already holds the lock, so it cannot change."""
        if self._value is None:
            self._value = previous_run(self.pipeline.data_root)
        return self._value
