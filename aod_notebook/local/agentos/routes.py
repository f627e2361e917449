"""The paths of the AgentOS half."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from aod_notebook.local.agentos import ingest, questions
from aod_notebook.local.agentos.call import Endpoint
from aod_notebook.local.agentos.control.rpc import rpc
from aod_notebook.local.agentos.invoke import invoke
from aod_notebook.local.errors import MissingError

if TYPE_CHECKING:
    from starlette.routing import BaseRoute
    from starlette.types import Receive, Scope, Send

_INGEST = "/api/ingest/v1"


class Unknown:
    """Every other path below `/api`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request."""
        del receive, send
        raise MissingError(f"There is no endpoint {scope['path']}")


def agentos_routes() -> list[BaseRoute]:
    """Return the routes of the AgentOS half."""
    return [
        Route(f"{_INGEST}/run/start", Endpoint(ingest.start_run)),
        Route(f"{_INGEST}/events", Endpoint(ingest.add_events)),
        Route(f"{_INGEST}/tasks", Endpoint(ingest.put_task)),
        Route(f"{_INGEST}/run/complete", Endpoint(ingest.complete_run)),
        Route(f"{_INGEST}/run/fail", Endpoint(ingest.fail_run)),
        Route(f"{_INGEST}/run/cancel", Endpoint(ingest.cancel_run)),
        Route(f"{_INGEST}/human-input/request", Endpoint(questions.request_input)),
        Route("/api/v1/agents/{agent_id}/invoke", Endpoint(invoke)),
        Route("/api/v1/runs/{run_id}/human-input", Endpoint(questions.reply)),
        Route("/api/v1/runs/{run_id}/reply", Endpoint(questions.reply)),
        Route("/api/v1/rpc/{name}", Endpoint(rpc)),
        Route("/api/{rest:path}", Unknown()),
    ]
