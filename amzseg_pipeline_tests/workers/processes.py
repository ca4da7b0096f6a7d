"""Runs in processes of their own, which can be killed; a server that has imported everything forks them."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from typing import Any

from amzseg_pipeline.storage.data_root import data_root_at
from amzseg_pipeline_tests import scenario

_CONTEXT = multiprocessing.get_context("forkserver")


def started_run(root: str, *, settings: Mapping[str, Any], **environment: str) -> BaseProcess:
    """A run of the job on this data root; its exit code is 0 if it succeeds."""
    return started(_run, root, dict(settings), **environment)


def started(function: Callable[..., None], *arguments: Any, **environment: str) -> BaseProcess:
    """A process that calls the function with these variables added to its environment."""
    _CONTEXT.set_forkserver_preload([scenario.__name__, __name__])
    process = _CONTEXT.Process(target=_call, args=(function, arguments, {**os.environ, **environment}))
    process.start()
    return process


def _call(function: Callable[..., None], arguments: tuple[Any, ...], environment: Mapping[str, str]) -> None:
    os.environ.update(environment)
    function(*arguments)


def _run(root: str, settings: Mapping[str, Any]) -> None:
    result = scenario.run(data_root_at(root), settings=settings)
    if not result.success:
        print(scenario.failure(result), file=sys.stderr)
        sys.exit(1)
