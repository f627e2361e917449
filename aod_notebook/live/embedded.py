"""The embedded local service: starting it, and the clients that send it this kernel's variables.

No other service gets those variables. The embedded one runs on this machine as this person, has
proved itself on the connection, and holds them in memory only.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aod_notebook.aod import AsyncClient, Client
from aod_notebook.aod._async.sessions import AsyncSessions
from aod_notebook.aod._sync.sessions import Sessions
from aod_notebook.aod.requests import Prompt, SessionCreate
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.files import make_private
from aod_notebook.core.settings import home
from aod_notebook.core.text import one_line
from aod_notebook.live.credentials import variable
from aod_notebook.live.registry import registry
from aod_notebook.local.variables import own_variables, refusal

if TYPE_CHECKING:
    from aod_notebook.core._async.transport import AsyncTransport
    from aod_notebook.core._sync.transport import Transport
    from aod_notebook.core.wire import Call
    from aod_notebook.local import ServiceInfo

EMBEDDED = "embedded local service"
WRITABLE_HOME = (
    "Make that folder yours and writable, or set AOD_NOTEBOOK_HOME to one that is before the kernel "
    "starts."
)
"""What to do where the state folder can't be written."""
_FIELD = "local_env_vars"


class ServiceNotStartedError(AodNotebookError):
    """The embedded service could not be found or started.

    Fix: See the reason in the message, and what `%aod doctor` finds.
    """


class RuntimeMissingError(AodNotebookError):
    """The agent's command line is not installed on this machine, so no session was started.

    Fix: Install it as the message says, or choose another `--runtime`.
    """


# -- the service ----------------------------------------------------------------------------------


def start_embedded(data_dir: Path) -> ServiceInfo:
    """Return the embedded service of a data folder; start it if it is not running.

    Raises:
        ServiceNotStartedError: it does not start.
    """
    from aod_notebook.local import ServiceStartError, ensure_service

    try:
        return ensure_service(make_private(data_dir))
    except (OSError, ServiceStartError) as error:
        if isinstance(error, (PermissionError, NotADirectoryError, FileExistsError)) or (
            isinstance(error, OSError) and error.errno == errno.EROFS
        ):
            raise ServiceNotStartedError(
                f"The {EMBEDDED} did not start: {without_home(data_dir)} can't be written "
                f"({error.strerror}). {WRITABLE_HOME}"
            ) from error
        why = error.strerror if isinstance(error, OSError) else one_line(error.reason)
        raise ServiceNotStartedError(
            f"The {EMBEDDED} did not start{f': {why}' if why else ''}. Its log is "
            f"{without_home(data_dir / 'service.log')}; `aod-notebook serve` shows why."
        ) from error


def was_killed(data_dir: Path) -> bool:
    """Check whether the embedded service ended without deregistering."""
    from aod_notebook.local import was_killed as service_was_killed

    return service_was_killed(data_dir)


def embedded_data_dir() -> Path:
    """Return the folder in which the embedded service keeps its data and its tokens."""
    return home() / "service"


def without_home(path: Path) -> str:
    """Return a path without the user's name, so that a saved notebook does not show it."""
    configured = variable("AOD_NOTEBOOK_HOME")
    for folder, name in ((configured, "$AOD_NOTEBOOK_HOME"), (str(Path.home()), "~")):
        if folder and path.is_relative_to(folder):
            return str(Path(name) / path.relative_to(folder))
    return str(path)


# -- the variables that the agent CLIs read ------------------------------------------------------


def allow_root(allow: bool) -> None:
    """Allow claude to run as root from now on, or forbid it (`%config AodMagics.allow_root`)."""
    registry.allows_root = allow


def variables() -> dict[str, str]:
    """Return the variables that are sent with a session."""
    return own_variables() | ({"IS_SANDBOX": "1"} if registry.allows_root else {})


def check_cli(runtime: str | None) -> None:
    """Refuse a session before it is created if its CLI is not installed on this machine.

    Raises:
        RuntimeMissingError: it is not installed; the message names what to install.
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
