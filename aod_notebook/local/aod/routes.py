"""The paths of the AoD half and the endpoint of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.convertors import Convertor, register_url_convertor
from starlette.responses import Response
from starlette.routing import Route

from aod_notebook.local.aod import agents, environments, sessions, stream, usage
from aod_notebook.local.aod.call import ActionEndpoint, ResourceEndpoint
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


class HealthEndpoint:
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
        Route("/health", HealthEndpoint()),
        Route(
            "/agents", ResourceEndpoint({"GET": agents.list_agents, "POST": agents.create_agent})
        ),
        Route(agent, ResourceEndpoint({"GET": agents.get_agent, "PUT": agents.update_agent})),
        Route(f"{agent}/archive", ActionEndpoint("POST", agents.archive_agent)),
        Route(f"{agent}/versions", ActionEndpoint("GET", agents.list_versions)),
        Route(
            "/environments",
            ResourceEndpoint(
                {"GET": environments.list_environments, "POST": environments.create_environment}
            ),
        ),
        Route(
            environment,
            ResourceEndpoint(
                {"GET": environments.get_environment, "PUT": environments.update_environment},
                before=environments.check_exists,
            ),
        ),
        Route(f"{environment}/archive", ActionEndpoint("POST", environments.archive_environment)),
        Route(f"{environment}/versions", ActionEndpoint("GET", environments.list_versions)),
        Route(
            f"{environment}/delete", ResourceEndpoint({"DELETE": environments.delete_environment})
        ),
        Route(
            "/sessions",
            ResourceEndpoint({"GET": sessions.list_sessions, "POST": sessions.create_session}),
        ),
        Route(session, ActionEndpoint("GET", sessions.get_session)),
        Route(f"{session}/prompt", ActionEndpoint("POST", sessions.prompt_session)),
        Route(f"{session}/usage", ActionEndpoint("GET", usage.session_usage)),
        Route(f"{session}/turns", ActionEndpoint("GET", sessions.list_turns)),
        Route(f"{session}/terminate", ActionEndpoint("POST", sessions.terminate_session)),
        Route(f"{session}/interrupt", ActionEndpoint("POST", sessions.interrupt_session)),
        Route(f"{session}/delete", ResourceEndpoint({"DELETE": sessions.delete_session})),
        Route(f"{session}/stream", ActionEndpoint("GET", stream.stream_session)),
    ]
