"""The agents of the async client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET, UnsetType

from aod_notebook.aod._async.resource import AsyncResource
from aod_notebook.aod.models import Agent, AgentVersion
from aod_notebook.aod.requests import AgentCreate, AgentUpdate
from aod_notebook.core.retry import Repeat
from aod_notebook.core.wire import Call

if TYPE_CHECKING:
    import builtins
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from aod_notebook.aod.inputs import GithubSkill, InlineSkill, McpServerStdio, McpServerUrl
    from aod_notebook.aod.models import McpServer

    SkillLike = InlineSkill | GithubSkill | Mapping[str, Any]
    McpServerLike = McpServerUrl | McpServerStdio | McpServer | Mapping[str, Any]


class AsyncAgents(AsyncResource):
    """`client.agents`: stored agents and their versions. Agents are archived, never deleted."""

    _path = "/agents"
    _noun = "agent"

    async def list(self) -> builtins.list[Agent]:
        """List all agents that are not archived, newest first.

        Example:
            >>> [agent.name for agent in await client.agents.list()]  # doctest: +SKIP
            ['demo']
        """
        return await self._list(Agent, self._path)

    async def create(
        self,
        *,
        name: str,
        model: str,
        runtime: str | None = None,
        provider: str | None = None,
        system: str | None = None,
        description: str | None = None,
        environment_id: str | UUID | None = None,
        skills: Sequence[SkillLike] | None = None,
        mcp_servers: Sequence[McpServerLike] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Agent:
        """Create an agent, with `runtime` (first API generation) or `provider` (later one).

        Args:
            name: at most 200 characters.
            model: `provider/model` with a runtime; with a provider, its own model name.
            runtime: `claude`, `codex`, `gemini` or `opencode`.
            provider: `anthropic` or `openai`.
            system: text put before the first prompt of each session.
            description: for people.
            environment_id: default environment of the agent's sessions.
            skills: at most 20, each an `InlineSkill`, a `GithubSkill` or a dict.
            mcp_servers: at most 20, each `McpServerUrl`, `McpServerStdio` or a dict.
            metadata: any JSON values.

        Raises:
            ValidationError: a field is refused, mostly before it is sent.
            NotFoundError, ConflictError: the environment is missing, or archived.

        Example:
            >>> await client.agents.create(  # doctest: +SKIP
            ...     name="demo", model="anthropic/claude-sonnet-4-6", runtime="claude"
            ... )
        """
        fields = {
            "name": name,
            "model": model,
            "runtime": runtime,
            "provider": provider,
            "system": system,
            "description": description,
            "environment_id": environment_id,
            "skills": skills,
            "mcp_servers": mcp_servers,
            "metadata": metadata,
        }
        return await self._one(Agent, self._write("POST", self._path, AgentCreate, fields))

    async def get(self, agent_id: str | UUID) -> Agent:
        """Read an agent, archived or not.

        Raises:
            NotFoundError: there is none with this id for this token.

        Example:
            >>> (await client.agents.get(agent.id)).version  # doctest: +SKIP
            1
        """
        return await self._one(Agent, Call(method="GET", path=self._item(agent_id)))

    async def update(
        self,
        agent_id: str | UUID,
        *,
        version: int,
        name: str | None = None,
        model: str | None = None,
        runtime: str | None = None,
        provider: str | None = None,
        system: str | None = None,
        description: str | None = None,
        environment_id: str | UUID | UnsetType | None = UNSET,
        skills: Sequence[SkillLike] | None = None,
        mcp_servers: Sequence[McpServerLike] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Agent:
        """Change an agent; fields that are None or omitted stay unchanged.

        Args:
            agent_id: the agent.
            version: its current version, as last read.
            name: new name.
            model: new model.
            runtime: new runtime (first API generation).
            provider: new provider (later API generation).
            system: new system text; `""` clears it.
            description: new description; `""` clears it.
            environment_id: another default environment; None detaches it.
            skills: the whole new list; `[]` clears it.
            mcp_servers: the whole new list; `[]` clears it.
            metadata: merged key by key; the value `""` removes a key.

        Raises:
            ConflictError: the version is stale, or the agent is archived.
            ValidationError: a field is refused, mostly before it is sent.
            NotFoundError: no such agent or environment.

        Example:
            >>> await client.agents.update(agent.id, version=1, name="renamed")  # doctest: +SKIP
        """
        fields = {
            "version": version,
            "name": name,
            "model": model,
            "runtime": runtime,
            "provider": provider,
            "system": system,
            "description": description,
            "environment_id": environment_id,
            "skills": skills,
            "mcp_servers": mcp_servers,
            "metadata": metadata,
        }
        call = self._write("PUT", self._item(agent_id), AgentUpdate, fields)
        return await self._one(Agent, call)

    async def archive(self, agent_id: str | UUID) -> Agent:
        """Archive an agent for good: it stays readable, but starts no more sessions.

        Raises:
            ConflictError: it is archived already.
            NotFoundError: no such agent.

        Example:
            >>> (await client.agents.archive(agent.id)).archived_at  # doctest: +SKIP
        """
        path = self._item(agent_id, "archive")
        return await self._one(Agent, Call(method="POST", path=path, repeat=Repeat.REFUSED))

    async def versions(self, agent_id: str | UUID) -> builtins.list[AgentVersion]:
        """List all versions of an agent, highest first.

        Raises:
            NotFoundError: no such agent.

        Example:
            >>> [v.version for v in await client.agents.versions(agent.id)]  # doctest: +SKIP
            [2, 1]
        """
        return await self._list(AgentVersion, self._item(agent_id, "versions"))
