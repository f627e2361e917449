"""Start a session again: the same prompt for the same agent, in a session of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aod_notebook.core import current
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.live.connections import connection
from aod_notebook.live.start import SessionRequest, start

if TYPE_CHECKING:
    from aod_notebook.live.connections import AodConnection
    from aod_notebook.live.session import LiveSession


def start_again(session_id: str, on: AodConnection | None = None) -> LiveSession:
    """Start a new session with the first prompt, agent, environment and repositories of another.

    The agent is taken as it is now. Secrets and tokens are never returned by a service, so the
    new session has none.

    Args:
        session_id: the whole id of the other session.
        on: the service; None for the current connection.

    Raises:
        NotFoundError: there is no such session.
        AodNotebookError: its agent or its prompt is not known.
        AodError: what the service answered.
    """
    on = on or connection()
    row, turns = on.client.sessions.get(session_id), on.client.sessions.turns(session_id)
    if row.agent_id is None or not turns:
        raise AodNotebookError(
            f"Session {session_id} can't be run again: its service does not report its "
            f"{'prompt' if row.agent_id else 'agent'}. Start it with %%aod."
        )
    return start(
        SessionRequest(
            prompt=turns[0].prompt,
            agent=str(row.agent_id),
            environment=None if row.environment_id is None else str(row.environment_id),
            resources=[each.model_dump(exclude_none=True) for each in row.resources],
        ),
        on,
    )


current.set_starter(start_again)
