"""The turns frame: the turns that the service reports, on request with tokens and cost."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from aod_notebook.core.clock import micros
from aod_notebook.frames.exchange import Library, library
from aod_notebook.frames.fetch import base_url_of, each
from aod_notebook.frames.logs.rows import (
    is_path,
    sessions_at,
    turns_of_logs,
)
from aod_notebook.frames.native import Table
from aod_notebook.frames.report import Report, deliver, finish, now
from aod_notebook.frames.rows import (
    column,
    fields_of,
    records,
    seconds_between,
)
from aod_notebook.frames.schema import SCHEMAS, TOKENS, TURN_RESULT_COLUMNS
from aod_notebook.frames.sources import Gathered, asked, ids_of
from aod_notebook.frames.store import Store
from aod_notebook.frames.transcripts.pieces import pieces
from aod_notebook.frames.transcripts.results import turn_results
from aod_notebook.frames.transcripts.tool_calls import call_turns

_TURNS = SCHEMAS["turns"]
_INCLUDES = ("input_includes_cache", "output_includes_reasoning")


def turns_df(
    source: Any = None,
    *,
    client: Any = None,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    jobs: int = 8,
    progress: bool = False,
    results: bool = False,
    to: Library = "pandas",
) -> pd.DataFrame:
    """Return the turns of sessions: one row per turn.

    Args:
        source: a session id, a session, a followed session, several of these, a client, a
            `Store`; None means all sessions.
        client: the client to ask; by default the current connection's.
        columns: only these columns.
        exclude: all columns but these.
        jobs: how many sessions are asked for at the same time.
        progress: show on stderr how far it is.
        results: add tokens, cost and the number of tool calls from the transcripts.
        to: "pandas", "polars" or "arrow".

    Raises:
        AodError: not one of the sessions could be read.
        AodNotebookError: there is no client and no current connection.
    """
    library(to)
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
        answers = each(ids_of(source), client.sessions.turns, report, jobs=jobs, progress=progress)
        rows = _turn_rows(answers)
    wanted = _TURNS.select(columns, exclude)
    values = _turn_values(rows)
    if results:
        wanted = (*wanted, *TURN_RESULT_COLUMNS)
        gathered = Gathered(source, client=client, jobs=jobs, progress=progress)
        values |= _from_transcripts(rows, list(gathered.frames()), report)
        report.join([gathered.report])
    table = Table(wanted)
    table.add(len(rows), values)
    return deliver(finish(table, _TURNS, report), to)


def turns_of(turns: Iterable[tuple[str, Iterable[Any]]]) -> pd.DataFrame:
    """Make the turns frame of session ids, each with its turns."""
    rows = _turn_rows(turns)
    table = Table(_TURNS.columns)
    table.add(len(rows), _turn_values(rows))
    return finish(table, _TURNS, Report()).frame


def _turn_rows(turns: Iterable[tuple[str, Iterable[Any]]]) -> list[dict[str, Any]]:
    return [{**fields_of(turn), "session_id": one} for one, some in turns for turn in some]


def _stored_turns(store: Store) -> tuple[list[dict[str, Any]], Report]:
    """Return the turns in a store in the form that the service has them."""
    stored = store.frame("turns")
    return records(stored.rename(columns={"turn": "turn_number"})), Report.of(stored)


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


def _from_transcripts(
    rows: Sequence[Mapping[str, Any]], events: list[pd.DataFrame], report: Report
) -> dict[str, Any]:
    """Return what the transcripts hold of each turn: tokens, cost, number of tool calls."""
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
