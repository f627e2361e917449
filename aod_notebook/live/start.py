"""Start sessions and runs, and attach to existing ones: `start`, `attach`, `invoke`."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from aod_notebook.core import bridge, current
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.ids import full_id
from aod_notebook.live import journal
from aod_notebook.live.agents import (
    check_replay,
    default_agent,
    find_agent_id,
    pick,
    replay_options,
)
from aod_notebook.live.connections import agentos_connection, connection
from aod_notebook.live.embedded import check_cli
from aod_notebook.live.errors import (
    NoLastRunError,
    NoLastSessionError,
    RunStoppedError,
    SessionStoppedError,
)
from aod_notebook.live.handle import CONFIRM_S, LAST, held_id, reference_of
from aod_notebook.live.registry import registry
from aod_notebook.live.run import LiveRun
from aod_notebook.live.session import LiveSession, check_prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Future

    from aod_notebook.agentos import Run
    from aod_notebook.aod import Agent
    from aod_notebook.live.connections import AgentOSConnection, AodConnection, Connection

BUDGET_VARIABLE = "AOD_NOTEBOOK_MAX_COST_USD"
"""By this variable of a session the embedded service gives the CLI its own limit, if it has one."""
LISTED_RUNS = 1000
"""How many of the newest runs a short id is looked for in."""

log = logging.getLogger("aod_notebook.live")
OVER = ("agent", "runtime", "provider", "model", "environment", "recording")
"""The fields of a request that a batch can vary."""


@dataclass(frozen=True, kw_only=True)
class SessionRequest:
    """The arguments of a new session; an agent, a runtime or a provider is required.

    Attributes:
        prompt: the first prompt.
        agent: id or name of an agent.
        runtime: `claude`, `codex`, `gemini`, `opencode`, `shell` or `replay`.
        provider: the later API's word for it (`anthropic`, `openai`).
        model: the model of the notebook's own agent; with `agent` it has no meaning.
        environment: id or name of an environment.
        timeout: seconds that the turn may take.
        resources: repositories to clone.
        secrets: environment variables for this session, never shown.
        recording: what the runtime `replay` plays: the name of a recording, the id of a session,
            or the path of a CLI's own log or of a file of its output; None for a sample.
        speed: how much faster than recorded it is played; None compresses a turn to 10 seconds.
    """

    prompt: str
    agent: str | None = None
    runtime: str | None = None
    provider: str | None = None
    model: str | None = None
    environment: str | None = None
    timeout: int | None = None
    resources: Sequence[Mapping[str, Any]] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    recording: str | None = None
    speed: float | None = None


def start(request: SessionRequest, on: AodConnection | None = None) -> LiveSession:
    """Start a session and follow it in the background.

    Args:
        request: what to start.
        on: the service; None for the current connection.

    Raises:
        AodNotebookError: it is not a request, or its prompt is empty.
        NoSuchNameError: there is no such agent or environment.
        SessionStoppedError: interrupted; what had been started was stopped.
        RuntimeMissingError: the agent's CLI is not installed here (embedded service).
        AodError: what the service answered.

    Example:
        >>> from aod_notebook.live import SessionRequest, start
        >>> session = start(SessionRequest(prompt="echo hello", runtime="shell"))
        >>> session.wait().text
        'hello'
    """
    if not isinstance(request, SessionRequest):
        raise AodNotebookError(
            f"start() takes a SessionRequest, not {type(request).__name__}: "
            'start(SessionRequest(prompt="…", runtime="shell")).'
        )
    check_prompt(request.prompt, "no session was started")
    on = on or connection()
    future = bridge.submit(_create, request, on)
    with contextlib.suppress(KeyboardInterrupt):
        session = future.result()
        log.info("Session %s started on %s: %s", session.id, on.base_url, session.runtime)
        remember(session, on)
        return session.follow()
    raise SessionStoppedError(f"Interrupted: {_stop_session(future)}")


def start_again(session_id: str, on: AodConnection | None = None) -> LiveSession:
    """Start a new session with the first prompt, agent, environment and repositories of another.

    The agent is taken as it is now. Secrets and tokens are never returned by a service, so the
    new session has none.

    Args:
        session_id: the whole id of the other session.
        on: the service; None for the current connection.

    Raises:
        NotFoundError: there is no such session.
        AodNotebookError: its agent or its prompt is not known.
        AodError: what the service answered.
    """
    on = on or connection()
    row, turns = on.client.sessions.get(session_id), on.client.sessions.turns(session_id)
    if row.agent_id is None or not turns:
        raise AodNotebookError(
            f"Session {session_id} can't be run again: its service does not report its "
            f"{'prompt' if row.agent_id else 'agent'}. Start it with %%aod."
        )
    return start(
        SessionRequest(
            prompt=turns[0].prompt,
            agent=str(row.agent_id),
            environment=None if row.environment_id is None else str(row.environment_id),
            resources=[each.model_dump(exclude_none=True) for each in row.resources],
        ),
        on,
    )


def attach(reference: str, on: AodConnection | None = None) -> LiveSession:
    """Follow an existing session; return once all its current events are read.

    A session that continues is followed in the background from there. What an earlier kernel
    received of it is read from its event log; if the service can't be reached, that is all there
    is, and a `ServiceGoneWarning` is issued.

    Args:
        reference: its id or the first characters of it (four or more), or `last`.
        on: the service; None for the current connection.

    Raises:
        NotFoundError: there is no such session.
        AmbiguousIdError: several sessions' ids begin so.
        NoLastSessionError: `last`, and no session was followed on this service yet.
        AodConnectionError: the service can't be reached, and nothing was received before.
        StreamInterrupted: the stream was lost and could not be taken up again.
    """
    reference = reference_of(reference, "attach", "session")
    on = on or connection()
    session_id = _id_of(_SESSION, reference, on)
    session: LiveSession | None = registry.handles.get((on.key, session_id))
    if session is None:
        session = _found(on, session_id)
        registry.handles[on.key, session.id] = session
    return session.catch_up()


def remember(session: LiveSession, on: AodConnection, *, works: bool = True) -> None:
    """Let `last` mean this session, also after a restart of the kernel.

    One that does not `works` is only looked at.
    """
    registry.handles[on.key, session.id] = session
    journal.remember(session.id, on.key, session.runtime, works=works)


def _opened(kind: str, name: str) -> LiveSession | LiveRun:
    """Return a session or a run by its id, with its current events."""
    return attach(name) if kind == "session" else attach_run(name)


current.set_opener(_opened)
current.set_starter(start_again)
current.set_received(registry.received_times)


def open_session(reference: str, names: Mapping[str, object]) -> LiveSession:
    """Follow the session that a cell names by a variable, an id or `last`.

    Args:
        reference: a name in `names` that holds a `LiveSession` or an id, an id, or `last`.
        names: the notebook's variables.

    Raises:
        NotFoundError: there is no such session.
        NoLastSessionError: `last`, and no session was followed on this service yet.
        WrongVariableError: the variable holds something else.
    """
    held = names.get(reference)
    if isinstance(held, LiveSession):
        held.sync_or_warn()
        return held
    return attach(held_id(reference, held, "session"))


def find_session_id(reference: str, names: Mapping[str, object]) -> str:
    """Return the id that a cell means by a variable's name, an id or `last`, which stays `last`.

    Raises:
        WrongVariableError: the variable holds something else.
    """
    held = names.get(reference)
    return held.id if isinstance(held, LiveSession) else held_id(reference, held, "session")


def _stop_session(creating: Future[LiveSession]) -> str:
    """After an interrupt: wait for the answer, so that nothing is left running unseen."""
    try:
        session = creating.result(CONFIRM_S)
    except (TimeoutError, CancelledError, KeyboardInterrupt):
        return "a session was being started; %aod sessions shows whether it is there."
    except AodNotebookError as error:
        return f"no session had been started. {error}"
    return session.stop_text(session.follow().stop())


def _found(on: AodConnection, session_id: str) -> LiveSession:
    """Return a session by its event log; without one, as the service shows it."""
    session = LiveSession(on, session_id)
    if session.received():
        return session
    row, model = on.client.sessions.get(session_id), None
    with contextlib.suppress(AodNotebookError):  # without its agent the model is not known
        model = on.client.agents.get(row.agent_id).model if row.agent_id else None
    return LiveSession(on, str(row.id), row.runtime or row.provider, model)


async def _create(request: SessionRequest, on: AodConnection) -> LiveSession:
    agent, given = await creation(request, on)
    if agent is None:  # it was just made
        raise AodNotebookError("The notebook's own agent is not there. Run the cell again.")
    ack = await on.background_client.sessions.create(prompt=request.prompt, **given)
    session = LiveSession(on, str(ack.id), agent.runtime or agent.provider, agent.model)
    session.prompts[1] = request.prompt
    session.reuse_key = reuse_key(on, agent, request.prompt, given)
    return session


def reuse_key(on: AodConnection, agent: Agent, prompt: str, given: Mapping[str, Any]) -> str:
    """Return a key that is equal for the same prompt, options and agent version."""
    options = {name: value for name, value in given.items() if name != "secret_env_vars"}
    secrets = sorted({*given.get("secret_env_vars", ())} - {BUDGET_VARIABLE})
    parts = [on.key, str(agent.id), agent.version, prompt, options, secrets]
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def agent_of(request: SessionRequest, on: AodConnection) -> tuple[Agent | None, str | None]:
    """Return the agent of a request, and its `reuse_key`; None if it does not exist yet.

    Raises:
        NoSuchNameError: there is no such agent or environment.
    """
    agent, given = bridge.call(partial(creation, make=False), request, on)
    return agent, None if agent is None else reuse_key(on, agent, request.prompt, given)


async def creation(
    request: SessionRequest, on: AodConnection, *, make: bool = True
) -> tuple[Agent | None, dict[str, Any]]:
    """Return the agent of a session, and the other arguments of `sessions.create`.

    Runs on the background loop. An agent of the notebook's own is made if need be; without `make`
    it is None where there is none.
    """
    if on.is_embedded:
        check_cli(request.runtime)
    agent = await _agent(request, on, make=make)
    if on.is_embedded and agent is not None:
        check_cli(agent.runtime)
    given: dict[str, Any] = {
        "agent_id": None if agent is None else str(agent.id),
        "timeout": request.timeout,
        "resources": list(request.resources) or None,
        "secret_env_vars": dict(request.secrets) or None,
    }
    if request.environment is not None:
        environments = await on.background_client.environments.list()
        found = pick(environments, request.environment, "environment", "%aod envs")
        given["environment_id"] = str(found.id)
    return agent, {name: value for name, value in given.items() if value is not None}


async def _agent(request: SessionRequest, on: AodConnection, *, make: bool) -> Agent | None:
    client = on.background_client
    kind = None if request.agent is not None else request.runtime or request.provider
    check_replay(request.recording, request.speed, kind)
    if request.agent is not None:
        return pick(await client.agents.list(), request.agent, "agent", "%aod agents")
    return await default_agent(
        client,
        runtime=request.runtime,
        provider=request.provider,
        model=request.model,
        replay=await asyncio.to_thread(replay_options, request.recording, request.speed, on),
        make=make,
    )


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
    raise RunStoppedError(f"Interrupted: {_stop_run(run)}")


def attach_run(reference: str, on: AgentOSConnection | None = None) -> LiveRun:
    """Follow an existing run; return once all its current events are read.

    Args:
        reference: its id or the first characters of it (four or more), or `last`.
        on: the service; None for the current connection.

    Raises:
        AgentOSNotFoundError: there is no such run.
        NoLastRunError: `last`, and no run was followed on this service yet.
    """
    reference = reference_of(reference, "attach_run", "run")
    on = on or agentos_connection()
    run_id = _id_of(_RUN, reference, on)
    run: LiveRun | None = registry.handles.get((on.key, run_id))
    if run is None:
        on.client.runs.get(run_id=run_id)
        run = LiveRun(on, run_id)
        registry.handles[on.key, run_id] = run
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
    """Return the id that a cell means by a variable's name, an id or `last`.

    The service is asked only about a short id.

    Raises:
        RunUnknownError: the variable's run is not known to the service.
        WrongVariableError: the variable holds something else.
        NoLastRunError: `last`, and no run was followed on this service yet.
    """
    held: Any = names.get(reference)
    if isinstance(held, LiveRun):
        return held.known_id()
    run_id = held_id(reference, getattr(held, "run_id", held), "run")  # of the SDK's run or result
    return _id_of(_RUN, run_id, on or agentos_connection())


def remember_run(run: LiveRun, on: AgentOSConnection) -> None:
    """Let `last` mean this run, also after a restart of the kernel."""
    if run.run_id is not None:
        registry.handles[on.key, run.run_id] = run
        journal.remember(run.run_id, on.key, None, works=False)


def reported_run(run: Run, on: AgentOSConnection) -> LiveRun:
    """Return the handle of a run that this process reports."""
    handle = LiveRun(on, reported=run)
    remember_run(handle, on)
    return handle


def _stop_run(run: LiveRun) -> str:
    """After an interrupt: wait for the run's id, so that nothing is left running unseen."""
    try:
        is_known = run.wait_for_id(CONFIRM_S)
    except KeyboardInterrupt:
        is_known = False
    except AodNotebookError as error:
        return f"no run had been started. {error}"
    if is_known:
        return run.stop_text(run.stop())
    run.close()
    return "a run was being started; %agentos runs shows whether it is there."


# -- the id that a reference stands for -----------------------------------------------------------


class _Kind(NamedTuple):
    """What a reference is to: its noun, the ids that there are, the magic that lists them."""

    noun: str
    ids: Callable[[Any], Iterable[object]]
    listed_by: str
    no_last_error: type[AodNotebookError]


def _id_of(kind: _Kind, reference: str, on: Connection[Any, Any]) -> str:
    """Return the whole id for an id, the first characters of one, or `last`."""
    if reference != LAST:
        is_known = (on.key, reference) in registry.handles
        return reference if is_known else full_id(reference, lambda: kind.ids(on), kind.noun)
    last = journal.last_followed(on.key)
    if last is None:
        raise kind.no_last_error(
            f"No {kind.noun} was followed on {on.base_url} yet, so there is no last one. "
            f"{kind.listed_by} lists what is there."
        )
    return last


def _session_ids(on: AodConnection) -> Iterable[object]:
    return (row.id for row in on.client.sessions.list())


def _run_ids(on: AgentOSConnection) -> Iterable[object]:
    rows: Any = on.client.runs.list(limit=LISTED_RUNS) or ()
    return (row.get("id") or row.get("run_id") for row in rows)


_SESSION = _Kind("session", _session_ids, "%aod sessions", NoLastSessionError)
_RUN = _Kind("run", _run_ids, "%agentos runs", NoLastRunError)
