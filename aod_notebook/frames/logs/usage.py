"""What was used and billed, request by request, read from logs as fast as possible."""

from collections.abc import Iterable
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

import pandas as pd

from aod_notebook.frames import prices
from aod_notebook.frames.exchange import Library, converted, library
from aod_notebook.frames.logs.rows import (
    COUNTS,
    LogPath,
    computed_cost,
    found_logs,
    read_sessions,
    recent,
)
from aod_notebook.frames.native import Table
from aod_notebook.frames.report import Report, finish
from aod_notebook.frames.schema import TOKENS
from aod_notebook.frames.schema import USAGE as _SCHEMA
from aod_notebook.logs import LogRequest, LogSession, count_once, one_each

_FROM_SESSION: Final = ("session_id", "runtime", "cwd", "git_branch")
_FROM_REQUEST: Final = {
    "request_id": "key",
    "created_at": "at",
    "model": "model",
    "web_search_requests": "web_searches",
    "cost_usd": "cost_usd",
}
_INCLUDES: Final = ("input_includes_cache", "output_includes_reasoning")


def usage_df(
    where: LogPath | Iterable[LogPath] | None = None,
    *,
    since: datetime | str | None = None,
    agents: Iterable[str] | None = None,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    to: Library = "pandas",
) -> pd.DataFrame:
    """Read the usage in logs: a row per billed request.

    Only the counts are read, no messages and no tool calls, so this takes a fraction of the time
    of an import, and no store. Requests that several files repeat are counted once.

    Args:
        where: a home, a CLI's folder such as `~/.claude`, a project's folder, a file, or
            several of these; None looks where the CLIs write by default.
        since: only files that changed at or after this time.
        agents: only the logs of these CLIs: claude, codex, gemini, opencode.
        columns: only these columns.
        exclude: all columns but these.
        to: "pandas", "polars" or "arrow".

    Returns:
        `session_id`, `runtime`, `request_id`, `created_at`, `model`, the tokens as each CLI
        counts them (`input_includes_cache` and `output_includes_reasoning` say how),
        `web_search_requests`, `cost_usd` as the CLI reports it, `computed_cost_usd` by the table
        of prices, `cost_source`, `cwd`, `git_branch`. What could not be read, and sums of a CLI
        that differ, are in `df.attrs["problems"]`.

    Raises:
        FrameError: a path does not exist or is not a log, or a column is unknown.

    Example:
        >>> usage_df("~/.claude").groupby("model")["output_tokens"].sum()  # doctest: +SKIP
    """
    library(to)
    table, report = Table(_SCHEMA.select(columns, exclude)), Report()
    logs = recent(found_logs(where, agents), since)
    sessions = one_each(read_sessions(logs, report, usage_only=True))
    count_once(sessions)
    rows = [(session, request) for session in sessions for request in session.requests]
    table.add(len(rows), _values(rows, table))
    frame = finish(table, _SCHEMA, report).frame
    frame.attrs["price_version"] = prices.version()
    return converted(frame, to)


def _values(rows: list[tuple[LogSession, LogRequest]], table: Table) -> dict[str, Any]:
    sessions, requests = [session for session, _ in rows], [request for _, request in rows]
    usages = [request.usage for request in requests]
    values: dict[str, Any] = {name: _each(name, sessions) for name in _FROM_SESSION}
    values |= {name: _each(field, requests) for name, field in _FROM_REQUEST.items()}
    values |= {name: _each(name, usages) for name in TOKENS}
    counts = [COUNTS[session.runtime] for session in sessions]
    values |= {name: _each(name, counts) for name in _INCLUDES}
    if "computed_cost_usd" in table or "cost_source" in table:
        costs = [computed_cost(session, request) for session, request in rows]
        values["computed_cost_usd"] = costs
        values["cost_source"] = [
            "reported" if stated is not None else None if made is None else "computed"
            for stated, made in zip(values["cost_usd"], costs, strict=True)
        ]
    return values


def _each(field: str, items: list[Any]) -> list[Any]:
    return list(map(attrgetter(field), items))
