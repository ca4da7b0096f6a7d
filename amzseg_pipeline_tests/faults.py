"""Faults injected at calls that write files: one call fails, or the process stops there."""

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CALLS = (
    (os, "replace"),
    (os, "rename"),
    (os, "fsync"),
    (os, "mkdir"),
    (os, "unlink"),
    (os, "rmdir"),
    (os, "open"),
    (io, "open"),
)


class Killed(BaseException):
    """The process was killed: nothing after this point happens."""


class Faults:
    """Counts the calls that write to disk and fails call number `at`; after a kill all later calls fail as well."""

    def __init__(self, at: int | None, *, is_kill: bool) -> None:
        self.calls = 0
        self._at = at
        self._is_kill = is_kill

    def before_call(self) -> None:
        number = self.calls
        self.calls += 1
        if self._at is None or number < self._at:
            return
        if self._is_kill:
            raise Killed
        if number == self._at:
            raise OSError(errno.EIO, "Input/output error")


@contextmanager
def faults(at: int | None, *, is_kill: bool) -> Iterator[Faults]:
    """Injects the fault into the block; with None the calls are only counted."""
    injected = Faults(at, is_kill=is_kill)

    def failing(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **options: Any) -> Any:
            injected.before_call()
            return call(*arguments, **options)

        return called

    with pytest.MonkeyPatch.context() as patch:
        for module, name in CALLS:
            patch.setattr(module, name, failing(getattr(module, name)))
        yield injected
