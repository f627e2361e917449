"""Frames of the sessions in the agents' own logs, without a service and without a store."""

import os
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeGuard

import numpy as np
import pandas as pd
import pyarrow as pa

from aod_notebook.contract import TOKEN_FIELDS
from aod_notebook.frames.checks import FrameError
from aod_notebook.frames.native import Table, bytes_array, constant
from aod_notebook.frames.report import Report, finish
from aod_notebook.frames.schema import SCHEMAS, Schema
from aod_notebook.frames.store import IMPORTED_NAMES, stored_schema
from aod_notebook.logs import (
    LogFile,
    LogSession,
    count_once,
    find_logs,
    one_each,
    printed_turns,
    read_log,
)

_EVENTS: Final = SCHEMAS["events"]
_SESSIONS: Final = stored_schema("sessions", IMPORTED_NAMES)
_TURNS: Final = SCHEMAS["turns"]
LogPath = str | os.PathLike[str]
"""A home, a CLI's folder, a project's folder or a log file."""


def is_path(source: object) -> TypeGuard[LogPath]:
    """Check whether a source is a path: it has a separator, or starts with `~` or `.`.

    Any other text is an id.
    """
    if isinstance(source, os.PathLike):
        return True
    return isinstance(source, str) and (os.sep in source or source.startswith(("~", ".")))


def found_logs(
    where: LogPath | Iterable[LogPath] | None, agents: Iterable[str] | None = None
) -> list[LogFile]:
    """Find log files.

    Raises:
        FrameError: a path does not exist or is not a log, or an agent is unknown.
    """
    try:
        return find_logs(where, agents)
    except (FileNotFoundError, ValueError) as error:
        raise FrameError(f"{error}.") from error


def sessions_at(where: LogPath, report: Report) -> list[LogSession]:
    """Read all sessions of the logs at a path, each request counted once.

    Raises:
        FrameError: the path does not exist or is not a log.
    """
    sessions = one_each(read_sessions(found_logs(where), report))
    count_once(sessions)
    return sessions


def read_sessions(logs: Iterable[LogFile], report: Report) -> Iterator[LogSession]:
    """Read the sessions of log files; what cannot be read is reported, and the rest goes on."""
    for log in logs:
        try:
            found = read_log(log)
        except OSError as error:
            report.once(f"{log.path.name} could not be read ({error.strerror or error})", "")
            continue
        for session in found:
            for problem in session.problems:
                report.once(problem.what, problem.where)
            _check_sum(session, report)
            yield session


def _check_sum(session: LogSession, report: Report) -> None:
    """Compare with the CLI's own sum; that of a fork includes what its origin used."""
    used, total = session.used(), session.total
    if used is None or total is None or session.forked_from_id is not None:
        return
    for name in TOKEN_FIELDS:
        ours, theirs = getattr(used, name) or 0, getattr(total, name)
        if theirs is not None and theirs != ours:
            what = f"the log's own sum of {name} is {theirs:,}, its requests come to {ours:,}"
            report.once(what, session.session_id)


def events_of_logs(sessions: Iterable[LogSession]) -> pd.DataFrame:
    """Make the events frame: a row per line that the CLI would have printed."""
    table = Table(_EVENTS.columns)
    for session in sessions:
        lines: list[bytes] = []
        times: list[int | None] = []
        turns: list[int] = []
        for number, turn in enumerate(printed_turns(session), 1):
            lines += [line + b"\n" for line in turn.lines]
            times += turn.times
            turns += [number] * len(turn.lines)
        count = len(lines)
        numbers = pa.array(np.arange(1, count + 1, dtype=np.int64))
        table.add(
            count,
            {
                "session_id": constant(session.session_id, count, _EVENTS["session_id"]),
                "order": numbers,
                "event_id": numbers,
                "type": constant("output", count, _EVENTS["type"]),
                "turn": turns,
                "stream": constant("stdout", count, _EVENTS["stream"]),
                "data": bytes_array(lines, _EVENTS["data"]),
                "created_at": times,
            },
        )
    return finish(table, _EVENTS, Report()).frame


def sessions_of_logs(
    sessions: Iterable[LogSession],
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
) -> pd.DataFrame:
    """Make the sessions frame, with the columns that only logs have."""
    rows = []
    for session in sessions:
        failed = bool(session.turns) and session.turns[-1].is_error
        rows.append(
            {
                **{name: getattr(session, name) for name in _FROM_SESSION},
                "title": session.title or _first_words(session),
                "source": str(session.source),
                "status": "failed" if failed else "completed",
                "turn_count": len(session.turns),
                "current_turn": len(session.turns),
                "duration_s": _seconds(session.created_at, session.updated_at),
            }
        )
    return _table(_SESSIONS, rows, columns, exclude)


_FROM_SESSION: Final = (
    "session_id",
    "runtime",
    "cwd",
    "git_branch",
    "cli_version",
    "model",
    "parent_session_id",
    "forked_from_id",
    "created_at",
    "updated_at",
)


def _first_words(session: LogSession) -> str | None:
    prompts = (turn.prompt for turn in session.turns if turn.prompt)
    first = next(prompts, None)
    return None if first is None else first.strip().partition("\n")[0]


def turns_of_logs(sessions: Iterable[LogSession]) -> pd.DataFrame:
    """Make the turns frame."""
    rows = []
    for session in sessions:
        for number, turn in enumerate(session.turns, 1):
            started, ended = turn.span
            rows.append(
                {
                    "session_id": session.session_id,
                    "turn": number,
                    "status": "failed" if turn.is_error else "completed",
                    "prompt": turn.prompt,
                    "created_at": started,
                    "started_at": started,
                    "ended_at": ended,
                    "duration_s": _seconds(started, ended),
                }
            )
    return _table(_TURNS, rows)


def _seconds(start: int | None, end: int | None) -> float | None:
    return None if start is None or end is None else max(0, end - start) / 1e6


def _table(
    schema: Schema,
    rows: list[dict[str, Any]],
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
) -> pd.DataFrame:
    table = Table(schema.select(columns, exclude))
    table.add(len(rows), {c.name: [row.get(c.name) for row in rows] for c in schema.columns})
    return finish(table, schema, Report()).frame
