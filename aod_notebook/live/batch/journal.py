"""The journal of batches: which sessions were planned, started and done.

A session is claimed, with its key, before it is created. So a kernel that dies at any moment leaves
nothing unknown: a claim without a session is resolved by asking the service for the key.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from aod_notebook.core.append_log import lock
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.files import make_private, make_private_file
from aod_notebook.core.settings import home
from aod_notebook.live import journal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from aod_notebook.aod import Client, Session
    from aod_notebook.live.batch.plan import Item, Plan

SLACK_S = 120.0
"""How far the service's clock may be behind ours."""
_KEY = "idempotency_key"


class BatchBusyError(AodNotebookError):
    """Another kernel runs the same batch.

    Fix: Wait until it is done there, or interrupt it there.
    """


class KnownSession(NamedTuple):
    """A session of a batch as an earlier kernel left it."""

    attempt: int
    claimed_at: float
    session_id: str | None
    outcome: dict[str, Any] | None


class BatchJournal:
    """The records of one batch; its methods may be called from any thread.

    Args:
        batch_id: the batch.
    """

    def __init__(self, batch_id: str) -> None:
        self.id = batch_id

    @classmethod
    def unfinished(cls, plan: Plan, service: str) -> BatchJournal | None:
        """Return the same batch if it was begun and not finished."""
        with journal.opened() as rows:
            found = rows.execute(
                "select id from batch where fingerprint = ? and service = ? and ended_at is null"
                " order by began_at desc limit 1",
                (plan.fingerprint, service),
            ).fetchone()
        return None if found is None else cls(str(found[0]))

    @classmethod
    def begin(cls, plan: Plan, service: str) -> BatchJournal:
        """Record a new batch."""
        made = cls(uuid4().hex[:12])
        about = {"over": list(plan.over), "repeat": plan.repeat, "rows": len(plan.rows)}
        with journal.opened() as rows:
            rows.execute(
                "insert into batch values (?, ?, ?, ?, ?, ?, ?, null)",
                (
                    made.id,
                    service,
                    plan.fingerprint,
                    len(plan.items),
                    json.dumps(about),
                    f"{socket.gethostname()}:{os.getpid()}",
                    time.time(),
                ),
            )
        return made

    def key(self, number: int, attempt: int) -> str:
        """Return the key with which a session is created."""
        return f"aod-batch-{self.id}-{number}-{attempt}"

    def known(self) -> dict[int, KnownSession]:
        """Return what is recorded of each session, by its number."""
        with journal.opened() as rows:
            found = rows.execute(
                "select number, attempt, claimed_at, session_id, outcome from batch_session"
                " where batch_id = ?",
                (self.id,),
            ).fetchall()
        return {
            number: KnownSession(
                attempt, at, session, None if outcome is None else json.loads(outcome)
            )
            for number, attempt, at, session, outcome in found
        }

    def claim(self, number: int, attempt: int) -> None:
        """Record that a session is about to be created."""
        with journal.opened() as rows:
            rows.execute(
                "insert into batch_session values (?, ?, ?, ?, null, null)"
                " on conflict (batch_id, number) do update set claimed_at = case"
                " when attempt = excluded.attempt then claimed_at else excluded.claimed_at end,"
                " attempt = excluded.attempt, session_id = null, outcome = null",
                (self.id, number, attempt, time.time()),
            )

    def started(self, number: int, session_id: str, service: str) -> None:
        """Record which session was created."""
        with journal.opened() as rows:
            rows.execute(
                "update batch_session set session_id = ? where batch_id = ? and number = ?",
                (session_id, self.id, number),
            )
            journal.note_work(rows, session_id, service)

    def ended(self, number: int, outcome: Mapping[str, Any]) -> None:
        """Record how a session ended."""
        with journal.opened() as rows:
            rows.execute(
                "update batch_session set outcome = ? where batch_id = ? and number = ?",
                (json.dumps(outcome), self.id, number),
            )

    def release(self, number: int, attempt: int) -> None:
        """Record that a session was stopped unfinished, so that a new one may take its place."""
        self.claim(number, attempt + 1)

    def find_claimed(
        self, client: Client, items: Sequence[Item], claims: Iterable[tuple[int, KnownSession]]
    ) -> dict[int, str]:
        """Return the sessions that were made for claims without a session, by their numbers.

        A kernel died, or was not answered, before it knew their ids. A service that keeps the key
        of each session is asked for that. Elsewhere a session counts that has the same agent and
        first prompt, was made since the claim, and that no other row has.

        Raises:
            AodError: what the service answered.
        """
        claims = list(claims)
        if not claims:
            return {}
        rows = client.sessions.list()
        keys = {(row.model_extra or {}).get(_KEY): str(row.id) for row in rows}
        if any(_KEY in (row.model_extra or {}) for row in rows):
            wanted = {number: self.key(number, record.attempt) for number, record in claims}
            return {number: keys[key] for number, key in wanted.items() if key in keys}
        taken = {record.session_id for record in self.known().values()}
        free = [row for row in rows if str(row.id) not in taken and row.status != "terminated"]
        return _alike(client, free, items, claims)

    def finish(self) -> None:
        """Record that the whole batch is done."""
        with journal.opened() as rows:
            rows.execute("update batch set ended_at = ? where id = ?", (time.time(), self.id))

    @contextlib.contextmanager
    def owned(self) -> Iterator[None]:
        """Hold the batch for this kernel; the lock of a kernel that died is free.

        Raises:
            BatchBusyError: another kernel holds it.
        """
        path = make_private_file(make_private(home() / "batches") / f"{self.id}.lock")
        with path.open("a+") as file:
            is_ours = True
            with contextlib.suppress(OSError):  # some systems and network disks have no locks
                is_ours = lock(file.fileno())
            if not is_ours:
                raise BatchBusyError(
                    f"Batch {self.id} is being run by another kernel. Wait for it, or interrupt it "
                    "there."
                )
            yield
        path.unlink(missing_ok=True)


def reusable(key: str, service: str) -> str | None:
    """Return the session that answered the same prompt before; None if there is none."""
    with journal.opened() as rows:
        found = rows.execute(
            "select session_id from reusable where key = ? and service = ?", (key, service)
        ).fetchone()
    return None if found is None else str(found[0])


def keep_reusable(key: str, service: str, session_id: str) -> None:
    """Record that a session may be reused."""
    with journal.opened() as rows:
        rows.execute(
            "insert or replace into reusable values (?, ?, ?, ?)",
            (key, service, session_id, time.time()),
        )


def _alike(
    client: Client,
    rows: list[Session],
    items: Sequence[Item],
    claims: list[tuple[int, KnownSession]],
) -> dict[int, str]:
    """Match sessions with claims by agent, first prompt and time."""
    since = min(record.claimed_at for _, record in claims) - SLACK_S
    left = [
        row
        for row in reversed(rows)  # the oldest first, as they were claimed
        if row.created_at.timestamp() >= since
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
