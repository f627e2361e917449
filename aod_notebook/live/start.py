"""Starting a session, or continuing one: from what a cell asks for to a followed `LiveSession`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from aod_notebook.core import bridge, current
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.ids import full_id
from aod_notebook.live import journal
from aod_notebook.live.agents import default_agent, pick
from aod_notebook.live.connections import connection
from aod_notebook.live.errors import (
    NoLastSessionError,
    SessionStoppedError,
    WrongVariableError,
    reference_of,
)
from aod_notebook.live.handle import CONFIRM_S
from aod_notebook.live.session import LiveSession, check_prompt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future

    from aod_notebook.aod import Agent
    from aod_notebook.live.connections import Connection

__all__ = ["LAST", "SessionRequest", "attach", "held_id", "open_session", "start"]

LAST = "last"
"""The word that means the session that was followed last."""

log = logging.getLogger("aod_notebook.live")

_followed: WeakValueDictionary[tuple[str, str], LiveSession] = WeakValueDictionary()
"""The sessions that this process follows or followed, as long as somebody holds them."""


@dataclass(frozen=True, kw_only=True)
class SessionRequest:
    """What a session is to be started with; an agent, a runtime or a provider is needed.

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


def start(request: SessionRequest, on: Connection | None = None) -> LiveSession:
    """Start a session and follow it in the background.

    Args:
        request: what to start.
        on: the service; None for the current connection.

    Raises:
        AodNotebookError: it is no request, or its prompt is empty.
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
        _followed[on.key, session.id] = session
        journal.remember(session.id, on.key, session.runtime)
        return session.follow()
    raise SessionStoppedError(f"Interrupted: {_stop_what_began(future)}")


def attach(reference: str, on: Connection | None = None) -> LiveSession:
    """Follow a session that is there already; return once all that the service had of it is read.

    A session that goes on is followed in the background from there. What an earlier kernel received of it is read from its event log; if the service can't be
    reached, that is all there is, and a `ServiceGoneWarning` says so.

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
    session_id = _last_session(on) if reference == LAST else _whole_id(reference, on)
    session = _followed.get((on.key, session_id))
    if session is None:
        session = _found(on, session_id)
        _followed[on.key, session.id] = session
    return session.catch_up()


def followed(on: Connection) -> dict[str, LiveSession]:
    """Return the sessions of a service that this process follows or followed, by id."""
    return {name: session for (key, name), session in list(_followed.items()) if key == on.key}


def received_times(session_id: str) -> dict[int, int]:
    """Return when the events of a followed session came, in microseconds since 1970, by id."""
    times: dict[int, int] = {}
    for (_, known), session in list(_followed.items()):
        for event, at in session.received() if known == session_id else ():
            # A `turn_start` has the id of the row to come, a terminal event that of the last one.
            if event.id is not None and event.type != "turn_start":
                times.setdefault(event.id, round(at * 1e6))
    return times


current.set_received(received_times)


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


def held_id(reference: str, held: object, noun: str) -> str:
    """Return the id that a variable holds; without one (or for `last`) what was written.

    Args:
        reference: what was written.
        held: what the variable of that name holds; None if there is none.
        noun: what is wanted.

    Raises:
        WrongVariableError: the variable holds something else.
    """
    if reference == LAST or held is None:
        return reference
    if not isinstance(held, str):
        raise WrongVariableError(
            f"The variable {reference} holds no {noun} and no {noun}'s id; it is of type "
            f"{type(held).__name__}."
        )
    return held.strip()


def _stop_what_began(creating: Future[LiveSession]) -> str:
    """After an interrupt: wait for the answer, so that nothing is left running unseen."""
    try:
        session = creating.result(CONFIRM_S)
    except (TimeoutError, CancelledError, KeyboardInterrupt):
        return "a session was being started; %aod sessions shows whether it is there."
    except AodNotebookError as error:
        return f"no session had been started. {error}"
    return session.follow().stop().told(session.id)


def _found(on: Connection, session_id: str) -> LiveSession:
    """Return a session by its event log; if it has none, by what the service says of it."""
    session = LiveSession(on, session_id)
    if session.received():
        return session
    row, model = on.client.sessions.get(session_id), None
    with contextlib.suppress(AodNotebookError):  # without its agent the model is not known
        model = on.client.agents.get(row.agent_id).model if row.agent_id else None
    return LiveSession(on, str(row.id), row.runtime or row.provider, model)


def _whole_id(reference: str, on: Connection) -> str:
    """Return the id of the session that begins so."""
    if (on.key, reference) in _followed:
        return reference
    return full_id(reference, lambda: (row.id for row in on.client.sessions.list()), "session")


def _last_session(on: Connection) -> str:
    last = journal.last_session(on.key)
    if last is None:
        raise NoLastSessionError(
            f"No session was followed on {on.base_url} yet, so there is no last one. "
            "%aod sessions lists what is there."
        )
    return last


async def _create(request: SessionRequest, on: Connection) -> LiveSession:
    agent, given = await creation(request, on)
    ack = await on.background_client.sessions.create(prompt=request.prompt, **given)
    session = LiveSession(on, str(ack.id), agent.runtime or agent.provider, agent.model)
    session.prompts[1] = request.prompt
    return session


async def creation(request: SessionRequest, on: Connection) -> tuple[Agent, dict[str, Any]]:
    """Return the agent of a session, and what `sessions.create` takes beside the prompt.

    Runs on the background loop; an agent of the notebook's own is made if need be.
    """
    from aod_notebook.live.embedded import check_cli

    if on.is_embedded:
        check_cli(request.runtime)
    agent = await _agent(request, on)
    if on.is_embedded:
        check_cli(agent.runtime)
    given: dict[str, Any] = {
        "agent_id": str(agent.id),
        "timeout": request.timeout,
        "resources": list(request.resources) or None,
        "secret_env_vars": dict(request.secrets) or None,
    }
    if request.environment is not None:
        environments = await on.background_client.environments.list()
        found = pick(environments, request.environment, "environment", "%aod envs")
        given["environment_id"] = str(found.id)
    return agent, {name: value for name, value in given.items() if value is not None}


async def _agent(request: SessionRequest, on: Connection) -> Agent:
    client = on.background_client
    if request.agent is not None:
        _check_replay(request, None)
        return pick(await client.agents.list(), request.agent, "agent", "%aod agents")
    _check_replay(request, request.runtime or request.provider)
    return await default_agent(
        client,
        runtime=request.runtime,
        provider=request.provider,
        model=request.model,
        replay=await asyncio.to_thread(_replay_options, request, on),
    )


def _check_replay(request: SessionRequest, runtime: str | None) -> None:
    given = request.recording is not None or request.speed is not None
    if given and runtime != "replay":
        raise AodNotebookError(
            "A recording and a speed are for the runtime replay. Leave them out, or use "
            "runtime='replay' without an agent."
        )
    if request.speed is not None and not 0 < request.speed < float("inf"):
        raise AodNotebookError(f"speed takes a number above 0, not {request.speed}.")


def _replay_options(request: SessionRequest, on: Connection) -> dict[str, Any]:
    """Return what the agent of a replay is told; a session's or log's recording is made first."""
    from aod_notebook.live.recording import recording_of
    from aod_notebook.live.service import embedded_data_dir

    options: dict[str, Any] = {} if request.speed is None else {"speed": request.speed}
    if request.recording is None:
        return options
    if not on.is_embedded:
        raise AodNotebookError(
            f"{on.base_url} can't play recordings of this machine. Connect to the embedded service "
            "(%aod connect --local)."
        )
    folder = embedded_data_dir() / "recordings"
    return options | {"recording": recording_of(request.recording, folder, on.client)}
