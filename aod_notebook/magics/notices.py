"""Warnings of this package in a cell: one line each, without the place in the source."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import warnings
from typing import TYPE_CHECKING, Any

from aod_notebook.core.awaited import what_became

if TYPE_CHECKING:
    from collections.abc import Iterator

    from IPython.core.interactiveshell import ExecutionResult


def print_what_became(result: ExecutionResult) -> None:
    """Print, after an interrupted cell, the state of the sessions and runs that it awaited.

    Nothing is printed where the error itself shows it; `asyncio.wait_for` and task groups raise
    an error of their own.
    """
    lines = what_became()
    if isinstance(result.error_in_exec, (asyncio.CancelledError, KeyboardInterrupt)):
        for line in lines:
            print(line[:1].upper() + line[1:])  # noqa: T201 - the cell's output is the user interface


@contextlib.contextmanager
def plain_warnings() -> Iterator[None]:
    """Show each warning of this package once, as a line at the end; leave other warnings unchanged.

    Python shows a warning with the path of its file, which should not be in a saved notebook; and
    the transcript replaces what is shown before the end.

    Example:
        >>> import warnings
        >>> from aod_notebook.live import ServiceGoneWarning
        >>> with plain_warnings():
        ...     warnings.warn("It is gone.", ServiceGoneWarning)  # on stderr
    """
    before = warnings.showwarning
    lines: dict[str, None] = {}

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if category.__module__.startswith("aod_notebook."):
            lines[f"{category.__name__}: {message}"] = None
        else:
            before(message, category, *place, **more)

    warnings.showwarning = show
    try:
        yield
    finally:
        if warnings.showwarning is show:
            warnings.showwarning = before
        for line in lines:
            print(line, file=sys.stderr)  # noqa: T201 - the cell's output is the user interface
