"""Clients of the embedded service: they send it the variables that the agent CLIs read.

No other service gets these. The embedded one runs on this machine as this person, has proved
itself on the connection, and holds them in memory only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aod_notebook.aod import AsyncClient, Client
from aod_notebook.aod._async.sessions import AsyncSessions
from aod_notebook.aod._sync.sessions import Sessions
from aod_notebook.aod.requests import Prompt, SessionCreate
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.live import root
from aod_notebook.local.variables import own_variables, refusal

if TYPE_CHECKING:
    from aod_notebook.core._async.transport import AsyncTransport
    from aod_notebook.core._sync.transport import Transport
    from aod_notebook.core.wire import Call

__all__ = ["EmbeddedAsyncClient", "EmbeddedClient", "RuntimeMissingError", "check_cli"]

_FIELD = "local_env_vars"


class RuntimeMissingError(AodNotebookError):
    """The agent's command line is not installed on this machine, so no session was started."""


def variables() -> dict[str, str]:
    """Return what is sent with a session."""
    return own_variables() | ({"IS_SANDBOX": "1"} if root.allowed else {})


def check_cli(runtime: str | None) -> None:
    """Refuse a session for which this machine has no CLI, before it is made.

    Raises:
        RuntimeMissingError: so it is; the message names what to install.
    """
    reason = refusal(runtime or "", own_variables())
    if reason is not None:
        raise RuntimeMissingError(f"No session was started: {reason}.")


class _Sending:
    """Adds the variables to the two calls that start a turn."""

    def _write(
        self, method: str, path: str, body: Any, fields: dict[str, Any], **extra: Any
    ) -> Call:
        if body in (SessionCreate, Prompt):
            fields = {**fields, _FIELD: variables()}
        call: Call = super()._write(method, path, body, fields, **extra)  # type: ignore[misc]
        return call


class _AsyncSessions(_Sending, AsyncSessions):
    """`client.sessions` of the embedded service."""


class _Sessions(_Sending, Sessions):
    """`client.sessions` of the embedded service."""


class EmbeddedAsyncClient(AsyncClient):
    """The async client of the embedded service."""

    def _use(self, transport: AsyncTransport) -> None:
        super()._use(transport)
        self.sessions = _AsyncSessions(transport)


class EmbeddedClient(Client):
    """The client of the embedded service."""

    def _use(self, transport: Transport) -> None:
        super()._use(transport)
        self.sessions = _Sessions(transport)
