"""The sessions and turns frames: what the service itself says of sessions."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from aod_notebook.frames._signatures import sessions_function, turns_function
from aod_notebook.frames.fetch import base_url_of, each
from aod_notebook.frames.logs.rows import (
    events_of_logs,
    is_path,
    sessions_at,
    sessions_of_logs,
    turns_of_logs,
)
from aod_notebook.frames.native import Table
from aod_notebook.frames.report import Framed, Report, finish, now
from aod_notebook.frames.rows import (
    column,
    fields_of,
    json_text,
    micros,
    records,
    rest,
    seconds_between,
    text,
)
from aod_notebook.frames.schema import SCHEMAS, TOKENS, TURN_RESULT_COLUMNS
from aod_notebook.frames.sessions.details import detailed, log_facts, service_facts, stored_facts
from aod_notebook.frames.sources import Gathered, asked
from aod_notebook.frames.store import Store
from aod_notebook.frames.transcripts.pieces import pieces
from aod_notebook.frames.transcripts.results import turn_results
from aod_notebook.frames.transcripts.tool_calls import call_turns

_SESSIONS = SCHEMAS["sessions"]
_TURNS = SCHEMAS["turns"]
_IDS = ("agent_id", "environment_id")
_PLAIN = ("runtime", "provider", "status", "exit_code", "turn_count", "current_turn")
_NAMED = ("id", *_IDS, *_PLAIN, "resources", "created_at", "updated_at")
_INCLUDES = ("input_includes_cache", "output_includes_reasoning")


@sessions_function
def sessions_df(
    source: Any = None,
    *,
    client: Any = None,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    since: int | None = None,
    jobs: int = 8,
    progress: bool = False,
    details: bool = False,
) -> Framed:
    """One row per session.

    Args:
        source: a session id, a session, a followed session, several of these, a client, a
            `Store`; None means all sessions, newest first.
        client: the client to ask; by default the current connection's.
        columns: only these columns.
        exclude: all columns but these.
        since: of no meaning here.
        jobs: how many sessions are asked for at the same time.
        progress: say on stderr how far it is.
        details: add agent, first prompt, model, cost, tokens and numbers of tool calls, which
            are read from agents, turns and transcripts, several sessions at the same time. A
            session that can't be read has a row with missing values, and a problem in `attrs`.
        strict: False returns `(frame, problems)` and warns of nothing.

    Raises:
        AodError: not one of the sessions could be read.
        AodNotebookError: there is no client and no current connection.
    """
    del since
    if details:
        return _with_details(source, client, columns, exclude, jobs=jobs, progress=progress)
    if is_path(source):
        read = Report()
        frame = sessions_of_logs(sessions_at(source, read), columns, exclude)
        return Framed(frame, read)
    if isinstance(source, Store):
        stored = source.frame("sessions", columns=columns, exclude=exclude)
        return Framed(stored, Report.of(stored))
    owner, ids = asked(source, client)
    report = Report(base_url=base_url_of(owner), fetched_at=now())
    if ids is None:
        found = list(owner.sessions.list())
    else:
        answers = each(_names(ids), owner.sessions.get, report, jobs=jobs, progress=progress)
        found = [session for _, session in answers]
    frame = sessions_of(found, columns, exclude)
    frame.attrs = report.attrs(_SESSIONS)
    return Framed(frame, report)


def _with_details(
    source: Any,
    client: Any,
    columns: Iterable[str] | None,
    exclude: Iterable[str],
    *,
    jobs: int,
    progress: bool,
) -> Framed:
    if is_path(source):
        read = Report()
        logs = list(sessions_at(source, read))
        facts = log_facts(turns_of_logs(logs), events_of_logs(logs))
        return Framed(detailed(sessions_of_logs(logs), facts, columns, exclude), read)
    if isinstance(source, Store):
        stored = source.frame("sessions")
        frame = detailed(stored, stored_facts(source), columns, exclude)
        return Framed(frame, Report.of(stored))
    owner, ids = asked(source, client)
    report = Report(base_url=base_url_of(owner), fetched_at=now())
    held = {str(one.id): one for one in ids or () if hasattr(one, "received")}
    if ids is None:
        rows = list(owner.sessions.list())
    else:
        answers = each(_names(ids), owner.sessions.get, report, jobs=jobs, progress=progress)
        rows = [session for _, session in answers]
    facts = service_facts(owner, rows, report, held=held, jobs=jobs)
    frame = detailed(sessions_of(rows), facts, columns, exclude)
    frame.attrs = report.attrs(_SESSIONS)
    return Framed(frame, report)


def newest_sessions(
    client: Any,
    limit: int,
    *,
    status: str | None = None,
    held: Mapping[str, Any] | None = None,
    patience_s: float | None = None,
) -> pd.DataFrame:
    """Return the newest sessions with their details, of a service that may be slow.

    `attrs["of"]` counts all sessions that the service listed, of that status if one is given.

    Args:
        client: the client to ask.
        limit: how many sessions at most.
        status: only those with this status.
        held: followed sessions by id, which are not read again.
        patience_s: how long details are waited for; those that are late are missing.
    """
    report = Report(base_url=base_url_of(client), fetched_at=now())
    listed = [one for one in client.sessions.list() if status in (None, str(one.status))]
    rows = listed[:limit]
    facts = service_facts(client, rows, report, held=held, patience_s=patience_s)
    frame = detailed(sessions_of(rows), facts)
    frame.attrs = {**report.attrs(_SESSIONS), "of": len(listed)}
    return frame


def sessions_of(
    sessions: Iterable[Any], columns: Iterable[str] | None = None, exclude: Iterable[str] = ()
) -> pd.DataFrame:
    """Make the sessions frame of sessions that are at hand."""
    rows = [fields_of(session) for session in sessions]
    table = Table(_SESSIONS.select(columns, exclude))
    table.add(len(rows), _session_values(rows))
    return finish(table, _SESSIONS, Report()).frame


def turns_of(turns: Iterable[tuple[str, Iterable[Any]]]) -> pd.DataFrame:
    """Make the turns frame of session ids, each with its turns."""
    rows = _turn_rows(turns)
    table = Table(_TURNS.columns)
    table.add(len(rows), _turn_values(rows))
    return finish(table, _TURNS, Report()).frame


@turns_function
def turns_df(
    source: Any = None,
    *,
    client: Any = None,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    jobs: int = 8,
    progress: bool = False,
    results: bool = False,
) -> Framed:
    """One row per turn of the sessions.

    Args:
        source: a session id, a session, a followed session, several of these, a client, a
            `Store`; None means all sessions.
        client: the client to ask; by default the current connection's.
        columns: only these columns.
        exclude: all columns but these.
        jobs: how many sessions are asked for at the same time.
        progress: say on stderr how far it is.
        results: add tokens, cost and the number of tool calls from the transcripts.
        strict: False returns `(frame, problems)` and warns of nothing.

    Raises:
        AodError: not one of the sessions could be read.
        AodNotebookError: there is no client and no current connection.
    """
    if is_path(source):
        report = Report()
        rows = records(
            turns_of_logs(sessions_at(source, report)).rename(columns={"turn": "turn_number"})
        )
    elif isinstance(source, Store):
        rows, report = _stored_turns(source)
    else:
        client, source = asked(source, client)
        if source is None:
            source = [session.id for session in client.sessions.list()]
        report = Report(base_url=base_url_of(client), fetched_at=now())
        answers = each(_names(source), client.sessions.turns, report, jobs=jobs, progress=progress)
        rows = _turn_rows(answers)
    wanted = _TURNS.select(columns, exclude)
    values = _turn_values(rows)
    if results:
        wanted = (*wanted, *TURN_RESULT_COLUMNS)
        gathered = Gathered(source, client=client, jobs=jobs, progress=progress)
        values |= _told(rows, list(gathered.frames()), report)
        report.join([gathered.report])
    table = Table(wanted)
    table.add(len(rows), values)
    return finish(table, _TURNS, report)


def _turn_rows(turns: Iterable[tuple[str, Iterable[Any]]]) -> list[dict[str, Any]]:
    return [{**fields_of(turn), "session_id": one} for one, some in turns for turn in some]


def _stored_turns(store: Store) -> tuple[list[dict[str, Any]], Report]:
    """The turns in a store, as the service tells of them."""
    stored = store.frame("turns")
    return records(stored.rename(columns={"turn": "turn_number"})), Report.of(stored)


def _names(ids: Iterable[Any]) -> list[str]:
    return [str(getattr(item, "id", item)) for item in ids]


def _session_values(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {name: column(rows, name) for name in _PLAIN}
    values["session_id"] = [text(row.get("id")) for row in rows]
    for name in _IDS:
        values[name] = [text(row.get(name)) for row in rows]
    resources = column(rows, "resources")
    values["resources"] = [json_text(value) for value in resources]
    values["resource_count"] = [len(r) if isinstance(r, list) else None for r in resources]
    for name in ("created_at", "updated_at"):
        values[name] = [micros(row.get(name)) for row in rows]
    ends = zip(values["created_at"], values["updated_at"], strict=True)
    values["duration_s"] = [seconds_between(start, end) for start, end in ends]
    values["extra"] = [rest(row, _NAMED) for row in rows]
    return values


def _turn_values(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {
        name: column(rows, name) for name in ("session_id", "status", "exit_code", "prompt")
    }
    values["turn"] = column(rows, "turn_number")
    for name in ("created_at", "started_at", "ended_at"):
        values[name] = [micros(row.get(name)) for row in rows]
    times = list(zip(values["created_at"], values["started_at"], values["ended_at"], strict=True))
    values["queue_s"] = [seconds_between(created, started) for created, started, _ in times]
    values["duration_s"] = [seconds_between(started, ended) for _, started, ended in times]
    return values


def _told(
    rows: Sequence[Mapping[str, Any]], events: list[pd.DataFrame], report: Report
) -> dict[str, Any]:
    """What the transcripts tell of each turn: tokens, cost, number of tool calls."""
    transcripts = list(pieces(events))
    ended = {(row.session_id, row.turn): row.result for row in turn_results(transcripts, report)}
    calls = Counter(call_turns(transcripts))
    read = {session_id for frame in events for session_id in frame["session_id"].unique()}
    values: dict[str, Any] = {added.name: [] for added in TURN_RESULT_COLUMNS}
    for row in rows:
        key = (row["session_id"], row.get("turn_number"))
        result = ended.get(key)
        usage = None if result is None else result.usage
        for name in TOKENS:
            values[name].append(getattr(usage, name, None))
        for name in ("cost_usd", *_INCLUDES):
            values[name].append(getattr(result, name, None))
        values["tool_call_count"].append(calls[key] if row["session_id"] in read else None)
    return values
