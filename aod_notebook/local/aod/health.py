"""`/health` (CONTRACT.md A.6); with a challenge, the answer carries the service's proof."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from starlette.requests import Request

from aod_notebook.local.aod.http import answer
from aod_notebook.local.proof import CHALLENGE, PROOF, proof
from aod_notebook.local.state import STATE

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response
    from starlette.types import Scope

    from aod_notebook.local.state import State


async def health(scope: Scope) -> Response:
    """Check database and vault; 503 and the error's class if one fails."""
    request = Request(scope)
    state: State = request.scope[STATE]

    def database() -> bool:
        return state.database.read().execute("SELECT 1").fetchone() is not None

    checks = {"db": _check(database), "crypto": _check(state.vault.works)}
    well = all(result == "ok" for result in checks.values())
    response = answer(
        {"status": "ok" if well else "degraded", "checks": checks}, 200 if well else 503
    )
    challenge = request.headers.get(CHALLENGE)
    if challenge is not None:
        response.headers[PROOF] = proof(state.credentials.aod_token, challenge)
    return response


def _check(probe: Callable[[], bool]) -> str:
    try:
        return "ok" if probe() else "fail: ValueError"
    except (sqlite3.Error, ValueError, OSError) as error:
        return f"fail: {type(error).__name__}"
