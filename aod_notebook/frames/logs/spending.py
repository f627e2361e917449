"""What imported sessions cost: by day, model, project, branch, tool, file, subagent and more."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd

from aod_notebook.contract import TOKEN_FIELDS
from aod_notebook.core.settings import home
from aod_notebook.frames import prices
from aod_notebook.frames.checks import FrameError, shown
from aod_notebook.frames.exchange import Library, converted, library
from aod_notebook.frames.logs.rows import (
    is_path,
    pieces_of_logs,
    sessions_at,
    sessions_of_logs,
    turns_of_logs,
)
from aod_notebook.frames.logs.shares import MESSAGE_COLUMNS, SHARED, shared
from aod_notebook.frames.report import Report
from aod_notebook.frames.store import Store, is_store, scan
from aod_notebook.frames.transcripts.messages import messages_of
from aod_notebook.frames.transcripts.results import model_usage_of
from aod_notebook.frames.transcripts.tool_calls import tool_calls_of

GROUPS: Final = {
    "day": "day",
    "model": "model",
    "project": "cwd",
    "branch": "git_branch",
    "runtime": "runtime",
    "agent": "agent_id",
    "session": "session_id",
    "tool": "tool",
    "file": "file",
    "subagent": "subagent",
}
"""What can be grouped by, each with its column."""
_TABLES: Final = ("sessions", "turns", "tool_calls", "model_usage", "messages")
_SMALL: Final = ("sessions", "turns", "model_usage")
"""What groups need that no message and no call tells apart."""
COLUMNS: Final = {
    "tool_calls": (
        *("session_id", "turn", "tool_use_id", "message_id"),
        *("tool", "input", "is_error"),
    ),
    "messages": MESSAGE_COLUMNS,
}
"""Of large tables no more than is needed."""


def tables_of(source: Any = None, by: Iterable[str] = SHARED) -> dict[str, pd.DataFrame]:
    """Return the tables of stored or imported sessions.

    Args:
        source: a store or its folder, or the path of logs; None for the store that `import_logs`
            fills by default.
        by: what will be grouped by; the tables of messages and calls are read only for that.

    Raises:
        FrameError: it is none of these.
    """
    if source is None:
        source = scan(home() / "imported")
    if is_path(source) and is_store(Path(source).expanduser()):
        source = scan(source)
    if isinstance(source, Store):
        names = _TABLES if set(by) & set(SHARED) else _SMALL
        return {name: source.frame(name, columns=COLUMNS.get(name)) for name in names}
    if not is_path(source):
        raise FrameError(
            f"{shown(source)} is not a store or a path of logs. Use frames.import_logs()."
        )
    logs = sessions_at(source, Report())
    read = list(pieces_of_logs(logs))
    return {
        "sessions": sessions_of_logs(logs),
        "turns": turns_of_logs(logs),
        "tool_calls": tool_calls_of(read, COLUMNS["tool_calls"]).frame,
        "messages": messages_of(read, COLUMNS["messages"]).frame,
        "model_usage": model_usage_of(read).frame,
    }


def spending_df(
    source: Any = None,
    by: str | Sequence[str] = ("day", "model"),
    *,
    to: Library = "pandas",
) -> pd.DataFrame:
    """Return what imported sessions cost, a row per group.

    Args:
        source: a store or its folder, or the path of logs such as `~/.claude`; None for the
            store that `import_logs` fills by default.
        by: what to group by: `day` (UTC), `model`, `project` (the folder), `branch`, `runtime`,
            `agent`, `session`, `tool`, `file`, `subagent`. A request that made several calls counts evenly
            for each; one without a call is `(no tool)`. What a subagent used counts for its
            kind, the rest is `(main)`. Only Claude Code counts each request in its transcript:
            for the others `tool` and `file` are NA, and sessions of subagents `(subagent)`.
        to: "pandas", "polars" or "arrow".

    Returns:
        The columns of `by`; `session_count`; the tokens as each CLI counts them (Codex's and
        Gemini's input includes what came out of the cache); `cost_usd`, as the CLI reports it, else
        as the price table has it; and `cache_saved_usd`, by which the cache made it cheaper
        (below 0 where writing it cost more than reading it saved). A sum is NA if nothing in
        the group is known; `unpriced_count` says how many turns have no cost.

    Raises:
        FrameError: the source or a name in `by` is of no use.

    Example:
        >>> frames.spending_df("~/.claude", by="project")  # doctest: +SKIP
    """
    library(to)
    names = groups_of(by)
    return converted(spending_of(tables_of(source, names), names), to)


def groups_of(by: str | Sequence[str]) -> list[str]:
    """Return the names of what can be grouped by.

    Raises:
        FrameError: there is none, or one that is not known.
    """
    names = list(dict.fromkeys([by] if isinstance(by, str) else by))
    if not names or not all(name in GROUPS for name in names):
        raise FrameError(f"by={shown(by)} must name some of {', '.join(GROUPS)}.")
    return names


def spending_of(tables: dict[str, pd.DataFrame], by: Iterable[str]) -> pd.DataFrame:
    """Group the costs of tables of `tables_of`."""
    names = list(by)
    columns = [GROUPS[name] for name in names]
    used = _used(tables)
    if set(columns) & set(SHARED):
        used = shared(used, tables)
    saved = [_saved(row) for row in used.to_dict("records")]
    used = used.assign(cache_saved_usd=pd.array(saved, dtype="Float64"))
    groups = used.groupby(columns, dropna=False, observed=True)
    made = groups.agg(session_count=("session_id", "nunique")).astype("Int64")
    for name in (*TOKEN_FIELDS, "cost_usd", "cache_saved_usd"):
        made[name] = groups[name].sum(min_count=1)
    turns = used[used["cost_usd"].isna()].drop_duplicates([*columns, "session_id", "turn"])
    unpriced = turns.groupby(columns, dropna=False, observed=True).size()
    made["unpriced_count"] = unpriced.reindex(made.index).fillna(0).astype("int64")
    return made.reset_index().rename(columns=dict(zip(columns, names, strict=True)))


def _used(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of model_usage with the day, the session's facts and one cost."""
    facts = ["session_id", "agent_id", "runtime", "cwd", "git_branch"]
    sessions = tables["sessions"].reindex(columns=facts)
    turns = tables["turns"][["session_id", "turn", "started_at"]]
    used = tables["model_usage"].merge(turns, how="left", on=["session_id", "turn"])
    used = used.merge(sessions, how="left", on="session_id")
    used["day"] = used["started_at"].dt.floor("D")
    used["cost_usd"] = used["cost_usd"].fillna(used["computed_cost_usd"])
    used["model"] = used["model"].astype("str")
    return used


def _saved(row: dict[Any, Any]) -> float | None:
    """Return the extra cost of the tokens of a row without a cache."""
    counts = [row["cache_read_tokens"], row["cache_creation_tokens"]]
    if pd.isna(counts).all():
        return None
    read, written = (0 if pd.isna(one) else int(one) for one in counts)
    if not read and not written:
        return 0.0
    at = row["started_at"]
    day = None if pd.isna(at) else int(at.timestamp()) // 86_400
    price = prices.rates(row["model"], day) if isinstance(row["model"], str) else None
    if price is None:
        return None
    hour = row["cache_creation_1h_tokens"]
    an_hour = 0 if pd.isna(hour) else min(int(hour), written)
    saved = read * (price.input - price.cache_read)
    saved -= (written - an_hour) * (price.cache_creation - price.input)
    saved -= an_hour * (price.cache_creation_1h - price.input)
    return saved / 1_000_000
