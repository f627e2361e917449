"""What sessions cost, by what a person asks for."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from aod_notebook.frames.exchange import Library, converted, library
from aod_notebook.frames.fetch import base_url_of, each
from aod_notebook.frames.given import opened
from aod_notebook.frames.logs.rows import is_path
from aod_notebook.frames.logs.shares import SHARED
from aod_notebook.frames.logs.spending import COLUMNS, groups_of, spending_of, tables_of
from aod_notebook.frames.native import Table, concat
from aod_notebook.frames.report import Report, now, warn
from aod_notebook.frames.schema import SCHEMAS
from aod_notebook.frames.sessions.sessions import sessions_of
from aod_notebook.frames.sessions.turns import turns_of
from aod_notebook.frames.sources import Gathered, asked, ids_of
from aod_notebook.frames.store import Store
from aod_notebook.frames.transcripts.messages import messages_of
from aod_notebook.frames.transcripts.results import model_usage_of
from aod_notebook.frames.transcripts.tool_calls import tool_calls_of

_DERIVE = {"model_usage": model_usage_of, "tool_calls": tool_calls_of, "messages": messages_of}


def cost(
    source: Any = None,
    by: str | Sequence[str] = ("day", "model"),
    *,
    client: Any = None,
    jobs: int = 8,
    to: Library = "pandas",
) -> pd.DataFrame:
    """Return what sessions used and cost, a row per group.

    Args:
        source: sessions, their ids, a client, a `Store` or its folder, a path of logs; None means
            all sessions.
        by: what to group by: `day` (UTC), `model`, `agent`, `runtime`, `session`, `project`,
            `branch`, `tool`, `file`, `subagent`; see `frames.spending_df`, which groups alike.
        client: the client to ask; by default the current connection's.
        jobs: how many sessions are asked for at the same time.
        to: "pandas", "polars" or "arrow".

    Returns:
        The columns of `by`; `session_count`; the four token columns; `cost_usd`, as reported, else
        as the price table has it; `cache_saved_usd`; `unpriced_count`, the turns without a cost. A
        session that can't be read counts in a row of its own session, or of unknown model and day,
        with a missing cost, and is a problem in `df.attrs`.

    Raises:
        FrameError: a name in `by` is not one of these.
        AodError: not one of the sessions could be read.

    Warns:
        FrameWarning: something is missing; `df.attrs` says what.

    Example:
        >>> cost(frames.scan("sessions"), by=["agent", "model"])  # doctest: +SKIP
    """
    library(to)
    names = groups_of(by)
    source = opened(source)
    if isinstance(source, Store) or is_path(source):
        tables = tables_of(source, names)
        report = Report.of(tables["model_usage"])
    else:
        tables, report = _fetched(source, client, names, jobs)
    made = spending_of(tables, names)
    made.attrs = {
        "complete": report.complete,
        "truncated_by": report.truncated_by,
        "dropped": report.dropped,
        "problems": [problem._asdict() for problem in report.problems],
    }
    warn(report, "cost", stacklevel=2)
    return converted(made, to)


def _fetched(
    source: Any, client: Any, by: Iterable[str], jobs: int
) -> tuple[dict[str, pd.DataFrame], Report]:
    """Ask a service for the tables of sessions."""
    owner, given = asked(source, client)
    sessions = list(owner.sessions.list()) if given is None else list(given)
    ids = ids_of(sessions)
    gathered = Gathered(sessions if given is not None else ids, client=owner, jobs=jobs)
    names = tuple(_DERIVE) if set(by) & set(SHARED) else ("model_usage",)
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in names}
    for read in gathered.by_session():
        for name in names:
            parts[name].append(_DERIVE[name](read, COLUMNS.get(name)).frame)
    if gathered.unread:
        parts["model_usage"].append(_unknown(gathered.unread))
    tables = {
        name: concat(some, SCHEMAS[name].select(COLUMNS.get(name))) for name, some in parts.items()
    }
    also = Report(base_url=base_url_of(owner), fetched_at=now())
    left = [one for one in ids if one not in set(gathered.unread)]
    found = each(left, owner.sessions.get, also, jobs=jobs)
    tables["sessions"] = sessions_of([session for _, session in found])
    tables["turns"] = turns_of(each(left, owner.sessions.turns, also, jobs=jobs))
    return tables, gathered.report.join([also])


def _unknown(ids: list[str]) -> pd.DataFrame:
    """Return a row of model_usage for sessions of which nothing is known."""
    table = Table(SCHEMAS["model_usage"].columns)
    table.add(len(ids), {"session_id": ids})
    return table.to_pandas()
