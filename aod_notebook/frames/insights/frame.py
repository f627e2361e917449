"""The insights frame: a row per finding, with its cost."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
import pandas as pd

from aod_notebook.frames import prices
from aod_notebook.frames.exchange import Library, converted, library
from aod_notebook.frames.insights.findings import KINDS
from aod_notebook.frames.insights.rows import sessions_of_frames
from aod_notebook.frames.insights.session import Finding, Limits, MessageRow, SessionRows
from aod_notebook.frames.native import Table
from aod_notebook.frames.report import Report, finish
from aod_notebook.frames.schema import INSIGHTS as _SCHEMA
from aod_notebook.frames.sources import Gathered
from aod_notebook.frames.store import Store
from aod_notebook.frames.transcripts.messages import messages_of
from aod_notebook.frames.transcripts.results import results_of
from aod_notebook.frames.transcripts.tool_calls import tool_calls_of
from aod_notebook.transcripts import Spent, Usage

_NEEDED: Final = ("messages", "tool_calls", "results")
_CLAUDE: Final = Spent(input_includes_cache=False, output_includes_reasoning=True)
"""How tokens are counted by the one runtime with counts for each message."""


def insights_df(
    source: Any = None,
    *,
    client: Any = None,
    kinds: Iterable[str] | None = None,
    to: Library = "pandas",
    **limits: float,
) -> pd.DataFrame:
    """Find loops, repeated failures, wasted reads and costly pauses, without a model.

    Args:
        source: whatever `messages_df` takes: ids, a `Store`, a path of logs, followed sessions;
            None means all sessions.
        client: the client to ask; by default the current connection's.
        kinds: only these kinds; by default all of `frames.insights.KINDS`.
        to: "pandas", "polars" or "arrow".
        limits: other limits than the defaults, such as `same_call=5`
            (`frames.insights.Limits` lists them with their reasons).

    Returns:
        One row per finding, the gravest kinds first: `session_id`, `turn`, `kind`, `severity`
        (info, warn, bad), `finding` (one sentence), `times`, `orders` (JSON list: rows of
        `messages` that show it), `tokens` and `cost_usd` of the requests that it took, or of
        what was cached again (by the table of prices; NA where the runtime has no counts for
        each message), `lost_s` (seconds).

    Raises:
        TypeError: a limit or a kind does not exist.

    Example:
        >>> insights_df(b"").columns[:3].tolist()
        ['session_id', 'turn', 'kind']
    """
    library(to)
    chosen = list(KINDS) if kinds is None else list(kinds)
    for kind in chosen:
        if kind not in KINDS:
            raise TypeError(f"unexpected kind {kind!r}: there are {', '.join(KINDS)}")
    allowed = Limits.of(limits)
    rows = []
    for session in sessions_of_frames(*_frames(source, client)):
        spent = _last_rows(session)
        found = [one for kind in chosen for one in KINDS[kind](session, allowed)]
        rows += [_record(session, one, spent) for one in found]
    rows.sort(key=lambda row: chosen.index(row["kind"]))
    table = Table(_SCHEMA.columns)
    table.add(len(rows), {c.name: [row[c.name] for row in rows] for c in _SCHEMA.columns})
    return converted(finish(table, _SCHEMA, Report()).frame, to)


def _frames(source: Any, client: Any) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    if isinstance(source, Store):
        messages, calls, results = (source.frame(name) for name in _NEEDED)
        return messages, calls, results
    transcript = list(Gathered(source, client=client).pieces())
    return (
        messages_of(transcript).frame,
        tool_calls_of(transcript).frame,
        results_of(transcript, exclude=("computed_cost_usd", "cost_source")).frame,
    )


def _last_rows(session: SessionRows) -> dict[str, MessageRow]:
    """Return the last row of each message, which has its tokens."""
    return {row.message_id: row for row in session.rows if row.message_id is not None}


def _record(
    session: SessionRows, finding: Finding, last_rows: dict[str, MessageRow]
) -> dict[str, Any]:
    tokens, cost = finding.tokens, None
    if finding.kind == "cold_cache":
        row = next(one for one in session.rows if one.order == finding.orders[-1])
        again = Usage(0, 0, 0, tokens, row.usage.cache_creation_1h_tokens, 0)
        cost = _cost(row, again)
    elif finding.messages:
        rows = [last_rows[key] for key in finding.messages if key in last_rows]
        tokens = _sum([_tokens(row.usage) for row in rows])
        cost = _sum([_cost(row, row.usage) for row in rows])
    return {
        **finding._asdict(),
        "session_id": session.session_id,
        "orders": msgspec.json.encode(finding.orders).decode(),
        "tokens": tokens,
        "cost_usd": cost,
    }


def _tokens(usage: Usage) -> int | None:
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    cached = (usage.cache_read_tokens or 0) + (usage.cache_creation_tokens or 0)
    return usage.input_tokens + usage.output_tokens + cached


def _cost(row: MessageRow, usage: Usage) -> float | None:
    if row.model is None:
        return None
    at = None if row.at is None else int(row.at * 1_000_000)
    return prices.cost(row.model, usage, _CLAUDE, None, at)


def _sum(values: list[Any]) -> Any:
    """Add up; unknown if there is nothing or something is unknown."""
    return None if not values or None in values else sum(values)
