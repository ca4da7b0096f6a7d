"""A run's log for people: one line per asset with its rows and seconds, and what went wrong.

Every event stays in Dagster's own log; nothing is decided here.
"""

import logging
import sys

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

_OUR_ERRORS = "amzseg_pipeline.contracts.errors."
_BEGINNINGS = (dg.DagsterEventType.STEP_START, dg.DagsterEventType.RESOURCE_INIT_STARTED)
_ENDS = (
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.RESOURCE_INIT_SUCCESS,
    dg.DagsterEventType.RESOURCE_INIT_FAILURE,
)


@dg.logger({}, description="One line per asset as it finishes.")
def line_per_asset(_: dg.InitLoggerContext) -> logging.Logger:
    """A logger that prints to standard output."""
    logger = logging.Logger("amzseg_pipeline.run", level=logging.DEBUG)
    logger.addHandler(_LinePerAsset())
    return logger


class _LinePerAsset(logging.Handler):
    """Gathers the events of a step and prints its lines when it has ended."""

    def __init__(self) -> None:
        super().__init__()
        self._at_work = False
        self._materialised: list[dg.AssetMaterialization] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Prints what a person wants to know of a record, if anything."""
        meta = getattr(record, "dagster_meta", {})
        event: dg.DagsterEvent | None = meta.get("dagster_event")
        if event is not None:
            self._tell(event)
        elif self._at_work and record.levelno >= logging.INFO:
            # Outside of steps and resources Dagster itself speaks: a line for every step that is skipped.
            _print(f"  {meta.get('orig_message', record.getMessage())}")

    def _tell(self, event: dg.DagsterEvent) -> None:
        kind = event.event_type
        self._at_work = (self._at_work or kind in _BEGINNINGS) and kind not in _ENDS
        if kind == dg.DagsterEventType.ASSET_MATERIALIZATION:
            self._materialised.append(event.step_materialization_data.materialization)
        elif kind == dg.DagsterEventType.STEP_SUCCESS:
            self._print_step(event.step_success_data.duration_ms / 1000)
        elif kind == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if not check.passed:
                name = f"{check.check_name} of {check.asset_key.to_user_string()}"
                _print(f"  check {name} failed: {check.description or ''}")
        elif kind == dg.DagsterEventType.STEP_FAILURE:
            _print(f"{event.step_key} failed: {cause(event.step_failure_data.error)}")
        elif kind == dg.DagsterEventType.RUN_FAILURE and not event.job_failure_data.first_step_failure_event:
            _print(f"the run failed: {cause(event.job_failure_data.error)}")

    def _print_step(self, seconds: float) -> None:
        for materialised in self._materialised:
            rows = materialised.metadata.get("dagster/row_count")
            told = f"{rows.value:>12,} rows" if rows else " " * 17
            _print(f"{materialised.asset_key.to_user_string():<22}{told}{seconds:>8.1f} s")
        self._materialised = []


def cause(error: SerializableErrorInfo | None) -> str:
    """What went wrong: our own words for it where there are any, else those of the first cause."""
    while error is not None and error.cause is not None and not error.message.startswith(_OUR_ERRORS):
        error = error.cause
    return "" if error is None else error.message.strip().removeprefix(_OUR_ERRORS)


def _print(line: str) -> None:
    print(line, file=sys.stdout, flush=True)
