"""Control plane: agents and what belongs to them."""

# The methods are declarations: their decorator sends what is given. mypy wants bodies.
# mypy: disable-error-code="empty-body"
# ruff: noqa: A002, TC001, TC003 - the wire's names; annotations are read at run time

from __future__ import annotations

import builtins
from typing import Any, Unpack

from aod_notebook.agentos._async.namespace import AsyncNamespace
from aod_notebook.agentos.control import UNSET, CallOptions, Listing, read, write
from aod_notebook.agentos.options import INVOKE_TIMEOUT_S
from aod_notebook.agentos.rows import (
    AgentRow,
    AgentStatus,
    AlertCondition,
    ApiKeyRow,
    Channel,
    EvalRunRow,
    FolderRow,
    Frequency,
    Provider,
    Row,
)
from aod_notebook.contract import ACTIVE_STATUSES


class AsyncAgents(AsyncNamespace):
    """Hosted agents."""

    @write("agents_create")
    async def create(
        self,
        *,
        name: str,
        system_prompt: str,
        role: str = UNSET,
        description: str = UNSET,
        provider_type: Provider = UNSET,
        model: str = UNSET,
        tools: builtins.list[str] = UNSET,
        tags: builtins.list[str] = UNSET,
        temperature: float = UNSET,
        max_tokens: int = UNSET,
        max_iterations: int = UNSET,
        folder_id: str = UNSET,
        prompt_variables: dict[str, Any] = UNSET,
        input_schema: dict[str, Any] = UNSET,
        output_schema: dict[str, Any] = UNSET,
        **options: Unpack[CallOptions],
    ) -> AgentRow:
        """Create a hosted agent; the answer has its `agent_id`."""

    @write("agents_delete")
    async def delete(self, *, agent_id: str, **options: Unpack[CallOptions]) -> AgentRow:
        """Delete an agent and its keys, for good."""

    @read("agents_get")
    async def get(self, *, agent_id: str, **options: Unpack[CallOptions]) -> AgentRow:
        """Return an agent."""

    @read("agents_list", lists=True)
    async def list(
        self, *, status: AgentStatus = UNSET, folder_id: str = UNSET, **options: Unpack[CallOptions]
    ) -> Listing[AgentRow]:
        """List agents; `folder_id="none"`: those in no folder."""

    @write("agents_set_status")
    async def set_status(
        self, *, agent_id: str, status: AgentStatus, **options: Unpack[CallOptions]
    ) -> AgentRow:
        """Activate, pause or archive an agent."""

    @write("agents_update")
    async def update(
        self,
        *,
        agent_id: str,
        name: str = UNSET,
        role: str = UNSET,
        description: str = UNSET,
        system_prompt: str = UNSET,
        provider_type: Provider = UNSET,
        model: str = UNSET,
        tools: builtins.list[str] = UNSET,
        tags: builtins.list[str] = UNSET,
        temperature: float = UNSET,
        max_tokens: int = UNSET,
        max_iterations: int = UNSET,
        pinned_resource_ids: builtins.list[str] = UNSET,
        folder_id: str | None = UNSET,
        prompt_variables: dict[str, Any] = UNSET,
        input_schema: dict[str, Any] = UNSET,
        output_schema: dict[str, Any] = UNSET,
        **options: Unpack[CallOptions],
    ) -> AgentRow:
        """Change an agent; `folder_id=None` takes it out of its folder, `{}` and `[]` clear."""


class AsyncApiKeys(AsyncNamespace):
    """Keys of agents."""

    @write("api_keys_create")
    async def create(
        self, *, agent_id: str, name: str, **options: Unpack[CallOptions]
    ) -> ApiKeyRow:
        """Create a key for an agent; its plaintext is in this answer only."""

    @read("api_keys_list", lists=True)
    async def list(
        self,
        *,
        agent_id: str = UNSET,
        include_revoked: bool = UNSET,
        **options: Unpack[CallOptions],
    ) -> Listing[ApiKeyRow]:
        """List keys, never their plaintext."""

    @write("api_keys_revoke")
    async def revoke(self, *, key_id: str, **options: Unpack[CallOptions]) -> ApiKeyRow:
        """Revoke a key."""


class AsyncFolders(AsyncNamespace):
    """Folders of agents."""

    @write("folders_create")
    async def create(self, *, name: str, **options: Unpack[CallOptions]) -> FolderRow:
        """Create a folder; its name is unique."""

    @write("folders_delete")
    async def delete(self, *, folder_id: str, **options: Unpack[CallOptions]) -> FolderRow:
        """Delete a folder; its agents stay, in no folder."""

    @read("folders_list", lists=True)
    async def list(self, **options: Unpack[CallOptions]) -> Listing[FolderRow]:
        """List folders with their numbers of agents."""


class AsyncFleet(AsyncNamespace):
    """The health of all agents."""

    @read("fleet_health", lists=True)
    async def health(self, *, days: int = UNSET, **options: Unpack[CallOptions]) -> Listing[Row]:
        """Return the health of each agent over `days` (7), worst first."""


class AsyncSchedules(AsyncNamespace):
    """Schedules of agents."""

    @write("schedules_delete")
    async def delete(self, *, agent_id: str, **options: Unpack[CallOptions]) -> Row:
        """Delete an agent's schedule."""

    @read("schedules_get")
    async def get(self, *, agent_id: str, **options: Unpack[CallOptions]) -> Row | None:
        """Return an agent's schedule; None if there is none."""

    @write("schedules_upsert")
    async def upsert(
        self,
        *,
        agent_id: str,
        frequency: Frequency,
        day_of_week: int | None = UNSET,
        hour_of_day: int = UNSET,
        minute_of_hour: int = UNSET,
        timezone: str = UNSET,
        input: dict[str, Any] = UNSET,
        enabled: bool = UNSET,
        **options: Unpack[CallOptions],
    ) -> Row:
        """Set the one schedule of an agent; `day_of_week` (0 is Sunday) for weekly ones."""


class AsyncEvals(AsyncNamespace):
    """Eval cases and their runs."""

    @write("evals_create_case")
    async def create_case(
        self,
        *,
        agent_id: str,
        name: str,
        input: dict[str, Any],
        assertions: builtins.list[dict[str, Any]],
        **options: Unpack[CallOptions],
    ) -> Row:
        """Create an eval case."""

    @write("evals_delete_case")
    async def delete_case(self, *, eval_case_id: str, **options: Unpack[CallOptions]) -> Row:
        """Delete an eval case and its runs."""

    @read("evals_get_run")
    async def get_run(self, *, eval_run_id: str, **options: Unpack[CallOptions]) -> EvalRunRow:
        """Return a run of an eval case, with its results."""

    @read("evals_list_cases", lists=True)
    async def list_cases(self, *, agent_id: str, **options: Unpack[CallOptions]) -> Listing[Row]:
        """List the eval cases of an agent."""

    @write("evals_run_case", long=True)
    async def run_case(self, *, eval_case_id: str, **options: Unpack[CallOptions]) -> EvalRunRow:
        """Start an eval case; see `wait_run`."""

    async def wait_run(
        self,
        *,
        eval_run_id: str,
        timeout_seconds: float = INVOKE_TIMEOUT_S,
        workspace: str | None = None,
    ) -> EvalRunRow:
        """Wait until a run of an eval case has its results, and return it.

        Raises:
            AgentOSTransientError: it is still running after `timeout_seconds`.
        """
        return await self._poll(
            lambda seconds: self.get_run(
                eval_run_id=eval_run_id, workspace=workspace, timeout_seconds=seconds
            ),
            f"eval run {eval_run_id}",
            lambda run: run.get("status") not in ACTIVE_STATUSES,
            timeout_seconds,
        )


class AsyncAlerts(AsyncNamespace):
    """Alerts on runs."""

    @write("alerts_create")
    async def create(
        self,
        *,
        name: str,
        condition_type: AlertCondition,
        channels: builtins.list[Channel],
        agent_id: str = UNSET,
        condition_config: dict[str, Any] = UNSET,
        notification_config: dict[str, Any] = UNSET,
        **options: Unpack[CallOptions],
    ) -> Row:
        """Create an alert; without `agent_id` for the whole workspace."""

    @write("alerts_delete")
    async def delete(self, *, alert_id: str, **options: Unpack[CallOptions]) -> Row:
        """Delete an alert."""

    @read("alerts_list", lists=True)
    async def list(
        self, *, active_only: bool = UNSET, **options: Unpack[CallOptions]
    ) -> Listing[Row]:
        """List alerts."""

    @write("alerts_update")
    async def update(
        self,
        *,
        alert_id: str,
        name: str = UNSET,
        condition_config: dict[str, Any] = UNSET,
        channels: builtins.list[Channel] = UNSET,
        notification_config: dict[str, Any] = UNSET,
        active: bool = UNSET,
        **options: Unpack[CallOptions],
    ) -> Row:
        """Change an alert."""
