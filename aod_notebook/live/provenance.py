"""Where an output came from: what is kept in its metadata, so that a saved notebook tells it."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from aod_notebook._version import __version__

if TYPE_CHECKING:
    from aod_notebook.live.run import LiveRun
    from aod_notebook.live.session import LiveSession

__all__ = ["provenance", "run_provenance"]


def provenance(session: LiveSession) -> dict[str, Any]:
    """Say where what a session's output shows came from; nothing of it is secret.

    Returns:
        `{"aod_notebook": {...}}` with the keys `session_id`, `service` (its URL, which never
        holds a user or a password), `runtime`, `model`, `status`, `exit_code`, `started_at` and
        `ended_at` (ISO 8601, UTC, by the service's clock once the turn has ended; None as long
        as it goes on) and `versions`.

    Example:
        >>> from aod_notebook.live import SessionRequest, start
        >>> session = start(SessionRequest(prompt="true", runtime="shell")).wait()
        >>> provenance(session)["aod_notebook"]["status"]
        'completed'
    """
    row, received = session.row, session.received()
    began = received[0][1] if received else None
    return {
        "aod_notebook": {
            "session_id": session.id,
            "service": session.service_url,
            "runtime": session.runtime,
            "model": session.model,
            "status": session.status,
            "exit_code": session.exit_code,
            "started_at": _iso(row.created_at if row else began),
            "ended_at": _iso(row.updated_at if row else None),
            "versions": dict(_versions()),
        }
    }


def run_provenance(run: LiveRun) -> dict[str, Any]:
    """Say where what a run's output shows came from; nothing of it is secret.

    Returns:
        `{"aod_notebook": {...}}` with the keys `run_id`, `service`, `agent_id`, `status`,
        `started_at`, `ended_at` (as the service told them; None where it did not) and `versions`.
    """
    row = run.latest or {}
    told = {name: row.get(name) for name in ("agent_id", "status", "started_at", "ended_at")}
    own = {"run_id": run.id, "service": run.service_url, **told}
    return {"aod_notebook": {**own, "versions": dict(_versions())}}


def _iso(at: datetime | float | None) -> str | None:
    if at is None:
        return None
    moment = at if isinstance(at, datetime) else datetime.fromtimestamp(at, UTC)
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


@cache
def _versions() -> dict[str, str]:
    found = {"aod-notebook": __version__, "python": platform.python_version()}
    for package in ("ipython", "ipykernel"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
