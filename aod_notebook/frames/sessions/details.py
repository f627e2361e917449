"""Details for a list of sessions: agent, first prompt, model, cost, tokens, tool calls."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any, Final

import pandas as pd

from aod_notebook.core.errors import AodNotebookError
from aod_notebook.frames.fetch import session_events
from aod_notebook.frames.followed import followed_pieces
from aod_notebook.frames.native import Table
from aod_notebook.frames.report import Report
from aod_notebook.frames.rows import records
from aod_notebook.frames.schema import DETAIL_COLUMNS, SCHEMAS, TOKENS
from aod_notebook.frames.store import Store
from aod_notebook.frames.transcripts.pieces import Piece, pieces
from aod_notebook.frames.transcripts.results import turn_results
from aod_notebook.frames.transcripts.tool_calls import call_failures
from aod_notebook.transcripts import Usage

Facts = dict[str, dict[str, Any]]
"""By session id, what is known of the columns of `DETAIL_COLUMNS`; what is missing is unknown."""

_INCLUDES: Final = ("input_includes_cache", "output_includes_reasoning")
_SUMS: Final = ("cost_usd", *TOKENS)
_SYNTHETIC: Final = "<synthetic>"


def detailed(
    frame: pd.DataFrame,
    facts: Facts,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
) -> pd.DataFrame:
    """Return a whole sessions frame with the columns of the details; `attrs` stay.

    Raises:
        FrameError: a name in `columns` or `exclude` is not a column of it.
    """
    table = Table(DETAIL_COLUMNS)
    known = [facts.get(one, {}) for one in frame["session_id"]]
    table.add(
        len(known),
        {column.name: [fact.get(column.name) for fact in known] for column in DETAIL_COLUMNS},
    )
    added = table.to_pandas()
    for name in added:
        if name in frame:  # an imported log knows its model
            added[name] = frame[name].astype("str").fillna(added[name].astype("str"))
            added[name] = added[name].astype("category")
    whole = frame.copy(deep=False)
    for name in added:
        whole[name] = added[name].array
    schema = SCHEMAS["sessions"]
    every = (*schema.columns, *(column for column in DETAIL_COLUMNS))
    imported = [name for name in whole if name not in {column.name for column in every}]
    chosen = [column.name for column in replace(schema, columns=every).select(columns, exclude)]
    shown = whole[chosen if columns is not None else [*chosen, *imported]]
    shown.attrs = frame.attrs
    return shown


def service_facts(
    client: Any,
    sessions: Sequence[Any],
    report: Report,
    *,
    held: Mapping[str, Any] | None = None,
    jobs: int = 8,
    patience_s: float | None = None,
) -> Facts:
    """Ask a service for the details of sessions, several at a time.

    A session that can't be read, or not in time, keeps what is known of it; the report says so.

    Args:
        client: the client to ask.
        sessions: the rows of the service's list.
        report: takes the problems.
        held: followed sessions by id, which hold their events already.
        jobs: how many sessions are asked for at the same time.
        patience_s: how long all of it may take; None waits.
    """
    followed = held or {}
    facts: Facts = {str(session.id): {} for session in sessions}
    agents = _Agents(client)

    def ask(session: Any) -> None:
        one = str(session.id)
        name, model = agents.of(session.agent_id)
        facts[one] |= {"agent": name, "model": model}
        prompts = [turn.prompt for turn in client.sessions.turns(one)]
        facts[one]["prompt"] = prompts[0] if prompts else None
        own = followed.get(one)
        if own is None:
            framed = session_events(client, session)
            transcript, origin = list(pieces([framed.frame])), framed.report
        else:
            transcript, origin = followed_pieces(own)
        facts[one] |= {
            name: value for name, value in of_pieces(transcript).items() if value is not None
        }
        if origin.truncated_by:
            report.join([origin])

    _ask_each(ask, sessions, report, jobs, patience_s)
    return {one: dict(known) for one, known in facts.items()}


def _ask_each(
    ask: Callable[[Any], None],
    sessions: Sequence[Any],
    report: Report,
    jobs: int,
    patience_s: float | None,
) -> None:
    pool = ThreadPoolExecutor(max(1, min(jobs, len(sessions) or 1)))
    waiting: list[Future[None]] = []
    try:
        waiting += [pool.submit(ask, session) for session in sessions]
        wait(waiting, patience_s)
    finally:  # those that are late end by themselves; what they find then is not looked at
        pool.shutdown(wait=False, cancel_futures=True)
    for session, future in zip(sessions, waiting, strict=True):
        if not future.done() or future.cancelled():
            report.cut("a session was not read in time", str(session.id))
            continue
        error = future.exception()
        if isinstance(error, AodNotebookError):
            report.cut("a session could not be read", f"{session.id}: {error}")
        elif error is not None:
            raise error


class _Agents:
    """The names and models of agents; all are listed at once, an archived one is asked for."""

    def __init__(self, client: Any) -> None:
        self._client = client
        try:
            rows = list(client.agents.list())
        except AodNotebookError:  # nobody may list them: each is asked for
            rows = []
        self._known = {str(row.id): (row.name, row.model) for row in rows}

    def of(self, agent_id: Any) -> tuple[str | None, str | None]:
        """Return an agent's name and model, as far as they are known."""
        if agent_id is None:
            return None, None
        key = str(agent_id)
        if key not in self._known:
            try:
                row = self._client.agents.get(key)
            except AodNotebookError:
                return None, None
            self._known[key] = (row.name, row.model)
        return self._known[key]


def of_pieces(transcript: list[Piece]) -> dict[str, Any]:
    """Return what the transcript of one session holds: model, cost, tokens, calls."""
    results = [row.result for row in turn_results(transcript)]
    usage = Usage()
    for result in results:
        usage += result.usage or Usage()
    costs = [result.cost_usd for result in results if result.cost_usd is not None]
    failures = list(call_failures(transcript))
    facts: dict[str, Any] = {name: getattr(usage, name) for name in TOKENS}
    for name in _INCLUDES:
        found = (getattr(result, name) for result in results)
        facts[name] = next((each for each in found if each is not None), None)
    return facts | {
        "model": _model(transcript),
        "cost_usd": sum(costs) if costs else None,
        "tool_call_count": len(failures),
        "failed_tool_call_count": sum(failures),
    }


def _model(transcript: list[Piece]) -> str | None:
    """Return the model that answered first, not for a subagent."""
    for piece in transcript:
        for entry in piece.entries:
            is_own = entry.line_type == "assistant" and entry.parent_tool_use_id is None
            if is_own and entry.model and entry.model != _SYNTHETIC:
                return entry.model
    return None


def stored_facts(store: Store) -> Facts:
    """Return the details of all sessions in a store, from its other frames."""
    prompts = store.frame("turns", columns=["session_id", "turn", "prompt"])
    first = prompts.sort_values("turn").dropna(subset="prompt").drop_duplicates("session_id")
    facts: Facts = {one: {} for one in prompts["session_id"].dropna().unique()}
    _take(facts, first, ["prompt"])
    results = store.frame("results", columns=["session_id", *_SUMS, *_INCLUDES])
    by_session = results.groupby("session_id")
    _take(facts, by_session[list(_SUMS)].sum(min_count=1).reset_index(), _SUMS)
    _take(facts, by_session[list(_INCLUDES)].first().reset_index(), _INCLUDES)
    answered = ["session_id", "model", "line_type", "parent_tool_use_id"]
    messages = store.frame("messages", columns=answered)
    is_own = messages["line_type"].eq("assistant") & messages["parent_tool_use_id"].isna()
    own = messages[is_own & messages["model"].notna() & messages["model"].ne(_SYNTHETIC)]
    _take(facts, own.drop_duplicates("session_id"), ["model"])
    calls = store.frame("tool_calls", columns=["session_id", "is_error"])
    failed = calls["is_error"].fillna(value=False).groupby(calls["session_id"]).agg(["size", "sum"])
    for fact in facts.values():  # a stored session is whole: it made no others
        fact |= {"tool_call_count": 0, "failed_tool_call_count": 0}
    counted = failed.rename(columns={"size": "tool_call_count", "sum": "failed_tool_call_count"})
    _take(facts, counted.reset_index(), counted.columns)
    return facts


def _take(facts: Facts, frame: pd.DataFrame, columns: Iterable[str]) -> None:
    names = list(columns)
    for row in records(frame, ["session_id", *names]):
        facts.setdefault(row["session_id"], {}).update({name: row[name] for name in names})


def log_facts(turns: pd.DataFrame, events: pd.DataFrame) -> Facts:
    """Return the details of imported logs, from their turns and events."""
    facts: Facts = {}
    for one, own in events.groupby("session_id", sort=False):
        facts[str(one)] = of_pieces(list(pieces([own.reset_index(drop=True)])))
    first = turns.dropna(subset="prompt").drop_duplicates("session_id")
    _take(facts, first, ["prompt"])
    return facts
