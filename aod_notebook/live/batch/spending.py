"""What this notebook and this day cost, from the sessions in the journal."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from aod_notebook.contract import ACTIVE_STATUSES
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.live import journal
from aod_notebook.live.batch.reading import Reading, Spending, added

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from aod_notebook.aod import Client, Session
    from aod_notebook.live.connections import AodConnection

SLACK_S = 60.0
"""A session is recorded after its turn has begun, and by another clock."""


class TurnSpent(NamedTuple):
    """What one model used in one turn; `at` is its start in seconds since 1970."""

    session_id: str
    turn: int
    at: float
    model: str | None
    spent: Spending


def cost_df(on: AodConnection) -> pd.DataFrame:
    """Return what this notebook and this day cost, by model.

    Turns in progress are not among it, nor are sessions on other services.

    Returns:
        `scope` (`notebook` or `today`), `model`, `sessions`, `turns`, `tokens_in` (cached ones
        included), `tokens_out`, `cost_usd` and `unpriced_turns`, those of which the cost is not
        known. `df.attrs["running"]` is the number of sessions that still run.

    Raises:
        AodError: what the service answered.
    """
    import pandas as pd

    rows = []
    running: set[str] = set()
    for scope in ("notebook", "today"):
        turns, active = turns_in(scope, on)
        running |= active
        models: dict[str | None, list[TurnSpent]] = {}
        for turn in turns:
            models.setdefault(turn.model, []).append(turn)
        rows += [_row(scope, model, found) for model, found in models.items()]
    types = {"scope": "str", "model": "str", "sessions": "Int64", "turns": "Int64",
             "tokens_in": "Int64", "tokens_out": "Int64", "cost_usd": "Float64",
             "unpriced_turns": "Int64"}  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(types), dtype=object).astype(types)
    frame.attrs["running"] = len(running)
    return frame


def _row(scope: str, model: str | None, turns: list[TurnSpent]) -> list[Any]:
    known = [one.spent.cost_usd for one in turns if one.spent.cost_usd is not None]
    whole = added(one.spent for one in turns)
    return [
        scope,
        model,
        len({one.session_id for one in turns}),
        len({(one.session_id, one.turn) for one in turns}),
        whole.tokens_in,
        whole.tokens_out,
        sum(known) if known else None,
        sum(one.spent.cost_usd is None for one in turns),
    ]


def spent_in(scope: str, on: AodConnection) -> Spending:
    """Return what was spent in a scope (`notebook` or `day`), as far as known."""
    turns, _ = turns_in("today" if scope == "day" else scope, on)
    costs = [one.spent.cost_usd for one in turns if one.spent.cost_usd is not None]
    tokens = [one.spent.tokens for one in turns if one.spent.tokens is not None]
    return Spending(sum(costs) if costs else None, sum(tokens) if tokens else None)


def turns_in(scope: str, on: AodConnection) -> tuple[list[TurnSpent], set[str]]:
    """Return the turns of a scope (`notebook` or `today`), and the sessions that still run."""
    midnight = dt.datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)  # fmt: skip
    if scope == "today":
        since = dict.fromkeys(_worked_since(on.key, midnight.timestamp()), midnight.timestamp())
    else:
        since = {name: at - SLACK_S for name, at in _worked_here(on.key).items()}
    if not since:
        return [], set()
    rows = {str(row.id): row for row in on.client.sessions.list()}
    there = [rows[name] for name in since if name in rows]
    turns = [turn for row in there for turn in session_turns(on, row)]
    active = {str(row.id) for row in there if row.status in ACTIVE_STATUSES}
    return [turn for turn in turns if turn.at >= since[turn.session_id]], active


def session_turns(on: AodConnection, row: Session) -> list[TurnSpent]:
    """Return what the turns of a session spent; of one that still runs, what was known before."""
    name, state = str(row.id), str(row.updated_at)
    with journal.opened() as rows:
        known = rows.execute(
            "select state, turns from spent where session_id = ? and service = ?", (name, on.key)
        ).fetchone()
    if known is not None and (known[0] == state or row.status in ACTIVE_STATUSES):
        return [_turn(name, one) for one in json.loads(known[1])]
    if row.status in ACTIVE_STATUSES:
        return []
    turns = _read(on.client, row)
    with journal.opened() as rows:
        rows.execute(
            "insert or replace into spent values (?, ?, ?, ?)",
            (name, on.key, state, json.dumps([one[1:] for one in turns])),
        )
    return turns


def typical_cost(on: AodConnection, agent_ids: Iterable[str], most: int = 20) -> dict[str, float]:
    """Return the median cost of each agent's newest completed sessions; unknown ones are left out."""
    import statistics

    wanted, found = set(agent_ids), {}
    rows = [row for row in on.client.sessions.list() if row.status == "completed"]
    for agent_id in wanted:
        own = [row for row in rows if str(row.agent_id) == agent_id][:most]
        whole = [added(turn.spent for turn in session_turns(on, row)).cost_usd for row in own]
        costs = [cost for cost in whole if cost is not None]
        if costs:
            found[agent_id] = statistics.median(costs)
    return found


def _read(client: Client, row: Session) -> list[TurnSpent]:
    name = str(row.id)
    reading = Reading(row.runtime or row.provider, _model_of(client, row))
    times = {
        turn.turn_number: turn.started_at or turn.created_at for turn in client.sessions.turns(name)
    }
    with client.sessions.stream(name) as events:
        for event in events:
            reading.take(event)
    turns = []
    for number, models in reading.turns.items():
        began = times.get(number) if isinstance(number, int) else None
        if isinstance(number, int) and began is not None:
            turns += [TurnSpent(name, number, began.timestamp(), *one) for one in models]
    return turns


def _model_of(client: Client, row: Session) -> str | None:
    try:
        return client.agents.get(row.agent_id).model if row.agent_id else None
    except AodNotebookError:
        return None


def _turn(name: str, fields: list[Any]) -> TurnSpent:
    turn, at, model, spent = fields
    return TurnSpent(name, turn, at, model, Spending(*spent))


def _worked_since(service: str, moment: float) -> list[str]:
    with journal.opened() as rows:
        found = rows.execute(
            "select session_id from worked where service = ? and at >= ? union"
            " select session_id from followed where service = ? and followed_at >= ?",
            (service, moment, service, moment),
        ).fetchall()
    return [str(name) for (name,) in found]


def _worked_here(service: str) -> dict[str, float]:
    with journal.opened() as rows:
        found = rows.execute(
            "select session_id, at from worked where service = ? and notebook = ?",
            (service, journal.notebook()),
        ).fetchall()
    return {str(name): at for name, at in found}
