"""The agents frame, as the service reports agents."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from aod_notebook.core.clock import micros
from aod_notebook.core.ids import full_ids
from aod_notebook.frames.checks import FrameError, shown
from aod_notebook.frames.exchange import Library, is_frame, library
from aod_notebook.frames.fetch import base_url_of, client_with, current_client, each
from aod_notebook.frames.native import Table
from aod_notebook.frames.report import Framed, Report, deliver, finish, now
from aod_notebook.frames.rows import column, fields_of, json_text, rest, text
from aod_notebook.frames.schema import SCHEMAS
from aod_notebook.frames.sources import ids_in, ids_of
from aod_notebook.frames.store import Store

_AGENTS = SCHEMAS["agents"]
_PLAIN = ("name", "model", "runtime", "provider", "version", "description", "system")
_LISTS = {"skills": "skill_count", "mcp_servers": "mcp_server_count"}
_TIMES = ("created_at", "updated_at", "archived_at")
_NAMED = ("id", "type", "environment_id", "metadata", *_PLAIN, *_LISTS, *_TIMES)


def agents_df(
    source: Any = None,
    *,
    client: Any = None,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    jobs: int = 8,
    progress: bool = False,
    to: Library = "pandas",
) -> pd.DataFrame:
    """Return agents: one row per agent.

    Args:
        source: an agent's id, an agent, several of these, a client, a `Store`, or a frame with
            an `agent_id` column: the agents of its rows, archived ones included. None means
            all agents that are not archived, newest first.
        client: the client to ask; by default the current connection's.
        columns: only these columns.
        exclude: all columns but these.
        jobs: how many agents are asked for at the same time.
        progress: show on stderr how far it is.
        to: "pandas", "polars" or "arrow".

    Returns:
        The agents frame, which joins the sessions frame on `agent_id`. An agent that could not
        be read has no row; `df.attrs["problems"]` names it.

    Raises:
        AodError: not one of the agents could be read.
        AodNotebookError: there is no client and no current connection.

    Example:
        >>> sessions = frames.sessions_df()  # doctest: +SKIP
        >>> sessions.merge(frames.agents_df(sessions), on="agent_id")  # doctest: +SKIP
    """
    library(to)
    owner, ids = _asked(source, client)
    report = Report(base_url=base_url_of(owner), fetched_at=now())
    if ids is None:
        found = list(owner.agents.list())
    else:
        answers = each(ids, owner.agents.get, report, jobs=jobs, progress=progress, noun="agent")
        found = [agent for _, agent in answers]
    frame = agents_of(found, columns, exclude)
    frame.attrs = report.attrs(_AGENTS)
    return deliver(Framed(frame, report), to)


def agents_of(
    agents: Iterable[Any], columns: Iterable[str] | None = None, exclude: Iterable[str] = ()
) -> pd.DataFrame:
    """Make the agents frame from agents, or from versions of one."""
    rows = [fields_of(agent) for agent in agents]
    values: dict[str, Any] = {name: column(rows, name) for name in _PLAIN}
    values["agent_id"] = [text(row.get("id")) for row in rows]
    values["environment_id"] = [text(row.get("environment_id")) for row in rows]
    for name in ("skills", "metadata"):
        values[name] = [json_text(value) for value in column(rows, name)]
    for name, count in _LISTS.items():
        given = column(rows, name)
        values[count] = [len(value) if isinstance(value, list) else None for value in given]
    values["mcp_servers"] = [_names(value) for value in column(rows, "mcp_servers")]
    for name in _TIMES:
        values[name] = [micros(value) for value in column(rows, name)]
    values["extra"] = [rest(row, _NAMED) for row in rows]
    table = Table(_AGENTS.select(columns, exclude))
    table.add(len(rows), values)
    return finish(table, _AGENTS, Report()).frame


def _names(servers: Any) -> str | None:
    """Return JSON of the names alone: headers and variables may hold secrets."""
    if not isinstance(servers, list):
        return None
    return json_text([one.get("name") for one in servers if isinstance(one, Mapping)])


def _asked(source: Any, client: Any) -> tuple[Any, list[str] | None]:
    """Find the client to ask, and the ids of the agents; None for all."""
    if client is not None:
        client = client_with("sessions", client)
    if hasattr(source, "agents"):
        return client_with("sessions", source), None
    owner = client or current_client()
    if source is None:
        return owner, None
    if isinstance(source, Store):
        source = source.frame("sessions", columns=["agent_id"])
    if is_frame(source):
        given = ids_in(source, "agent_id")
    else:
        is_many = isinstance(source, Iterable) and not isinstance(source, str | Mapping)
        is_many = is_many and not hasattr(source, "id")
        given = list(source) if is_many else [source]
    for one in given:
        if not str(getattr(one, "id", one) or "").strip() or isinstance(one, int | float | Mapping):
            raise FrameError(f"{shown(one)} is not an agent: pass ids or agents")
    ids = full_ids(ids_of(given), lambda: [agent.id for agent in owner.agents.list()], "agent")
    return owner, list(dict.fromkeys(ids))
