"""Which services this kernel talks to: the configured ones, or the embedded one if none is."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Self

from aod_notebook.core import current
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.settings import base_url
from aod_notebook.live.credentials import (
    AOD,
    TOKEN_VARIABLE,
    URL_VARIABLE,
    check_given,
    find_token,
    named,
    remember,
    variable,
    warn_if_in_clear,
)
from aod_notebook.live.follow import close_all
from aod_notebook.live.service import (
    EMBEDDED,
    Service,
    embedded_data_dir,
    opened,
    start_embedded,
    was_killed,
    without_home,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aod_notebook.agentos import AgentOS
    from aod_notebook.aod import AsyncClient, Client

__all__ = [
    "Connection",
    "connect",
    "connection",
    "current_if_any",
    "default_notice",
    "disconnect",
    "offer",
]


log = logging.getLogger("aod_notebook.live")


class Connection(Service["Client", "AsyncClient"]):
    """The connection to an Agent on Demand service; `agentos` is that to AgentOS beside it.

    Args:
        base_url: where the service answers.
        token: its bearer token; it is never shown.
        sources: for each setting (`base_url`, `token`) where its value came from.
    """

    def __init__(self, base_url: str, token: str, sources: Mapping[str, str]) -> None:
        super().__init__(base_url, token, sources)

    @property
    def agentos(self) -> AgentOS:
        """The sync AgentOS client of this process.

        Raises:
            ServiceNotStartedError: there is no key in the environment and the embedded service
                does not start.
        """
        return _agentos()

    def _make_client(self) -> Client:
        from aod_notebook.aod import Client

        return Client(base_url=self.base_url, token=self._secret)

    def _make_async_client(self) -> AsyncClient:
        from aod_notebook.aod import AsyncClient

        return AsyncClient(base_url=self.base_url, token=self._secret)

    def _close_client(self, client: Client) -> None:
        client.close()

    async def _close_async_client(self, client: AsyncClient) -> None:
        await client.aclose()


class EmbeddedConnection(Connection):
    """The connection to the embedded service, which leaves when it is idle and comes back.

    Raises:
        ServiceNotStartedError: it does not start.
    """

    is_embedded = True

    def __init__(self) -> None:
        self._data_dir = embedded_data_dir()
        service = start_embedded(self._data_dir)
        sources = {"base_url": EMBEDDED, "token": EMBEDDED}
        super().__init__(service.url, service.aod_token, sources)

    @property
    def key(self) -> str:
        """Its data folder: its port is another one after each start."""
        return f"embedded:{self._data_dir}"

    def ensure(self) -> Self:
        """Start the service again if it has left."""
        service = start_embedded(self._data_dir)
        if service.url != self.base_url:
            self._retire()
            self.base_url = service.url
        return self

    def _make_client(self) -> Client:
        from aod_notebook.live.embedded import EmbeddedClient

        return EmbeddedClient(base_url=self.base_url, token=self._secret)

    def _make_async_client(self) -> AsyncClient:
        from aod_notebook.live.embedded import EmbeddedAsyncClient

        return EmbeddedAsyncClient(base_url=self.base_url, token=self._secret)

    def revive(self) -> None:
        """Start the service again if it was killed; one that was stopped stays so."""
        if was_killed(self._data_dir):
            self.ensure()


_lock = threading.RLock()  # guards _current
_current: Connection | None = None


def connection() -> Connection:
    """Return the current connection; the first call makes it by the environment.

    Raises:
        ServiceNotStartedError: there is no token in the environment and the embedded service
            does not start.
    """
    with _lock:
        return connect() if _current is None else _current.ensure()


def current_if_any() -> Connection | None:
    """Return the current connection if one was made already; nothing is started for it."""
    return _current


def connect(
    url: str | None = None,
    *,
    local: bool = False,
    name: str | None = None,
    ask_token: Callable[[str], str] | None = None,
) -> Connection:
    """Connect this process to a service and make that the current connection.

    `local` and a name that has an AgentOS service too hold for both services. An AgentOS service
    alone is chosen by `aod_notebook.live.connect_agentos`.

    Args:
        url: the service's base URL; without it that of `name`, then `AOD_API_URL`, then the
            SDK's default.
        local: take the embedded service whatever the environment says.
        name: with `url`, remember the URL by this name; without, take the URL of that name.
        ask_token: called with a question when no token is found for the URL.

    Raises:
        UnknownConnectionError: no URL was remembered by that name.
        TokenMissingError: there is no token for the URL and no way to ask for one.
        ServiceNotStartedError: the embedded service does not start.

    Example:
        >>> import aod_notebook
        >>> aod_notebook.connect(local=True).client.health()["status"]
        'ok'
    """
    global _current  # noqa: PLW0603 - the current connection
    check_given(URL=url, name=name)
    if local and (url or name):
        raise AodNotebookError(
            "A connection is either local or to a URL, which a name stands for; name one of the two."
        )
    from aod_notebook.live import run_connection

    with _lock:
        if local or (name and not url):
            run_connection.follow_choice(local=local, name=name)
        remote = url or name or variable(TOKEN_VARIABLE)
        made = _remote(url, name, ask_token) if remote and not local else EmbeddedConnection()
        if _current is not None and _current.is_same(made):
            _current.sources = made.sources
        else:
            _current = made
            log.info("Connected: %s, token from: %s", made.base_url, made.sources["token"])
        offer()
        return _current


def disconnect() -> None:
    """Stop following and close all connections of this process; the next use makes a new one."""
    from aod_notebook.live import run_connection

    global _current  # noqa: PLW0603 - the current connection
    with _lock:
        _current = None
        current.set_provider(None)
    run_connection.forget_choice()
    close_all()
    for made in list(opened):
        made.close()


def offer() -> None:
    """Let the tables and viewers use the current connection when they are given none."""
    current.set_provider(lambda: connection().client, _agentos)


def _agentos() -> AgentOS:
    from aod_notebook.live.run_connection import agentos_connection

    return agentos_connection().client


def default_notice() -> str | None:
    """Return the line that says that the embedded service is used and where; None if it is not."""
    if variable(TOKEN_VARIABLE) is not None:
        return None
    ignored = f" ({URL_VARIABLE} is set, but without a token it is not used)"
    return (
        f"aod_notebook: {TOKEN_VARIABLE} is not set, so the {EMBEDDED} is used; "
        f"its data is in {without_home(embedded_data_dir())}"
        f"{ignored if variable(URL_VARIABLE) else ''}"
    )


def _remote(
    url: str | None, name: str | None, ask_token: Callable[[str], str] | None
) -> Connection:
    if url:
        origin = "argument"
    elif name:
        url, origin = named(name)["url"], f"remembered as {name}"
    elif configured := variable(URL_VARIABLE):
        url, origin = configured, URL_VARIABLE
    else:
        url, origin = AOD.default_url, "default"
    try:
        url = base_url(url)
    except ValueError as error:
        raise AodNotebookError(f"Not connected: {error}.") from error
    token, token_origin = find_token(url, ask_token)
    warn_if_in_clear(url, AOD)
    if name:
        remember(name, AOD, url=url)
    return Connection(url, token, {"base_url": origin, "token": token_origin})


def _forget_after_fork() -> None:
    global _lock  # noqa: PLW0603 - a thread of the parent may have held it
    _lock = threading.RLock()
    for made in list(opened):
        made.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
