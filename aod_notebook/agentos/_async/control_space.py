"""Control plane: the workspace."""

# The methods are declarations: their decorator sends what is given. mypy wants bodies.
# mypy: disable-error-code="empty-body"
# ruff: noqa: TC001 - annotations are read at run time

from __future__ import annotations

from typing import Literal, Unpack

from aod_notebook.agentos._async.namespace import AsyncNamespace
from aod_notebook.agentos.control import UNSET, CallOptions, Listing, read, write
from aod_notebook.agentos.rows import (
    Mime,
    Role,
    Row,
    WorkspaceRow,
)


class AsyncIntegrations(AsyncNamespace):
    """Integrations."""

    @read("integrations_list", lists=True)
    async def list(self, **options: Unpack[CallOptions]) -> Listing[Row]:
        """List integrations and whether they are connected."""


class AsyncMarketplace(AsyncNamespace):
    """Templates."""

    @write("marketplace_install_template")
    async def install(self, *, template_id: str, **options: Unpack[CallOptions]) -> Row:
        """Install a template; its agent starts paused. The answer has a plaintext key."""

    @read("marketplace_list_templates", lists=True)
    async def list_templates(self, **options: Unpack[CallOptions]) -> Listing[Row]:
        """List templates."""


class AsyncMembers(AsyncNamespace):
    """Members of a workspace."""

    @write("members_invite")
    async def invite(self, *, email: str, role: Role, **options: Unpack[CallOptions]) -> Row:
        """Invite a member; return the link. For owners and admins."""

    @read("members_list", lists=True)
    async def list(self, **options: Unpack[CallOptions]) -> Listing[Row]:
        """List members."""

    @write("members_remove")
    async def remove(self, *, member_id: str, **options: Unpack[CallOptions]) -> Row:
        """Remove a member; the last owner stays."""


class AsyncResources(AsyncNamespace):
    """Files for agents."""

    @write("resources_create")
    async def create(
        self,
        *,
        filename: str,
        content: str,
        mime_type: Mime = UNSET,
        **options: Unpack[CallOptions],
    ) -> Row:
        """Store a file; its type is derived from its name if not given."""

    @write("resources_delete")
    async def delete(self, *, filename: str, **options: Unpack[CallOptions]) -> Row:
        """Delete a file."""

    @read("resources_list", lists=True)
    async def list(self, **options: Unpack[CallOptions]) -> Listing[Row]:
        """List files."""


class AsyncTools(AsyncNamespace):
    """Tools for agents."""

    @write("tools_create_workspace")
    async def create(
        self,
        *,
        name: str,
        method: Literal["GET", "POST"],
        url: str,
        description: str = UNSET,
        auth_secret: str = UNSET,
        **options: Unpack[CallOptions],
    ) -> Row:
        """Create a tool that calls a URL; `auth_secret` is stored encrypted."""

    @write("tools_delete_workspace")
    async def delete(self, *, tool_id: str, **options: Unpack[CallOptions]) -> Row:
        """Delete a tool of the workspace."""

    @read("tools_list_builtin", lists=True)
    async def list_builtin(self, **options: Unpack[CallOptions]) -> Listing[Row]:
        """List built-in tools."""

    @read("tools_list_composio", lists=True)
    async def list_composio(self, **options: Unpack[CallOptions]) -> Listing[Row]:
        """List tools of connected toolkits."""

    @read("tools_list_workspace", lists=True)
    async def list_workspace(
        self, *, enabled_only: bool = UNSET, **options: Unpack[CallOptions]
    ) -> Listing[Row]:
        """List the tools of the workspace."""


class AsyncWorkspaces(AsyncNamespace):
    """Workspaces."""

    @read("workspaces_list", lists=True)
    async def list(self, **options: Unpack[CallOptions]) -> Listing[WorkspaceRow]:
        """List the workspaces that the key may use."""
