"""Invoking an agent, synchronously and as a stream."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from aod_notebook.local.agentos import runs
from aod_notebook.local.agentos.call import AgentOSCall, run_answer
from aod_notebook.local.agentos.hosted import Listener, provider
from aod_notebook.local.agentos.plan import RunPlan, Script, make_prompt, read_script
from aod_notebook.local.clock import now
from aod_notebook.local.errors import InvalidError, MissingError, ServiceError, WrongStateError
from aod_notebook.local.http import code_of

if TYPE_CHECKING:
    import sqlite3

    from starlette.types import ASGIApp, Receive, Scope, Send

    from aod_notebook.local.agentos.transcript import Event
    from aod_notebook.local.state import State

Text = Annotated[str, Meta(min_length=1)]

_HEADERS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]


class Invoke(msgspec.Struct):
    """The body of an invoke."""

    input: dict[str, Any] = {}
    prompt_variables: dict[str, str] = {}
    parent_run_id: str | None = None
    session_id: Text | None = None
    start_session: bool = False
    history: list[dict[str, Any]] | None = None
    external_user_id: str | None = None
    test: bool = False
    stream: bool = False


class RpcInvoke(Invoke, kw_only=True):
    """`runs_invoke` of the control plane."""

    agent_id: Text


async def invoke(call: AgentOSCall) -> ASGIApp:
    """`/api/v1/agents/{agent_id}/invoke`."""
    agent_id = str(call.request.path_params["agent_id"])
    call.key.check_agent(agent_id)
    return await run_agent(call.state, agent_id, call.fields(Invoke), "sdk")


async def run_agent(state: State, agent_id: str, fields: Invoke, trigger: str) -> ASGIApp:
    """Start a hosted run and answer with its result, its pause or its stream."""
    chosen = (fields.session_id is not None, fields.start_session, fields.history is not None)
    if sum(chosen) > 1:
        raise InvalidError("Give at most one of session_id, start_session and history")
    agent, run = await state.database.write(
        lambda connection: _begin(connection, agent_id, fields, trigger)
    )
    await state.hosted.check_runtime(agent, run)
    if fields.stream:
        return RunStream(state, run["id"])
    return run_answer(await asyncio.shield(state.hosted.advance(run["id"])))


def _begin(
    connection: sqlite3.Connection, agent_id: str, fields: Invoke, trigger: str
) -> tuple[sqlite3.Row, sqlite3.Row]:
    agent = runs.find_agent(connection, agent_id)
    if agent["status"] != "active":
        raise WrongStateError(f"Agent {agent_id} is {agent['status']}")
    script = read_script(fields.input) if provider(agent) == "replay" else Script()
    conversation_id = _conversation(connection, agent_id, fields)
    settings = json.loads(agent["settings"])
    prompt = make_prompt(
        settings.get("system_prompt", ""),
        {**settings.get("prompt_variables", {}), **fields.prompt_variables},
        _history(connection, conversation_id, fields),
        fields.input,
    )
    plan = RunPlan(prompt=prompt, pauses=script.pauses, fail=script.fail)
    run = runs.insert_run(
        connection,
        agent_id,
        hosted=1,
        trigger_type=trigger,
        parent_run_id=fields.parent_run_id,
        conversation_id=conversation_id,
        test=int(fields.test),
        input=runs.dumps(fields.input),
        plan=plan.stored(),
    )
    return agent, run


def _conversation(connection: sqlite3.Connection, agent_id: str, fields: Invoke) -> str | None:
    if fields.session_id is not None:
        row = connection.execute(
            "SELECT id FROM conversation WHERE id = ? AND agent_id = ?",
            (fields.session_id, agent_id),
        ).fetchone()
        if row is None:
            raise MissingError(f"Session {fields.session_id} not found")
        return fields.session_id
    if not fields.start_session:
        return None
    conversation_id, time = str(uuid.uuid4()), now()
    connection.execute(
        "INSERT INTO conversation (id, agent_id, external_user_id, created_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?)",
        (conversation_id, agent_id, fields.external_user_id, time, time),
    )
    return conversation_id


def _history(
    connection: sqlite3.Connection, conversation_id: str | None, fields: Invoke
) -> list[dict[str, Any]]:
    if conversation_id is None:
        return fields.history or []
    rows = connection.execute(
        "SELECT role, content FROM message WHERE conversation_id = ? ORDER BY seq",
        (conversation_id,),
    )
    return [{"role": row["role"], "content": json.loads(row["content"])} for row in rows]


class RunStream:
    """The body of a streamed invoke. A client that leaves does not end the run."""

    def __init__(self, state: State, run_id: str) -> None:
        self._state = state
        self._run_id = run_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the run's events until it ends or pauses."""
        del scope, receive  # the endpoint has read the request
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await _send(send, {"type": "start", "run_id": self._run_id})
        listener: Listener = asyncio.Queue()
        task = self._state.hosted.advance(self._run_id, listener)
        heartbeat = self._state.config.heartbeat_s
        events: list[Event | None] = []
        while None not in events:
            try:
                async with asyncio.timeout(heartbeat):
                    events = [await listener.get()]
            except TimeoutError:
                await _send_raw(send, b": heartbeat\n\n")
                continue
            # all in one piece: a client that has left is not written to again and again
            while not listener.empty():
                events.append(listener.get_nowait())
            await _send(send, *filter(None, events))
        await _send(send, await _last(task))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _last(task: asyncio.Task[dict[str, Any]]) -> dict[str, Any]:
    try:
        data = await task
    except ServiceError as error:
        return {"type": "error", "message": error.detail, "code": code_of(error)}
    for kind in ("awaiting_input", "awaiting_approval"):
        waiting = data.pop(kind, None)
        if waiting is not None:
            return {"type": kind, **data, **waiting}
    data.pop("output", None)
    return {"type": "done", **data}


async def _send(send: Send, *events: Event) -> None:
    frames = (b"data: " + json.dumps(event).encode("ascii") + b"\n\n" for event in events)
    await _send_raw(send, b"".join(frames))


async def _send_raw(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})
