"""The runs, run_events, spans and tasks frames of an AgentOS service."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import pandas as pd

from aod_notebook.contract import RUN_STATUSES, TOKEN_FIELDS
from aod_notebook.core import current
from aod_notebook.core.clock import micros
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.ids import full_ids
from aod_notebook.frames.checks import FrameError, shown
from aod_notebook.frames.exchange import Library, is_frame, library
from aod_notebook.frames.fetch import base_url_of, client_with, each
from aod_notebook.frames.followed import followed_run_events
from aod_notebook.frames.native import Table
from aod_notebook.frames.protocols import is_followed_run, is_of_sessions
from aod_notebook.frames.report import Framed, Report, deliver, finish, now
from aod_notebook.frames.rows import column, fields_of, json_text, rest, text
from aod_notebook.frames.runs.events import events_of
from aod_notebook.frames.runs.spans import spans_of
from aod_notebook.frames.schema import SCHEMAS
from aod_notebook.frames.sources import ids_in

LIST_LIMIT = 1000
"""How many runs are asked for when no ids are given."""
ROUND = 50
"""Caps of services are multiples of this."""

_RUNS, _EVENTS, _TASKS = SCHEMAS["runs"], SCHEMAS["run_events"], SCHEMAS["tasks"]
_RUN_TEXTS = ("agent_id", "parent_run_id", "external_run_id", "session_id")
_RUN_PLAIN = ("trigger_type", "status", "duration_ms", "error_message", "cost_usd", *TOKEN_FIELDS)
_RUN_JSON = ("error_detail", "input", "output")
_TIMES = ("started_at", "ended_at")
_RUN_NAMED = (
    *("id", "run_id", "test", "total_tokens", "tasks"),
    *(*_RUN_TEXTS, *_RUN_PLAIN, *_RUN_JSON, *_TIMES),
)
_TASK_PLAIN = ("name", "status", "error_message")
_TASK_NAMED = ("id", "task_id", "run_id", "input", "output", *_TASK_PLAIN, *_TIMES)


def runs_df(
    source: Any = None,
    *,
    client: Any = None,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    jobs: int = 8,
    progress: bool = False,
    to: Library = "pandas",
) -> pd.DataFrame:
    """Return runs: one row per run.

    Args:
        source: a run id, a run, several of these, a frame with a `run_id` column, a client;
            None means the latest 1,000 runs.
        client: the `aod_notebook.agentos.AgentOS` to ask; without one, that of the source or
            of the current connection.
        columns: only these columns.
        exclude: all columns but these.
        jobs: how many runs are asked for at the same time.
        progress: show on stderr how far it is.
        to: "pandas", "polars" or "arrow".

    Returns:
        The runs frame. A run that could not be read has no row; `df.attrs["problems"]` names it.

    Raises:
        AodNotebookError: there is no client, or not one of the runs could be read.

    Warns:
        FrameWarning: something is missing; `df.attrs` says what.
    """
    library(to)
    owner, ids, _ = _asked(source, client)
    report = Report(base_url=base_url_of(owner), fetched_at=now())
    if ids is None:
        rows = [fields_of(run) for run in _listed(owner, report)]
    else:
        ask = partial(_run, owner)
        answers = each(ids, ask, report, jobs=jobs, progress=progress, noun="run")
        rows = [fields_of(run) for _, run in answers]
    table = Table(_RUNS.select(columns, exclude))
    table.add(len(rows), _run_values(rows))
    return deliver(finish(table, _RUNS, report), to)


def run_events_df(
    source: Any = None,
    *,
    client: Any = None,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    jobs: int = 8,
    progress: bool = False,
    to: Library = "pandas",
) -> pd.DataFrame:
    """Return the events of runs: one row per event.

    Arguments, errors and warnings are those of `runs_df`.
    """
    library(to)
    table = Table(_EVENTS.select(columns, exclude))
    return deliver(_filled(table, source, client, jobs=jobs, progress=progress), to)


def spans_df(
    source: Any = None,
    *,
    client: Any = None,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    jobs: int = 8,
    progress: bool = False,
    to: Library = "pandas",
) -> pd.DataFrame:
    """Return the spans of runs: one row per span, parents before their children.

    Arguments, errors and warnings are those of `runs_df`.
    """
    library(to)
    events = _filled(Table(_EVENTS.columns), source, client, jobs=jobs, progress=progress)
    return deliver(Framed(spans_of(events.frame, columns, exclude).frame, events.report), to)


def tasks_df(
    source: Any = None,
    *,
    client: Any = None,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    jobs: int = 8,
    progress: bool = False,
    to: Library = "pandas",
) -> pd.DataFrame:
    """Return the tasks of runs: one row per task.

    Arguments, errors and warnings are those of `runs_df`.
    """
    library(to)
    owner, ids, _ = _asked(source, client)
    report = Report(base_url=base_url_of(owner), fetched_at=now())
    if ids is None:
        ids = [_id(run) for run in _listed(owner, report)]
    ask = partial(_run, owner)
    answers = each(ids, ask, report, jobs=jobs, progress=progress, noun="run")
    rows = [
        {**fields_of(task), "run_id": one}
        for one, run in answers
        for task in fields_of(run).get("tasks") or ()
    ]
    table = Table(_TASKS.select(columns, exclude))
    table.add(len(rows), _task_values(rows))
    return deliver(finish(table, _TASKS, report), to)


def _filled(table: Table, source: Any, client: Any, *, jobs: int, progress: bool) -> Framed:
    """Ask for the events of runs and put them into a table."""
    owner, ids, items = _asked(source, client)
    report = Report(base_url=base_url_of(owner), fetched_at=now())
    if ids is None:
        ids = [_id(run) for run in _listed(owner, report)]
    followed = {_id(run): run for run in filter(is_followed_run, items)}

    def ask(one: str) -> tuple[Table, Report]:
        if one in followed:
            return followed_run_events(followed[one], one, owner)
        return events_of(owner, one, table.columns)

    for _, (events, missing) in each(ids, ask, report, jobs=jobs, progress=progress, noun="run"):
        table.take_from(events)
        report.join([missing])
    return finish(table, _EVENTS, report)


def _asked(source: Any, client: Any) -> tuple[Any, list[str] | None, list[Any]]:
    """Return the client to ask, the ids of the runs, None for all, and the runs as they are given."""
    _refuse_sessions(source)
    if hasattr(source, "runs") and hasattr(source, "start_run"):
        client, source = source, None
    if client is not None:
        client = client_with("runs", client)
    if is_frame(source):
        source = ids_in(source, "run_id")
    items: list[Any] = []
    if source is not None:
        is_many = isinstance(source, Iterable) and not _is_run(source)
        items = list(source) if is_many else [source]
        for item in items:
            _refuse_sessions(item)
    if client is None:
        owners = [getattr(item, "client", None) for item in items]
        client = next((owner for owner in owners if owner is not None), None)
    if client is None:
        client = current.agentos()
    if source is None:
        return client, None, []
    owner = client

    def listed() -> list[str]:
        return [_id(run) for run in owner.runs.list(limit=LIST_LIMIT) or ()]

    # a run that is named twice is asked for once
    return client, list(dict.fromkeys(full_ids(map(_id, items), listed, "run"))), items


def _refuse_sessions(given: Any) -> None:
    """Check that an argument is not a session or a client of sessions.

    Raises:
        FrameError: it is one.
    """
    if is_of_sessions(given):
        raise FrameError(
            f"{shown(given)} has no runs: its frames are sessions_df, events_df, tool_calls_df"
        )


def _is_run(source: Any) -> bool:
    return isinstance(source, str | UUID | Mapping) or hasattr(source, "run_id")


def _id(item: Any) -> str:
    if isinstance(item, str | UUID) and str(item).strip():
        return str(item)
    found = item.get("id") or item.get("run_id") if isinstance(item, Mapping) else None
    found = found or getattr(item, "run_id", None) or getattr(item, "id", None)
    if found is None:
        raise FrameError(f"{shown(item)} is not a run: pass ids or runs")
    return str(found)


def _listed(client: Any, report: Report) -> list[Any]:
    is_embedded = getattr(client, "is_embedded", False)
    # An embedded service has no cap, so one run more says whether there are more; another service
    # may refuse that, and its own cap shows only in that the list ends at a round number.
    runs = list(client.runs.list(limit=LIST_LIMIT + is_embedded) or ())
    if len(runs) >= LIST_LIMIT + is_embedded:
        report.cut("a limit on runs", f"it ends at {LIST_LIMIT:,}")
    elif not is_embedded and runs and len(runs) % ROUND == 0 and not _is_whole(client, runs):
        report.cut("possibly the service's cap on lists of runs", f"it ends at {len(runs):,}")
    return runs[:LIST_LIMIT]


def _is_whole(client: Any, runs: Sequence[Any]) -> bool:
    """Check by the lists of each status that a list lacks no run; False where they don't say.

    A list that is shorter than the one of all runs was not cut by the same cap.
    """
    listed = {_id(run) for run in runs}
    for status in RUN_STATUSES:
        try:
            some = list(client.runs.list(status=status, limit=LIST_LIMIT) or ())
        except AodNotebookError:
            return False
        if len(some) >= len(runs) or not listed.issuperset(map(_id, some)):
            return False
    return True


def _run(client: Any, run_id: str) -> Any:
    return client.runs.get(run_id=run_id)


def _run_values(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {name: column(rows, name) for name in _RUN_PLAIN}
    values["run_id"] = [text(row.get("id") or row.get("run_id")) for row in rows]
    values |= {name: [text(row.get(name)) for row in rows] for name in _RUN_TEXTS}
    values |= {name: [json_text(row.get(name)) for row in rows] for name in _RUN_JSON}
    values |= {name: [micros(row.get(name)) for row in rows] for name in _TIMES}
    values["is_test"] = column(rows, "test")
    values["total_tokens"] = [_total(row) for row in rows]
    values["extra"] = [rest(row, _RUN_NAMED) for row in rows]
    return values


def _total(row: Mapping[str, Any]) -> int | None:
    """Return the service's own total, else the sum of the counts that it reports."""
    if isinstance(row.get("total_tokens"), int):
        return int(row["total_tokens"])
    counts = [row[name] for name in TOKEN_FIELDS if isinstance(row.get(name), int)]
    return sum(counts) if counts else None


def _task_values(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {name: column(rows, name) for name in _TASK_PLAIN}
    values["run_id"] = column(rows, "run_id")
    values["task_id"] = [text(row.get("id") or row.get("task_id")) for row in rows]
    values |= {name: [json_text(row.get(name)) for row in rows] for name in ("input", "output")}
    values |= {name: [micros(row.get(name)) for row in rows] for name in _TIMES}
    values["extra"] = [rest(row, _TASK_NAMED) for row in rows]
    return values
