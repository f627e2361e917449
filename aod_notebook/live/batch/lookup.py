"""Find the sessions of a kernel that died before it knew their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aod_notebook.aod import Client, Session
    from aod_notebook.live.batch.journal import BatchJournal, KnownSession
    from aod_notebook.live.batch.plan import Item

SLACK_S = 120.0
"""How far the service's clock may be behind ours."""
_KEY = "idempotency_key"


def before(
    client: Client,
    items: Sequence[Item],
    records: BatchJournal,
    claims: Iterable[tuple[int, KnownSession]],
) -> dict[int, str]:
    """Return the sessions that were made for claims without a session, by their numbers.

    A service that keeps the key of each session is asked for that. Elsewhere a session counts that
    has the same agent and first prompt, was made since the claim, and that no other row has.

    Raises:
        AodError: what the service answered.
    """
    claims = list(claims)
    if not claims:
        return {}
    rows = client.sessions.list()
    keys = {(row.model_extra or {}).get(_KEY): str(row.id) for row in rows}
    if any(_KEY in (row.model_extra or {}) for row in rows):
        wanted = {number: records.key(number, record.attempt) for number, record in claims}
        return {number: keys[key] for number, key in wanted.items() if key in keys}
    return _alike(client, rows, items, records, claims)


def _alike(
    client: Client,
    rows: list[Session],
    items: Sequence[Item],
    records: BatchJournal,
    claims: list[tuple[int, KnownSession]],
) -> dict[int, str]:
    taken = {record.session_id for record in records.known().values()}
    since = min(record.claimed_at for _, record in claims) - SLACK_S
    left = [
        row
        for row in reversed(rows)  # the oldest first, as they were claimed
        if str(row.id) not in taken
        and row.status != "terminated"
        and row.created_at.timestamp() >= since
    ]
    prompts: dict[str, str] = {}
    found: dict[int, str] = {}
    for number, record in sorted(claims, key=lambda claim: claim[1].claimed_at):
        item = items[number]
        for row in left:
            name = str(row.id)
            if str(row.agent_id) != item.fields["agent_id"]:
                continue
            if row.created_at.timestamp() < record.claimed_at - SLACK_S:
                continue
            if name not in prompts:
                prompts[name] = client.sessions.turns(name)[0].prompt
            if prompts[name] == item.prompt:
                found[number] = name
                left.remove(row)
                break
    return found
