"""Opt-in for cells that call `asyncio.run`; this package does not need it."""

from __future__ import annotations

import asyncio

from aod_notebook.core.errors import AodNotebookError


class NestedLoopsError(AodNotebookError):
    """The running event loop can't be nested.

    Fix: Await the coroutine in the cell instead of calling `asyncio.run`.
    """


def enable_nested_loops() -> None:
    """Let `asyncio.run` and `run_until_complete` be called while a loop runs, as in a cell.

    It patches asyncio for the whole process with the package nest-asyncio, which is no longer
    developed, so it is never done by itself: the SDK's sync calls and the magics work without.

    Raises:
        NestedLoopsError: the loop that runs is not asyncio's own (uvloop, for one).

    Example:
        >>> import asyncio
        >>> enable_nested_loops()
        >>> async def inner():
        ...     return 42
        >>> async def cell():
        ...     return asyncio.run(inner())
        >>> asyncio.run(cell())
        42
    """
    import nest_asyncio

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        loop = None
    if loop is not None and not isinstance(loop, asyncio.BaseEventLoop):
        raise NestedLoopsError(
            f"The running loop is of {type(loop).__module__}, which nest-asyncio can't patch. "
            "Await the coroutine in the cell instead of calling asyncio.run."
        )
    nest_asyncio.apply(loop)
