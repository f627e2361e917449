"""`/health`: whether database and vault work."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from starlette.requests import Request

from aod_notebook.local.aod.call import answer
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
    return answer({"status": "ok" if well else "degraded", "checks": checks}, 200 if well else 503)


def _check(probe: Callable[[], bool]) -> str:
    try:
        return "ok" if probe() else "fail: ValueError"
    except (sqlite3.Error, ValueError, OSError) as error:
        return f"fail: {type(error).__name__}"
