"""The functions of `aod_notebook.frames` that ask a service, to be awaited.

Same names, same arguments, same frames. They take an `AsyncClient` or `AsyncAgentOS`, whose
requests run on the caller's own loop, or a sync client or nothing, as the sync ones do. The
decoding is done in a thread, so that the loop goes on; cancelling ends the requests.

Example:
    >>> from aod_notebook.frames import aio
    >>> async def spent(client):
    ...     results = await aio.results_df(client=client)
    ...     return results["cost_usd"].sum()
"""

import functools
import inspect
import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import pandas as pd
from anyio.from_thread import BlockingPortal
from anyio.to_thread import run_sync

from aod_notebook.agentos import AsyncAgentOS
from aod_notebook.aod import AsyncClient
from aod_notebook.core.awaited import awaited
from aod_notebook.frames import _collect
from aod_notebook.frames._loop import OnLoop
from aod_notebook.frames._signatures import AsyncRuns, AsyncSessions, AsyncTable, AsyncTurns
from aod_notebook.frames.checks import options
from aod_notebook.frames.report import Problem, check, deliver, warn
from aod_notebook.frames.runs import runs
from aod_notebook.frames.sessions import sessions
from aod_notebook.frames.store import Store
from aod_notebook.frames.transcripts import tables

if TYPE_CHECKING:
    import dask.dataframe as dd
    import distributed

T = TypeVar("T")

__all__ = [
    "collect",
    "events_df",
    "messages_df",
    "model_usage_df",
    "results_df",
    "run_events_df",
    "runs_df",
    "sessions_df",
    "spans_df",
    "tasks_df",
    "tool_calls_df",
    "turns_df",
]


async def _in_thread(function: Callable[..., T], *args: Any, **options: Any) -> T:
    """Run a function that waits, in a thread; async clients among its arguments stay here.

    A cancelled call ends its requests at once, and its thread with them.
    """
    failure = None
    async with BlockingPortal() as portal:

        def sent(value: Any) -> Any:
            is_async = isinstance(value, AsyncClient | AsyncAgentOS)
            return OnLoop(value, portal) if is_async else value

        given = {name: sent(value) for name, value in options.items()}
        waiting = partial(function, *map(sent, args), **given)
        try:
            with awaited(lambda: "interrupted: the table is not read any more."):
                result = await run_sync(waiting, abandon_on_cancel=True)
        except Exception as error:  # noqa: BLE001 - raised below: the portal makes a group of it
            failure = error
            await portal.stop(cancel_remaining=True)
    if failure is not None:
        raise failure
    return result


def _twin(function: Any) -> Any:
    """Make the function to await of a function that waits."""
    made = function.__wrapped__

    @functools.wraps(made)
    async def twin(*args: Any, strict: bool = True, **options: Any) -> Any:
        check(made, args, {**options, "strict": strict})
        framed = await _in_thread(made, *args, **options)
        return deliver(framed, strict=strict, stacklevel=2)

    signature = inspect.signature(function)
    vars(twin)["__signature__"] = signature.replace(return_annotation=Awaitable[pd.DataFrame])
    twin.__module__ = __name__
    return twin


sessions_df: AsyncSessions = _twin(sessions.sessions_df)
turns_df: AsyncTurns = _twin(sessions.turns_df)
events_df: AsyncTable = _twin(tables.events_df)
messages_df: AsyncTable = _twin(tables.messages_df)
tool_calls_df: AsyncTable = _twin(tables.tool_calls_df)
results_df: AsyncTable = _twin(tables.results_df)
model_usage_df: AsyncTable = _twin(tables.model_usage_df)
runs_df: AsyncRuns = _twin(runs.runs_df)
run_events_df: AsyncRuns = _twin(runs.run_events_df)
spans_df: AsyncRuns = _twin(runs.spans_df)
tasks_df: AsyncRuns = _twin(runs.tasks_df)


@overload
async def collect(
    source: Any = None,
    *,
    into: str | os.PathLike[str],
    client: Any = None,
    dask: None = None,
    jobs: int = 8,
    progress: bool = False,
    strict: Literal[True] = True,
) -> Store: ...
@overload
async def collect(
    source: Any = None,
    *,
    into: str | os.PathLike[str],
    client: Any = None,
    dask: None = None,
    jobs: int = 8,
    progress: bool = False,
    strict: Literal[False],
) -> tuple[Store, list[Problem]]: ...
@overload
async def collect(
    source: Any = None,
    *,
    into: str | os.PathLike[str],
    client: Any = None,
    dask: "distributed.Client",
    jobs: int = 8,
    progress: bool = False,
    strict: Literal[True] = True,
) -> "dd.DataFrame": ...
@overload
async def collect(
    source: Any = None,
    *,
    into: str | os.PathLike[str],
    client: Any = None,
    dask: "distributed.Client",
    jobs: int = 8,
    progress: bool = False,
    strict: Literal[False],
) -> tuple["dd.DataFrame", list[Problem]]: ...
async def collect(
    source: Any = None,
    *,
    into: str | os.PathLike[str],
    client: Any = None,
    dask: Any = None,
    jobs: int = 8,
    progress: bool = False,
    strict: bool = True,
) -> Any:
    """Fetch sessions and keep all their frames in a directory: `frames.collect`, awaited.

    Raises:
        AodNotebookError: not one session could be read, or there is no client.
        FrameError: a parameter is of no use, or no directory can be made there.

    Warns:
        FrameWarning: sessions could not be read; the others are stored.
    """
    options({"jobs": jobs, "progress": progress, "strict": strict})
    collected, report = await _in_thread(
        _collect.collected_in, source, into, client, dask, jobs=jobs, progress=progress
    )
    if not strict:
        return collected, report.problems
    warn(report, f"sessions into {os.fspath(into)}", stacklevel=2)
    return collected
