"""`/api/v1/rpc/{name}`: the methods, and who may call them."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import msgspec

from aod_notebook.local.agentos.call import AgentOSCall, answer
from aod_notebook.local.agentos.control import agents, fleet, records, runs
from aod_notebook.local.agentos.control.records import WORKSPACE
from aod_notebook.local.errors import HostedOnlyError, InvalidError, MissingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp

# a method that only reads is not a coroutine: it is called in a thread, as its rows may be many
LIVE: dict[str, Callable[[AgentOSCall], Any]] = {
    "agents_create": agents.create,
    "agents_delete": agents.delete,
    "agents_get": agents.get,
    "agents_list": agents.list_all,
    "agents_set_status": agents.set_status,
    "agents_update": agents.update,
    "api_keys_create": records.create_key,
    "api_keys_list": records.list_keys,
    "api_keys_revoke": records.revoke_key,
    "approvals_decide": runs.decide,
    "approvals_list": runs.approvals,
    "conversations_delete": records.delete_conversation,
    "conversations_get": records.get_conversation,
    "conversations_list": records.list_conversations,
    "fleet_health": fleet.health,
    "folders_create": records.create_folder,
    "folders_delete": records.delete_folder,
    "folders_list": records.list_folders,
    "runs_cancel": runs.cancel,
    "runs_get": runs.get,
    "runs_get_events": runs.events,
    "runs_invoke": runs.invoke,
    "runs_list": runs.list_all,
    "workspaces_list": records.list_workspaces,
}

ELSEWHERE = frozenset(
    {
        "alerts_create",
        "alerts_delete",
        "alerts_list",
        "alerts_update",
        "evals_create_case",
        "evals_delete_case",
        "evals_get_run",
        "evals_list_cases",
        "evals_run_case",
        "integrations_list",
        "marketplace_install_template",
        "marketplace_list_templates",
        "members_invite",
        "members_list",
        "members_remove",
        "notifications_list",
        "notifications_mark_read",
        "reports_delete",
        "reports_generate",
        "reports_get",
        "reports_list",
        "resources_create",
        "resources_delete",
        "resources_list",
        "schedules_delete",
        "schedules_get",
        "schedules_upsert",
        "tools_create_workspace",
        "tools_delete_workspace",
        "tools_list_builtin",
        "tools_list_composio",
        "tools_list_workspace",
    }
)


class _Workspace(msgspec.Struct):
    """The parameter that every method takes."""

    workspace: str | None = None


async def rpc(call: AgentOSCall) -> ASGIApp:
    """Call a control-plane method."""
    call.key.check_control()
    name = str(call.request.path_params["name"])
    if name in ELSEWHERE:
        raise HostedOnlyError(
            f"{name} is not part of the local service: it needs the hosted AgentOS",
        )
    method = LIVE.get(name)
    if method is None:
        raise MissingError(f"There is no method {name}")
    _check_workspace(call, name)
    if inspect.iscoroutinefunction(method):
        return _answered(await method(call))
    return await asyncio.to_thread(lambda: _answered(method(call)))


def _answered(result: Any) -> ASGIApp:
    return answer(result) if isinstance(result, dict | list) else result


def _check_workspace(call: AgentOSCall, name: str) -> None:
    workspace = call.fields(_Workspace).workspace
    if workspace is None:
        if call.key.kind == "user" and name != "workspaces_list":
            raise InvalidError("A personal key needs the parameter 'workspace'")
    elif workspace not in (WORKSPACE["id"], WORKSPACE["slug"]):
        raise MissingError(f"Workspace {workspace} not found")
