"""Control plane: `fleet_health`, computed from the stored runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

if TYPE_CHECKING:
    import sqlite3

    from aod_notebook.local.agentos.call import AgentOSCall

_PERFECT = 100


class FleetHealth(msgspec.Struct):
    """`fleet_health`."""

    days: Annotated[int, Meta(ge=1, le=3650)] = 7


def health(call: AgentOSCall) -> list[dict[str, Any]]:
    """Return each agent's run counts, failure rate and score, worst first.

    The score is the percentage of ended runs that did not fail: `score` within the last `days`,
    `score_at_start` within as many days before. Test runs don't count. Findings are not made
    here: `open_finding_severity` is null.
    """
    days = timedelta(days=call.fields(FleetHealth).days)
    connection = call.state.database.read()
    present = datetime.now(UTC)
    now, before = (_counts(connection, end - days, end) for end in (present, present - days))
    agents = connection.execute(
        "SELECT id, name, status FROM hosted_agent WHERE status != 'archived' ORDER BY seq DESC"
    )
    shown = [
        {
            "id": agent["id"],
            "agent_id": agent["id"],
            "name": agent["name"],
            "status": agent["status"],
            **_figures(now.get(agent["id"], {})),
            "open_finding_severity": None,
            "score": _score(now.get(agent["id"], {})),
            "score_at_start": _score(before.get(agent["id"], {})),
        }
        for agent in agents
    ]
    return sorted(shown, key=lambda agent: int(agent["score"]))


def _counts(
    connection: sqlite3.Connection, start: datetime, end: datetime
) -> dict[str, dict[str, int]]:
    rows = connection.execute(
        "SELECT agent_id, status, count(*) AS runs FROM run"
        " WHERE test = 0 AND created_at >= ? AND created_at < ? GROUP BY agent_id, status",
        (start.isoformat(), end.isoformat()),
    )
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        counts.setdefault(row["agent_id"], {})[row["status"]] = row["runs"]
    return counts


def _figures(counts: dict[str, int]) -> dict[str, Any]:
    ended = counts.get("completed", 0) + counts.get("failed", 0)
    return {
        "runs": sum(counts.values()),
        "completed": counts.get("completed", 0),
        "failed": counts.get("failed", 0),
        "cancelled": counts.get("cancelled", 0),
        "failure_rate": counts.get("failed", 0) / ended if ended else 0.0,
    }


def _score(counts: dict[str, int]) -> int:
    rate: float = _figures(counts)["failure_rate"]
    return round(_PERFECT * (1 - rate))
