"""The paths of the AoD half and the endpoint of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.convertors import Convertor, register_url_convertor
from starlette.responses import Response
from starlette.routing import Route

from aod_notebook.local.aod import agents, environments, sessions, stream, usage
from aod_notebook.local.aod.call import Action, Resource
from aod_notebook.local.aod.health import health

if TYPE_CHECKING:
    from starlette.routing import BaseRoute
    from starlette.types import Receive, Scope, Send


class _IdConvertor(Convertor[str]):
    """A UUID as upstream's router takes it: lower case, with dashes."""

    regex = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("aod_id", _IdConvertor())


class Health:
    """`/health`, which needs no token."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] == "GET":
            response = await health(scope)
        else:
            response = Response(status_code=405, headers={"allow": "GET"})
        await response(scope, receive, send)


def aod_routes() -> list[BaseRoute]:
    """Return the routes of the AoD half."""
    agent, environment, session = (
        f"/{noun}/{{id:aod_id}}" for noun in ("agents", "environments", "sessions")
    )
    return [
        Route("/health", Health()),
        Route("/agents", Resource({"GET": agents.list_agents, "POST": agents.create_agent})),
        Route(agent, Resource({"GET": agents.get_agent, "PUT": agents.update_agent})),
        Route(f"{agent}/archive", Action("POST", agents.archive_agent)),
        Route(f"{agent}/versions", Action("GET", agents.list_versions)),
        Route(
            "/environments",
            Resource(
                {"GET": environments.list_environments, "POST": environments.create_environment}
            ),
        ),
        Route(
            environment,
            Resource(
                {"GET": environments.get_environment, "PUT": environments.update_environment},
                before=environments.check_exists,
            ),
        ),
        Route(f"{environment}/archive", Action("POST", environments.archive_environment)),
        Route(f"{environment}/versions", Action("GET", environments.list_versions)),
        Route(f"{environment}/delete", Resource({"DELETE": environments.delete_environment})),
        Route(
            "/sessions", Resource({"GET": sessions.list_sessions, "POST": sessions.create_session})
        ),
        Route(session, Action("GET", sessions.get_session)),
        Route(f"{session}/prompt", Action("POST", sessions.prompt_session)),
        Route(f"{session}/usage", Action("GET", usage.session_usage)),
        Route(f"{session}/turns", Action("GET", sessions.list_turns)),
        Route(f"{session}/terminate", Action("POST", sessions.terminate_session)),
        Route(f"{session}/interrupt", Action("POST", sessions.interrupt_session)),
        Route(f"{session}/delete", Resource({"DELETE": sessions.delete_session})),
        Route(f"{session}/stream", Action("GET", stream.stream_session)),
    ]
