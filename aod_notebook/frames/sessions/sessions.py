"""The sessions frame, as the service reports sessions."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from aod_notebook.core.clock import micros
from aod_notebook.frames.exchange import Library, library
from aod_notebook.frames.fetch import base_url_of, each
from aod_notebook.frames.logs.rows import (
    events_of_logs,
    is_path,
    sessions_at,
    sessions_of_logs,
    turns_of_logs,
)
from aod_notebook.frames.native import Table
from aod_notebook.frames.report import Framed, Report, deliver, finish, now
from aod_notebook.frames.rows import (
    column,
    fields_of,
    json_text,
    rest,
    seconds_between,
    text,
)
from aod_notebook.frames.schema import SCHEMAS
from aod_notebook.frames.sessions.details import detailed, log_facts, service_facts, stored_facts
from aod_notebook.frames.sources import asked, ids_of
from aod_notebook.frames.store import Store

_SESSIONS = SCHEMAS["sessions"]
_IDS = ("agent_id", "environment_id")
_PLAIN = ("runtime", "provider", "status", "exit_code", "turn_count", "current_turn")
_NAMED = ("id", *_IDS, *_PLAIN, "resources", "created_at", "updated_at")


def sessions_df(
    source: Any = None,
    *,
    client: Any = None,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    jobs: int = 8,
    progress: bool = False,
    details: bool = False,
    to: Library = "pandas",
) -> pd.DataFrame:
    """Return sessions: one row per session.

    Args:
        source: a session id, a session, a followed session, several of these, a client, a
            `Store`; None means all sessions, newest first.
        client: the client to ask; by default the current connection's.
        columns: only these columns.
        exclude: all columns but these.
        jobs: how many sessions are asked for at the same time.
        progress: show on stderr how far it is.
        details: add agent, first prompt, model, cost, tokens and numbers of tool calls, which
            are read from agents, turns and transcripts, several sessions at the same time. A
            session that can't be read has a row with missing values, and a problem in `attrs`.
        to: "pandas", "polars" or "arrow".

    Raises:
        AodError: not one of the sessions could be read.
        AodNotebookError: there is no client and no current connection.
    """
    library(to)
    read = _with_details if details else _plain
    return deliver(read(source, client, columns, exclude, jobs=jobs, progress=progress), to)


def _plain(
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
        frame = sessions_of_logs(sessions_at(source, read), columns, exclude)
        return Framed(frame, read)
    if isinstance(source, Store):
        stored = source.frame("sessions", columns=columns, exclude=exclude)
        return Framed(stored, Report.of(stored))
    owner, ids = asked(source, client)
    report = Report(base_url=base_url_of(owner), fetched_at=now())
    found = _asked_sessions(owner, ids, report, jobs=jobs, progress=progress)
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
    rows = _asked_sessions(owner, ids, report, jobs=jobs, progress=progress)
    facts = service_facts(owner, rows, report, held=held, jobs=jobs)
    frame = detailed(sessions_of(rows), facts, columns, exclude)
    frame.attrs = report.attrs(_SESSIONS)
    return Framed(frame, report)


def _asked_sessions(
    owner: Any, ids: Any, report: Report, *, jobs: int, progress: bool
) -> list[Any]:
    """Return what the service says of these sessions, or of all."""
    if ids is None:
        return list(owner.sessions.list())
    answers = each(ids_of(ids), owner.sessions.get, report, jobs=jobs, progress=progress)
    return [session for _, session in answers]


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
    """Make the sessions frame from session objects."""
    rows = [fields_of(session) for session in sessions]
    table = Table(_SESSIONS.select(columns, exclude))
    table.add(len(rows), _session_values(rows))
    return finish(table, _SESSIONS, Report()).frame


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
