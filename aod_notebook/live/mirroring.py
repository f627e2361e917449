"""Mirroring sessions into AgentOS: turns, model use and tool calls become the spans of a run."""

from __future__ import annotations

import json
import logging
import os
import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from aod_notebook.agentos.errors import AgentOSForbiddenError
from aod_notebook.contract import RUN_ENDED, SESSION_ENDED, TOKEN_FIELDS
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.redact import redact
from aod_notebook.core.text import counted
from aod_notebook.live.connections import agentos_connection

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from aod_notebook.agentos import AgentOS, Receipt, Run
    from aod_notebook.aod import Client
    from aod_notebook.live.connections import AgentOSConnection
    from aod_notebook.live.session import LiveSession

log = logging.getLogger("aod_notebook.live")

_COSTS = ("cost_usd", "computed_cost_usd", "cost_source")
_RESULT = ("subtype", "num_turns", "duration_ms", "duration_api_ms", "result", *_COSTS)
_USAGE = (*TOKEN_FIELDS, "cache_creation_1h_tokens", "reasoning_tokens", *_COSTS)
_IDS = uuid.UUID("1f6f7f0e-5f0b-4b61-9a55-6a8f7c8f3f51")
"""Namespace of the span ids: the same session gives the same ids wherever it is mirrored."""
TEXT_CHARS = 20_000
"""A longer input, output or result is cut, and the payload says by how much."""
EVENT_LIMIT = 1_000_000
DELIVERY_S = 30.0
_ADOPTION_S = 5.0
"""How long to wait for what a killed process left before the run is compared with the session."""
_SHORTEST_SECRET = 8

Times = tuple["datetime", "datetime"]


@dataclass(frozen=True)
class RunSpan:
    """One span of a mirrored run, as AgentOS records it.

    Attributes:
        id: made of the session's id and what the span stands for, so repeating gives the same.
        parent_id: the span above; None for a turn.
        name: the turn, the model or the tool.
        kind: `step` for a turn, `llm` for a model in a turn, `tool` for a call.
        times: start and end; None if they are unknown.
        payload: what is known of it.
        is_error: whether it failed.
    """

    id: str
    parent_id: str | None
    name: str
    kind: str
    times: Times | None
    payload: dict[str, Any]
    is_error: bool = False


@dataclass(frozen=True)
class Mirror:
    """A session laid out as a run for AgentOS.

    Attributes:
        session_id: the session's id, which is the run's `external_run_id`.
        status: the session's status.
        input: the run's input: the first prompt, and where the session is.
        spans: finished turns with their models and calls, by turn.
        totals: tokens and cost of these turns.
        result: the last turn's result text.
    """

    session_id: str
    status: str
    input: dict[str, Any]
    spans: dict[int, list[RunSpan]] = field(repr=False)
    totals: dict[int, dict[str, Any]] = field(repr=False)
    result: str | None = field(repr=False)

    @property
    def is_final(self) -> bool:
        """Whether the session has ended, so that its run ends too."""
        return self.status in SESSION_ENDED


class Mirrored(NamedTuple):
    """The outcome for one session.

    Attributes:
        session_id: the session.
        run_id: the run, or the last of them; None as long as the service has not answered.
        sent: how many spans were recorded now; 0 if the run had them all.
        receipt: what was delivered of them.
    """

    session_id: str
    run_id: str | None
    sent: int
    receipt: Receipt

    def __str__(self) -> str:
        run = self.run_id or f"a run with the external id {self.session_id}"
        done = "nothing new" if not self.sent else counted(self.sent, "span")
        waits = f" · {counted(self.receipt.pending, 'record')} waiting (%agentos outbox)"
        return f"session {self.session_id} → run {run} · {done}" + (
            waits if self.receipt.pending else ""
        )


def mirror(
    source: Any,
    *,
    on: AgentOSConnection | None = None,
    client: Client | None = None,
    timeout: float = DELIVERY_S,
) -> Mirrored:
    """Report a session as a run: its turns, model use and tool calls as spans, its cost.

    The run's `external_run_id` is the session's id, so repeating it makes no second run and sends
    only what the run does not have yet. A session that is still running leaves its run open;
    mirror it again to end it. Turns that follow after the run has ended go into a child run, since
    a run that has ended takes no more: `external_run_id` is then `<session id>/turn-<n>`.

    What is recorded is on disk first and survives a dead service and a killed kernel. To know
    what a run has already, the key must be allowed to read it (a workspace key); with an agent's
    key a session that is mirrored twice has its spans twice.

    Args:
        source: a session id, a `LiveSession`, or a session of a log (`frames.open_log`).
        on: the AgentOS service; None for the current connection.
        client: the client to ask for a session by id; None for the current connection's.
        timeout: seconds to wait for delivery; the rest is sent in the background.

    Raises:
        AgentOSError: the service refuses the run or the key.
        AodNotebookError: there is no such session.

    Example:
        >>> from aod_notebook import live
        >>> session = live.start(live.SessionRequest(prompt="echo hi", runtime="shell")).wait()
        >>> live.mirror(session).sent
        1
    """
    planned = plan(source, client)
    on = on or agentos_connection()
    if on.client.disabled:
        raise AodNotebookError("AGENTOS_DISABLED is set, so nothing is mirrored. Unset it first.")
    return _send(planned, on.client, timeout)


def mirror_at_end(session: LiveSession) -> threading.Thread:
    """Mirror a session in the background, once its turn has ended; a failure is logged.

    A kernel that dies first mirrors nothing: `%aod report last` does it then.
    """

    def work() -> None:
        try:
            log.info("%s", mirror(session.wait()))
        except AodNotebookError as error:
            log.warning("Session %s was not mirrored into AgentOS. %s", session.id, error)

    thread = threading.Thread(target=work, name=f"aod-mirror-{session.id}", daemon=True)
    thread.start()
    return thread


def plan(source: Any, client: Client | None = None) -> Mirror:
    """Read a session's tables and lay out its run; nothing is sent.

    Raises:
        AodNotebookError: there is no such session.
    """
    from aod_notebook import frames
    from aod_notebook.frames import OpenedLog

    if isinstance(source, OpenedLog):
        tables = {name: _rows(getattr(source, name)) for name in _TABLES}
        about = {"session_id": source.id, "runtime": source.runtime, "status": source.status}
    else:
        tables = {
            name: _rows(getattr(frames, f"{name}_df")(source, client=client)) for name in _TABLES
        }
        about = _rows(frames.sessions_df(source, client=client))[0]
    return lay_out(about, **tables)


_TABLES = ("turns", "tool_calls", "results", "model_usage")


def lay_out(
    session: Mapping[str, Any],
    turns: Sequence[Mapping[str, Any]],
    tool_calls: Sequence[Mapping[str, Any]],
    results: Sequence[Mapping[str, Any]],
    model_usage: Sequence[Mapping[str, Any]],
) -> Mirror:
    """Lay out the run of a session from the rows of its tables; what is unknown is None there."""
    session_id = session["session_id"]
    finished = [turn for turn in turns if turn["status"] in SESSION_ENDED]
    ended = {result["turn"]: result for result in results}
    spans: dict[int, list[RunSpan]] = {}
    for turn in finished:
        number = turn["turn"]
        calls = [call for call in tool_calls if call["turn"] == number]
        used = [row for row in model_usage if row["turn"] == number]
        spans[number] = list(_of_turn(session_id, turn, ended.get(number, {}), used, calls))
    last = ended.get(max(spans, default=0), {})
    prompt = turns[0].get("prompt") if turns else None
    about = {"prompt": prompt, "session_id": session_id, "runtime": session.get("runtime")}
    return Mirror(
        session_id,
        session["status"],
        {name: value for name, value in about.items() if value is not None},
        spans,
        {number: _known(ended.get(number, {}), (*TOKEN_FIELDS, "cost_usd")) for number in spans},
        last.get("result"),
    )


def _of_turn(
    session_id: str,
    turn: Mapping[str, Any],
    result: Mapping[str, Any],
    used: Sequence[Mapping[str, Any]],
    calls: Sequence[Mapping[str, Any]],
) -> Iterator[RunSpan]:
    number = turn["turn"]
    own = _id(session_id, number)
    times = _turn_times(turn, calls)
    is_failed = turn["status"] != "completed" or bool(result.get("is_error"))
    payload = {"turn": number, **_known(turn, ("prompt", "status", "exit_code"))}
    payload |= _cut(_known(result, _RESULT))
    yield RunSpan(own, None, f"turn {number}", "step", times, payload, is_failed)
    for row in used:
        model = row["model"] or "unknown"
        counts = {"turn": number, "model": row["model"], **_known(row, _USAGE)}
        counts |= _known(result, ("input_includes_cache", "output_includes_reasoning"))
        yield RunSpan(_id(session_id, number, "llm", model), own, model, "llm", times, counts)
    ids = {call["tool_use_id"]: _call_id(session_id, call) for call in calls}
    for call in calls:
        parent = ids.get(call["parent_tool_use_id"]) if call["parent_tool_use_id"] else None
        yield _of_call(session_id, call, parent or own, times)


def _of_call(session_id: str, call: Mapping[str, Any], parent: str, times: Times | None) -> RunSpan:
    payload = {"turn": call["turn"], "tool": call["tool"], "tool_use_id": call["tool_use_id"]}
    if call["input"] is not None:
        payload["input"] = _json(call["input"])
    payload |= _cut(_known(call, ("summary", "output")))
    is_failed = bool(call["is_error"])
    if is_failed:
        payload["error"] = str(call["output"] or "failed")[:TEXT_CHARS]
    own = _times(call["called_at"], call["returned_at"])
    if own is None:
        payload["is_timed"] = False
    return RunSpan(
        _call_id(session_id, call), parent, call["tool"] or "unknown", "tool",
        own or (times and (times[0], times[0])), payload, is_failed,
    )  # fmt: skip


def _send(planned: Mirror, client: AgentOS, timeout: float) -> Mirrored:
    """Record what the session's runs lack: the first run, then one per batch of later turns."""
    open_turns = dict(planned.spans)
    secrets = _secrets()
    name, parent, sent = planned.session_id, None, 0
    while True:
        run = client.start_run(
            input=redact(planned.input, secrets),
            trigger_type="session",
            external_run_id=name,
            parent_run_id=parent,
            ends_with_process=False,
        )
        client.flush(_ADOPTION_S)  # what a killed process left of this run comes first
        had, has_ended = _existing(client, run)
        here = {
            number: spans
            for number, spans in open_turns.items()
            if not has_ended or any(span.id in had for span in spans)
        }
        open_turns = {n: spans for n, spans in open_turns.items() if n not in here}
        if not has_ended:
            new = [span for spans in here.values() for span in spans if span.id not in had]
            for span in new:
                _record(run, span, secrets)
            sent += len(new)
            if planned.is_final:
                _end(run, planned, list(here), secrets)
        if not open_turns:
            return Mirrored(planned.session_id, run.run_id, sent, run.flush(timeout))
        parent = parent or run.run_id
        name = f"{planned.session_id}/turn-{min(open_turns)}"


def _existing(client: AgentOS, run: Run) -> tuple[set[str], bool]:
    """Return the ids of the spans that the service has of a run, and whether it has ended."""
    if run.run_id is None:
        return set(), False
    try:
        row: Any = client.runs.get(run_id=run.run_id)
        rows: Any = client.runs.events(run_id=run.run_id, limit=EVENT_LIMIT)
    except AgentOSForbiddenError:  # an agent's key may not read
        return set(), False
    ids = {str(event["span_id"]) for event in rows or () if event.get("span_id")}
    return ids, row.get("status") in RUN_ENDED


def _secrets() -> list[str]:
    from aod_notebook.core.redactor import is_secret_name

    return [
        value
        for name, value in os.environ.items()
        if is_secret_name(name) and len(value) >= _SHORTEST_SECRET
    ]


def _record(run: Run, span: RunSpan, secrets: list[str]) -> None:
    start, end = span.times or (None, None)
    run.record_span(
        type=span.name,
        kind=span.kind,
        span_id=span.id,
        parent_span_id=span.parent_id,
        started_at=_iso(start) if start else None,
        ended_at=_iso(end) if end else None,
        duration_ms=int((end - start).total_seconds() * 1000) if start and end else 0,
        payload=redact(span.payload, secrets),
        level="error" if span.is_error else "info",
    )


def _end(run: Run, planned: Mirror, turns: list[int], secrets: list[str]) -> None:
    totals: dict[str, Any] = {}
    for number in turns:
        for name, value in planned.totals[number].items():
            totals[name] = totals.get(name, 0) + value
    usage: dict[str, int] = {name: int(totals[name]) for name in TOKEN_FIELDS if name in totals}
    facts = {"session_id": planned.session_id, "status": planned.status}
    if "cost_usd" in totals:
        facts["cost_usd"] = totals["cost_usd"]
    if planned.status == "completed":
        output = facts if planned.result is None else {"result": planned.result, **facts}
        run.complete(redact(_cut(output), secrets), usage=usage, timeout=0)
    elif planned.status == "terminated":
        run.cancel("the session was terminated", timeout=0)
    else:
        run.fail("the session failed", {**facts, **usage}, timeout=0)


def _turn_times(turn: Mapping[str, Any], calls: Sequence[Mapping[str, Any]]) -> Times | None:
    """Return a turn's times; those of its calls for a replay, which keeps the recorded times."""
    own = _times(turn.get("started_at") or turn.get("created_at"), turn.get("ended_at"))
    pairs = [_times(call["called_at"], call["returned_at"]) for call in calls]
    timed = [pair for pair in pairs if pair is not None]
    if not timed:
        return own
    covered = min(start for start, _ in timed), max(end for _, end in timed)
    if own is None or covered[1] < own[0] or covered[0] > own[1]:
        return covered
    return own


def _times(start: datetime | None, end: datetime | None) -> Times | None:
    if start is None:
        return None
    return start, start if end is None else max(start, end)


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _id(*names: object) -> str:
    return str(uuid.uuid5(_IDS, "/".join(map(str, names))))


def _call_id(session_id: str, call: Mapping[str, Any]) -> str:
    return _id(session_id, call["turn"], "tool", call["tool_use_id"] or call["order"])


def _known(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in names if row.get(name) is not None}


def _cut(payload: dict[str, Any]) -> dict[str, Any]:
    """Cut long texts, and mark the cut."""
    for name, value in list(payload.items()):
        if isinstance(value, str) and len(value) > TEXT_CHARS:
            payload[name] = value[:TEXT_CHARS]
            payload[f"{name}_omitted_chars"] = len(value) - TEXT_CHARS
    return payload


def _json(text: str) -> Any:
    if len(text) > TEXT_CHARS:
        return {"text": text[:TEXT_CHARS], "omitted_chars": len(text) - TEXT_CHARS}
    try:
        return json.loads(text)
    except ValueError:
        return text


def _rows(frame: Any) -> list[dict[str, Any]]:
    """Return the rows of a frame as dicts of Python values; what is missing is None."""
    from aod_notebook.frames.rows import records

    return list(records(frame))
