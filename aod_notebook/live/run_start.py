"""Invoking a hosted agent, or following a run that is there: from what a cell asks for."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary

from aod_notebook.agentos.errors import AgentOSForbiddenError
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.ids import full_id
from aod_notebook.live import journal
from aod_notebook.live.agents import pick
from aod_notebook.live.errors import reference_of
from aod_notebook.live.handle import CONFIRM_S
from aod_notebook.live.run import LiveRun, told
from aod_notebook.live.run_connection import agentos_connection
from aod_notebook.live.run_errors import NoLastRunError, RunStoppedError
from aod_notebook.live.start import LAST, held_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aod_notebook.agentos import Run
    from aod_notebook.live.run_connection import AgentOSConnection

__all__ = [
    "attach_run",
    "find_agent_id",
    "find_run_id",
    "invoke",
    "open_run",
    "remember_run",
    "reported_run",
]

_followed: WeakValueDictionary[tuple[str, str], LiveRun] = WeakValueDictionary()
"""The runs that this process follows or followed, as long as somebody holds them."""


LISTED_RUNS = 1000
"""Among so many of the newest runs one is looked for whose id is cut short."""


class _Agent(NamedTuple):
    id: str
    name: str


def invoke(
    input: Mapping[str, Any] | None = None,  # noqa: A002 - the name that it has in the SDK
    *,
    agent: str | None = None,
    on: AgentOSConnection | None = None,
    **options: Any,
) -> LiveRun:
    """Run a hosted agent and follow it in the background.

    Args:
        input: what the agent gets.
        agent: id or name of the agent; None for the connection's own.
        on: the service; None for the current connection.
        options: further arguments of `AgentOS.invoke_stream`, such as `session_id`.

    Raises:
        NoSuchNameError: there is no such agent.
        RunStoppedError: interrupted; what had been started was cancelled.
        AgentOSError: what the service answered.

    Example:
        >>> from aod_notebook.live import invoke
        >>> invoke({"query": "hi"}).wait().status
        'completed'
    """
    on = on or agentos_connection()
    if on.client.disabled:
        raise AodNotebookError("AGENTOS_DISABLED is set, so nothing is invoked. Unset it first.")
    request = {"input": dict(input or {}), **options}
    if agent is not None:
        request["agent_id"] = find_agent_id(on, agent)
    run = LiveRun(on, request=request)
    with contextlib.suppress(KeyboardInterrupt):
        run.wait_for_id()
        remember_run(run, on)
        return run
    raise RunStoppedError(f"Interrupted: {_stop_what_began(run)}")


def attach_run(reference: str, on: AgentOSConnection | None = None) -> LiveRun:
    """Follow a run that is there already; return once all that the service had of it is read.

    Args:
        reference: its id or the first characters of it (four or more), or `last`.
        on: the service; None for the current connection.

    Raises:
        AgentOSNotFoundError: there is no such run.
        NoLastRunError: `last`, and no run was followed on this service yet.
    """
    reference = reference_of(reference, "attach_run", "run")
    on = on or agentos_connection()
    run_id = _last_run(on) if reference == LAST else _whole_id(reference, on)
    run = _followed.get((on.key, run_id))
    if run is None:
        on.client.runs.get(run_id=run_id)
        run = LiveRun(on, run_id)
        _followed[on.key, run_id] = run
    return run.catch_up()


def open_run(reference: str, names: Mapping[str, object]) -> LiveRun:
    """Follow the run that a cell names by a variable, an id or `last`.

    Args:
        reference: a name in `names` that holds a run or an id, an id, or `last`.
        names: the notebook's variables.

    Raises:
        AgentOSNotFoundError: there is no such run.
        NoLastRunError: `last`, and no run was followed on this service yet.
    """
    held = names.get(reference)
    if isinstance(held, LiveRun):
        return held.follow()
    return attach_run(find_run_id(reference, names))


def find_run_id(
    reference: str, names: Mapping[str, object], on: AgentOSConnection | None = None
) -> str:
    """Return the id that a cell means by a variable's name, its id or `last`; only an id that is cut short is asked for.

    Raises:
        RunUnknownError: the variable's run is not known to the service.
        WrongVariableError: the variable holds something else.
        NoLastRunError: `last`, and no run was followed on this service yet.
    """
    held: Any = names.get(reference)
    if isinstance(held, LiveRun):
        return held.known_id()
    run_id = held_id(reference, getattr(held, "run_id", held), "run")  # of the SDK's run or result
    on = on or agentos_connection()
    return _last_run(on) if run_id == LAST else _whole_id(run_id, on)


def remember_run(run: LiveRun, on: AgentOSConnection) -> None:
    """Let `last` mean this run, also after a restart of the kernel."""
    if run.run_id is not None:
        _followed[on.key, run.run_id] = run
        journal.remember(run.run_id, on.key, None)


def reported_run(run: Run, on: AgentOSConnection) -> LiveRun:
    """Return the handle of a run that this process reports."""
    handle = LiveRun(on, reported=run)
    remember_run(handle, on)
    return handle


def _stop_what_began(run: LiveRun) -> str:
    """After an interrupt: wait for the run's id, so that nothing is left running unseen."""
    try:
        is_known = run.wait_for_id(CONFIRM_S)
    except KeyboardInterrupt:
        is_known = False
    except AodNotebookError as error:
        return f"no run had been started. {error}"
    if is_known:
        return told(run.stop(), run.id)
    run.close()
    return "a run was being started; %agentos runs shows whether it is there."


def _whole_id(reference: str, on: AgentOSConnection) -> str:
    """Return the id of the run that begins so."""
    if (on.key, reference) in _followed:
        return reference

    def listed() -> list[str]:
        rows: Any = on.client.runs.list(limit=LISTED_RUNS) or ()
        return [str(row.get("id") or row.get("run_id")) for row in rows]

    return full_id(reference, listed, "run")


def _last_run(on: AgentOSConnection) -> str:
    last = journal.last_session(on.key)
    if last is None:
        raise NoLastRunError(
            f"No run was followed on {on.base_url} yet, so there is no last one. "
            "%agentos runs lists what is there."
        )
    return last


def agent_names(on: AgentOSConnection) -> dict[str, str]:
    """Return the names of agents by id; none if the key may not list them."""
    try:
        rows: Any = on.client.agents.list()
    except AgentOSForbiddenError:
        return {}
    return {str(row.get("id")): str(row.get("name")) for row in rows}


def find_agent_id(on: AgentOSConnection, wanted: str) -> str:
    """Find the agent by id or name; a key that may not list them leaves it to the service.

    Raises:
        NoSuchNameError: there is no such agent; the nearest name is named.
        AmbiguousNameError: several agents have that name.
    """
    try:
        rows: Any = on.client.agents.list()
    except AgentOSForbiddenError:
        return wanted
    agents = [_Agent(str(row.get("id")), str(row.get("name"))) for row in rows]
    return pick(agents, wanted, "agent", "%agentos call agents.list").id
