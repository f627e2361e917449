"""`GET /sessions/{id}/usage`: the usage of a session so far, from its CLI's log.

A CLI reports what a turn cost when the turn has ended. Its log has each answer of the model as soon
as that is there, so that a session can be stopped before it costs too much. Hosted services do not
have this path.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from aod_notebook.local.aod import sessions
from aod_notebook.local.aod.call import answer
from aod_notebook.logs import AGENTS, LogFile, find_logs, read_log
from aod_notebook.transcripts import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from starlette.responses import Response

    from aod_notebook.local.aod.call import AodCall
    from aod_notebook.logs import LogSession

_INCLUDES_CACHE = ("codex", "gemini")
_LEAVES_REASONING_OUT = ("gemini", "opencode")


async def session_usage(call: AodCall) -> Response:
    """Answer with the tokens per model; `source` is null where no log is kept."""
    row = sessions.find(call.state.database.read(), call.owner, call.id)
    home = call.state.worker.folder(call.id).home
    runtime = str(row["runtime"])
    models = await asyncio.to_thread(_models, home, runtime)
    body = {
        "session_id": row["id"],
        "status": row["status"],
        "source": None if models is None else "log",
        "input_includes_cache": runtime in _INCLUDES_CACHE,
        "output_includes_reasoning": runtime not in _LEAVES_REASONING_OUT,
        "models": models or [],
    }
    return answer(body)


def _models(home: Path, runtime: str) -> list[dict[str, Any]] | None:
    """Return what each model used; None if the session keeps no log, or none yet."""
    if runtime not in AGENTS or not home.is_dir():
        return None
    try:
        found = find_logs(home, [runtime])
        if not found:
            return None
        return _summed([session for log in found for session in _read(log, log.stamp)])
    except (OSError, ValueError):  # removed, or half made, while it was looked at
        return None


@lru_cache(maxsize=64)
def _read(log: LogFile, stamp: str) -> list[LogSession]:
    """Read a log; again only when its stamp has changed."""
    del stamp
    return read_log(log)


def _summed(found: Iterable[LogSession]) -> list[dict[str, Any]]:
    """Add up the answers per model, counting each once."""
    seen: dict[str, Any] = {}
    for session in found:
        for request in session.requests:
            known = seen.get(request.key)
            if known is None or _written(request) > _written(known):
                seen[request.key] = request
    models: dict[str | None, dict[str, Any]] = {}
    for request in seen.values():
        usage = models.setdefault(
            request.model,
            {"model": request.model, "requests": 0, "usage": Usage(), "cost_usd": None, "web": 0},
        )
        usage["requests"] += 1
        usage["usage"] += request.usage
        usage["web"] += request.web_searches or 0
        if request.cost_usd is not None:
            usage["cost_usd"] = (usage["cost_usd"] or 0.0) + request.cost_usd
    return [_rendered(one) for one in models.values()]


def _written(request: Any) -> int:
    return request.usage.output_tokens or 0


def _rendered(one: dict[str, Any]) -> dict[str, Any]:
    counts = {name: getattr(one["usage"], name) for name in Usage.__struct_fields__}
    return {
        "model": one["model"],
        "requests": one["requests"],
        **counts,
        "web_searches": one["web"],
        "cost_usd": one["cost_usd"],
    }
