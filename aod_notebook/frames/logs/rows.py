"""Frames of the sessions in the agents' own logs, without a service and without a store."""

import math
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, TypeGuard

import numpy as np
import pandas as pd
import pyarrow as pa

from aod_notebook.contract import TOKEN_FIELDS
from aod_notebook.frames import prices
from aod_notebook.frames.checks import FrameError
from aod_notebook.frames.native import Table, bytes_array, constant
from aod_notebook.frames.report import Filled, Report, finish
from aod_notebook.frames.schema import SCHEMAS, Schema
from aod_notebook.frames.store import IMPORTED_NAMES, stored_schema
from aod_notebook.frames.transcripts.pieces import Piece, pieces_of_lines
from aod_notebook.logs import (
    LogFile,
    LogRequest,
    LogSession,
    LogTurn,
    count_once,
    find_logs,
    one_each,
    printed_turns,
    read_log,
)
from aod_notebook.transcripts import Spent

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


def recent(logs: list[LogFile], since: datetime | str | None) -> list[LogFile]:
    """Return the logs that changed at or after a time.

    Raises:
        FrameError: it is not a time.
    """
    if since is None:
        return logs
    try:
        limit = since if isinstance(since, datetime) else datetime.fromisoformat(since)
    except (TypeError, ValueError) as error:
        raise FrameError(f"since={since!r} is not a date. Use 2026-01-31 or a datetime.") from error
    if limit.tzinfo is None:
        limit = limit.replace(tzinfo=UTC)
    return [log for log in logs if changed_at(log) >= limit.timestamp()]


def changed_at(log: LogFile) -> float:
    """Return when one of the files of a log changed last, in seconds since 1970."""
    times = [0.0]
    for path in (log.path, *log.sides):
        try:
            times.append(path.stat().st_mtime)
        except OSError:
            continue
    return max(times)


def sessions_at(where: LogPath, report: Report) -> list[LogSession]:
    """Read all sessions of the logs at a path, each request counted once.

    Raises:
        FrameError: the path does not exist or is not a log.
    """
    sessions = one_each(read_sessions(found_logs(where), report))
    count_once(sessions)
    return sessions


def read_sessions(
    logs: Iterable[LogFile], report: Report, *, usage_only: bool = False
) -> Iterator[LogSession]:
    """Read the sessions of log files; what cannot be read is reported and skipped."""
    for log in logs:
        try:
            found = read_log(log, usage_only=usage_only)
        except OSError as error:
            report.once(f"{log.path.name} could not be read ({error.strerror or error})", "")
            continue
        for session in found:
            for problem in session.problems:
                report.once(problem.what, problem.where)
            _check_sums(session, report)
            yield session


def _check_sums(session: LogSession, report: Report) -> None:
    """Compare with the CLI's own sums; those of a fork include what its origin used."""
    total, theirs = session.total, session.total_cost_usd
    if session.forked_from_id is not None or (total is None and theirs is None):
        return
    used = session.used()
    if used is None:
        return
    for name in TOKEN_FIELDS:
        ours, stated = getattr(used, name) or 0, getattr(total, name, None)
        if stated is not None and stated != ours:
            what = f"the log's own sum of {name} is {stated:,}, its requests come to {ours:,}"
            report.once(what, session.session_id)
            return
    costs = [_cost(session, request) for request in session.requests]
    models = {request.model or "" for request in session.requests}
    if theirs is None or None in costs or any(map(prices.is_own, models)):
        return  # the CLI knows nothing of prices of your own
    ours = math.fsum(cost for cost in costs if cost is not None)
    if not math.isclose(ours, theirs, rel_tol=1e-6, abs_tol=1e-9):
        what = f"the log's own cost is ${theirs:.7g}, its requests come to ${ours:.7g}"
        report.once(what, session.session_id)


def _cost(session: LogSession, request: LogRequest) -> float | None:
    """Return what a request cost: as the CLI says, else by the table of prices."""
    return computed_cost(session, request) if request.cost_usd is None else request.cost_usd


def computed_cost(session: LogSession, request: LogRequest) -> float | None:
    """Compute what a request cost by the table of prices."""
    if request.model is None:
        return None
    counts = COUNTS[session.runtime]
    return prices.cost(request.model, request.usage, counts, request.web_searches, request.at)


COUNTS: Final = {
    "claude": Spent(input_includes_cache=False, output_includes_reasoning=True),
    "codex": Spent(input_includes_cache=True, output_includes_reasoning=True),
    "gemini": Spent(input_includes_cache=True, output_includes_reasoning=False),
    "opencode": Spent(input_includes_cache=False, output_includes_reasoning=False),
}
"""What the counts of each CLI include."""


def events_of_logs(sessions: Iterable[LogSession]) -> pd.DataFrame:
    """Make the events frame: a row per line that the CLI would have printed."""
    return printed_events(printed(sessions)).frame


def pieces_of_logs(sessions: Iterable[LogSession]) -> Iterator[Piece]:
    """Read the transcripts of sessions, as `pieces` reads them from the events frame."""
    return printed_pieces(printed(sessions))


Printed = tuple[LogSession, list[LogTurn]]
"""A session, and its turns in the lines that the CLI would have printed."""


def printed(sessions: Iterable[LogSession]) -> Iterator[Printed]:
    """Pair sessions with the lines that their CLIs would have printed."""
    return ((session, list(printed_turns(session))) for session in sessions)


def printed_pieces(sessions: Iterable[Printed]) -> Iterator[Piece]:
    """Read the transcripts of sessions."""
    for session, turns in sessions:
        lines = ((turn.lines, turn.times) for turn in turns)
        yield from pieces_of_lines(session.session_id, session.model, lines)


def printed_events(sessions: Iterable[Printed]) -> Filled:
    """Fill the events frame: a row per line."""
    table = Table(_EVENTS.columns)
    for session, printed in sessions:
        lines: list[bytes] = []
        times: list[int | None] = []
        turns: list[int] = []
        for number, turn in enumerate(printed, 1):
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
    return finish(table, _EVENTS, Report())


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
