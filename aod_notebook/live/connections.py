"""Which service this kernel talks to: the configured one, or the embedded one if none is."""

from __future__ import annotations

import os
import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from aod_notebook.core import bridge, current
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.settings import home

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aod_notebook.aod import AsyncClient, Client

__all__ = [
    "Connection",
    "ServiceNotStartedError",
    "TokenMissingError",
    "connect",
    "connection",
    "current_if_any",
    "default_notice",
    "disconnect",
    "embedded_data_dir",
    "offer",
    "without_home",
]

URL_VARIABLE = "AOD_API_URL"
TOKEN_VARIABLE = "AOD_API_TOKEN"  # noqa: S105 - the variable's name
EMBEDDED = "embedded local service"


class ServiceNotStartedError(AodNotebookError):
    """The embedded service could not be found or started."""


class TokenMissingError(AodNotebookError):
    """A service other than the embedded one was named, but there is no token for it."""


class Connection:
    """A service, the token for it and the clients that speak to it.

    Args:
        base_url: where the service answers.
        token: its bearer token; it is never shown.
        sources: for each setting (`base_url`, `token`) where its value came from.
        is_embedded: whether it is the embedded local service.
    """

    def __init__(
        self, base_url: str, token: str, sources: Mapping[str, str], *, is_embedded: bool = False
    ) -> None:
        self.base_url = base_url
        self.sources = dict(sources)
        self.is_embedded = is_embedded
        self._token = SecretStr(token)

    @cached_property
    def client(self) -> Client:
        """The sync client, for tables and for the user's own calls."""
        from aod_notebook.aod import Client

        return Client(base_url=self.base_url, token=self._token.get_secret_value())

    @cached_property
    def async_client(self) -> AsyncClient:
        """The async client; it is used on the background loop (`core.bridge`) only."""
        from aod_notebook.aod import AsyncClient

        return AsyncClient(base_url=self.base_url, token=self._token.get_secret_value())

    def close(self) -> None:
        """Close the clients that were made."""
        if "client" in self.__dict__:
            self.client.close()
            del self.client
        if "async_client" in self.__dict__:
            if bridge.is_running():
                bridge.call(self.async_client.aclose)
            del self.async_client

    def __repr__(self) -> str:
        kind = EMBEDDED if self.is_embedded else "service"
        return f"<Connection to the {kind} at {self.base_url}>"


_lock = threading.RLock()  # guards _current
_current: Connection | None = None


def connection() -> Connection:
    """Give the current connection; the first call makes it by the environment.

    Raises:
        ServiceNotStartedError: there is no token in the environment and the embedded service
            does not start.
    """
    with _lock:
        return _current or connect()


def current_if_any() -> Connection | None:
    """Give the current connection if one was made already; nothing is started for it."""
    return _current


def connect(
    url: str | None = None,
    *,
    local: bool = False,
    ask_token: Callable[[str], str] | None = None,
) -> Connection:
    """Connect this process to a service and make that the current connection.

    Args:
        url: the service's base URL; without it `AOD_API_URL`, then the SDK's default.
        local: take the embedded service whatever the environment says.
        ask_token: called with a prompt when a URL is named and `AOD_API_TOKEN` is not set.

    Raises:
        TokenMissingError: a URL is named, there is no token and no way to ask for one.
        ServiceNotStartedError: the embedded service does not start.
    """
    global _current  # noqa: PLW0603 - the current connection
    if local and url:
        raise AodNotebookError("A connection is either local or to a URL; name one of the two.")
    with _lock:
        remote = not local and (url is not None or _environment(TOKEN_VARIABLE) is not None)
        made = _remote(url, ask_token) if remote else _embedded()
        disconnect()
        _current = made
        offer()
        return made


def disconnect() -> None:
    """Close the current connection, if there is one; the next use makes a new one."""
    global _current
    with _lock:
        made, _current = _current, None
        current.set_provider(None)
    if made is not None:
        made.close()


def offer() -> None:
    """Let the tables and viewers use the current connection when they are given none."""
    current.set_provider(lambda: connection().client)


def default_notice() -> str | None:
    """Give the line that says that the embedded service is used and where; None if it is not."""
    if _environment(TOKEN_VARIABLE) is not None:
        return None
    ignored = f" ({URL_VARIABLE} is set, but without a token it is not used)"
    return (
        f"aod_notebook: {TOKEN_VARIABLE} is not set, so the {EMBEDDED} is used; "
        f"its data is in {without_home(embedded_data_dir())}"
        f"{ignored if _environment(URL_VARIABLE) else ''}"
    )


def embedded_data_dir() -> Path:
    """The folder in which the embedded service keeps its data and its tokens."""
    return home() / "service"


def _remote(url: str | None, ask_token: Callable[[str], str] | None) -> Connection:
    from aod_notebook.core.settings import DEFAULT_AOD_URL

    base_url = url or _environment(URL_VARIABLE) or DEFAULT_AOD_URL
    origin = "argument" if url else URL_VARIABLE if _environment(URL_VARIABLE) else "default"
    token, token_origin = _environment(TOKEN_VARIABLE), TOKEN_VARIABLE
    if token is None and ask_token is not None:
        token, token_origin = ask_token(f"Token for {base_url}: ").strip() or None, "typed in"
    if token is None:
        raise TokenMissingError(
            f"No token for {base_url}: set {TOKEN_VARIABLE} in the environment of the kernel, "
            "or connect with local=True (%aod connect --local)."
        )
    return Connection(
        base_url.strip().rstrip("/"), token, {"base_url": origin, "token": token_origin}
    )


def _embedded() -> Connection:
    from aod_notebook.local import ServiceStartError, ensure_service

    data_dir = embedded_data_dir()
    try:
        service = ensure_service(data_dir)
    except (OSError, ServiceStartError) as error:
        reason = f": {error.strerror}" if isinstance(error, OSError) else ""
        failure = ServiceNotStartedError(
            f"The {EMBEDDED} did not start{reason}. Its log is "
            f"{without_home(data_dir / 'service.log')}; `aod-notebook serve` shows why."
        )
    else:
        sources = {"base_url": EMBEDDED, "token": EMBEDDED}
        return Connection(service.url, service.aod_token, sources, is_embedded=True)
    raise failure


def _environment(name: str) -> str | None:
    return os.environ.get(name, "").strip() or None


def without_home(path: Path) -> str:
    """Write a path without the user's name, so that a saved notebook does not tell it."""
    configured = _environment("AOD_NOTEBOOK_HOME")
    for folder, name in ((configured, "$AOD_NOTEBOOK_HOME"), (str(Path.home()), "~")):
        if folder and path.is_relative_to(folder):
            return str(Path(name) / path.relative_to(folder))
    return str(path)
