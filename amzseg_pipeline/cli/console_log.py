"""The log of a run on the console: one line per asset with rows and seconds, and a line for everything that failed.

Dagster's own log keeps every event.
"""

import logging
import sys

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

_OUR_ERRORS = "amzseg_pipeline.contracts.errors."
_STARTS = (dg.DagsterEventType.STEP_START, dg.DagsterEventType.RESOURCE_INIT_STARTED)
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
    """Collects the events of a step and prints its lines when it ends."""

    def __init__(self) -> None:
        super().__init__()
        self._is_in_step = False
        self._materializations: list[dg.AssetMaterialization] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Prints the part of a record that a person needs, if any."""
        meta = getattr(record, "dagster_meta", {})
        event: dg.DagsterEvent | None = meta.get("dagster_event")
        if event is not None:
            self._handle_event(event)
        elif self._is_in_step and record.levelno >= logging.INFO:
            # Outside of steps and resources Dagster logs a line for every step that it skips.
            _print(f"  {meta.get('orig_message', record.getMessage())}")

    def _handle_event(self, event: dg.DagsterEvent) -> None:
        event_type = event.event_type
        self._is_in_step = (self._is_in_step or event_type in _STARTS) and event_type not in _ENDS
        if event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
            self._materializations.append(event.step_materialization_data.materialization)
        elif event_type == dg.DagsterEventType.STEP_SUCCESS:
            self._print_step(event.step_success_data.duration_ms / 1000)
        elif event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if not check.passed:
                name = f"{check.check_name} of {check.asset_key.to_user_string()}"
                _print(f"  check {name} failed: {check.description or ''}")
        elif event_type == dg.DagsterEventType.STEP_FAILURE:
            _print(f"{event.step_key} failed: {cause(event.step_failure_data.error)}")
        elif event_type == dg.DagsterEventType.RUN_FAILURE and not event.job_failure_data.first_step_failure_event:
            _print(f"the run failed: {cause(event.job_failure_data.error)}")

    def _print_step(self, seconds: float) -> None:
        for materialization in self._materializations:
            rows = materialization.metadata.get("dagster/row_count")
            count = f"{rows.value:>12,} rows" if rows else " " * 17
            _print(f"{materialization.asset_key.to_user_string():<22}{count}{seconds:>8.1f} s")
        self._materializations = []


def cause(error: SerializableErrorInfo | None) -> str:
    """The message of the first of our own errors in the chain of causes, else of the root cause."""
    while error is not None and error.cause is not None and not error.message.startswith(_OUR_ERRORS):
        error = error.cause
    return "" if error is None else error.message.strip().removeprefix(_OUR_ERRORS)


def _print(line: str) -> None:
    print(line, file=sys.stdout, flush=True)
