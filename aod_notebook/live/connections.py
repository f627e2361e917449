"""Which services this kernel talks to: the configured ones, or the embedded one if none is."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import threading
from abc import ABC, abstractmethod
from concurrent.futures import CancelledError
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar, cast

from pydantic import SecretStr

from aod_notebook.core import bridge, current
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.settings import base_url, home
from aod_notebook.core.unpicklable import Unpicklable
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

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from concurrent.futures import Future

    from aod_notebook.agentos import AgentOS
    from aod_notebook.aod import AsyncClient, Client
    from aod_notebook.local import ServiceInfo

__all__ = [
    "EMBEDDED",
    "WRITABLE_HOME",
    "Connection",
    "Service",
    "ServiceNotStartedError",
    "connect",
    "connection",
    "current_if_any",
    "default_notice",
    "disconnect",
    "embedded_data_dir",
    "offer",
    "start_embedded",
    "without_home",
]


class Closable(Protocol):
    """What the clients of both SDKs have in common here."""

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, for good."""


C = TypeVar("C", bound=Closable)
A = TypeVar("A", bound=Closable)
T = TypeVar("T")

EMBEDDED = "embedded local service"
WRITABLE_HOME = (
    "Make that folder yours and writable, or set AOD_NOTEBOOK_HOME to one that is before the kernel "
    "starts."
)
"""What to do where the state folder can't be written."""

log = logging.getLogger("aod_notebook.live")


class ServiceNotStartedError(AodNotebookError):
    """The embedded service could not be found or started."""


class Service(Unpicklable, ABC, Generic[C, A]):
    """A service, the secret for it and the clients that speak to it.

    A client that somebody closed (`with connect().client as client`) is replaced when it is next
    asked for.

    Args:
        base_url: where the service answers.
        secret: its token or key; it is never shown.
        sources: for each setting where its value came from.
    """

    is_embedded = False
    noun = "service"

    def _instead_of_a_copy(self) -> str:
        return "Call aod_notebook.connect() where it is needed."

    def __init__(self, base_url: str, secret: str, sources: Mapping[str, str]) -> None:
        self.base_url = base_url
        self.sources = dict(sources)
        self._secret = SecretStr(secret)
        self._client: C | None = None
        self._making = threading.Lock()  # one client, however many threads ask for the first
        self._by_loop: dict[asyncio.AbstractEventLoop, A] = {}
        self._retired: list[C] = []
        self._retired_async: list[A] = []
        self._tasks: set[asyncio.Task[Any]] = set()  # of `in_background`; used on its loop only

    @abstractmethod
    def _make_client(self) -> C: ...

    @abstractmethod
    def _make_async_client(self) -> A: ...

    @abstractmethod
    def _close_client(self, client: C) -> None: ...

    @abstractmethod
    async def _close_async_client(self, client: A) -> None: ...

    @property
    def key(self) -> str:
        """What the journal knows the service by, also after it was started again."""
        return self.base_url

    @property
    def client(self) -> C:
        """The sync client, for tables and for the user's own calls."""
        with self._making:
            if self._client is None or self._client.is_closed:
                _open.add(self)
                self._client = self._make_client()
            return self._client

    @property
    def async_client(self) -> A:
        """An async client for the caller's event loop: one per loop.

        A client belongs to the loop that uses it first; so where none runs, each call makes a new
        one, which is the caller's to close.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return self._make_async_client()
        for ended in [each for each in self._by_loop if each.is_closed()]:
            del self._by_loop[ended]
        client = self._by_loop.get(loop)
        if client is None or client.is_closed:
            _open.add(self)
            client = self._by_loop[loop] = self._make_async_client()
        return client

    @cached_property
    def background_client(self) -> A:
        """The async client of the background loop (`core.bridge`): it is used there only."""
        _open.add(self)
        return self._make_async_client()

    def in_background(self, work: Callable[[A], Awaitable[T]]) -> Future[T]:
        """Start `work(client)` on the background loop; it ends with the connection at the latest."""
        return bridge.submit(self._until_closed, work, self.background_client)

    async def _until_closed(self, work: Callable[[A], Awaitable[T]], client: A) -> T:
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._tasks.add(task)
        try:
            return await work(client)
        finally:
            self._tasks.discard(task)

    def is_same(self, other: Service[C, A]) -> bool:
        """Whether it is the same service and the same secret."""
        return (self.key, self._secret) == (other.key, other._secret)

    def ensure(self) -> Self:
        """Make sure that the service is there, as far as that is in our hands."""
        return self

    def revive(self) -> None:
        """Start the service again if it was killed, as far as that is in our hands."""

    def close(self) -> None:
        """Close every client that was made."""
        _open.discard(self)
        self._retire()
        clients, self._retired = self._retired, []
        async_clients, self._retired_async = self._retired_async, []
        for client in clients:
            self._close_client(client)
        for async_client in async_clients:
            if bridge.is_running():
                with contextlib.suppress(CancelledError):  # the loop is being stopped
                    bridge.call(self._end_work_and_close, async_client)

    async def _end_work_and_close(self, client: A) -> None:
        """Close a client that nothing uses any more: what connects meanwhile would stay open."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._close_async_client(client)

    def forget(self) -> None:
        """In a forked child: the parent's connections are not ours to use or to close."""
        self.__dict__.pop("background_client", None)
        self._client, self._by_loop, self._making = None, {}, threading.Lock()
        self._retired, self._retired_async, self._tasks = [], [], set()

    def _retire(self) -> None:
        """Make new clients from now on; what still reads from the old ones may go on."""
        with self._making:
            if self._client is not None:
                self._retired.append(self._client)
                self._client = None
        if "background_client" in self.__dict__:
            self._retired_async.append(self.__dict__.pop("background_client"))
        by_loop, self._by_loop = self._by_loop, {}
        for loop, client in by_loop.items():
            if loop.is_running():  # that loop may be waiting for us, so we don't wait for it
                asyncio.run_coroutine_threadsafe(self._close_async_client(client), loop)

    def __repr__(self) -> str:
        kind = EMBEDDED if self.is_embedded else self.noun
        return f"<{type(self).__name__.removeprefix('Embedded')} to the {kind} at {self.base_url}>"


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


def was_killed(data_dir: Path) -> bool:
    """Check whether the embedded service ended without taking its leave."""
    from aod_notebook.local import was_killed as service_was_killed

    return service_was_killed(data_dir)


def start_embedded(data_dir: Path) -> ServiceInfo:
    """Give the embedded service of a data folder, started if it is not there.

    Raises:
        ServiceNotStartedError: it does not start.
    """
    from aod_notebook.local import ServiceStartError, ensure_service

    try:
        return ensure_service(data_dir)
    except (OSError, ServiceStartError) as error:
        if isinstance(error, (PermissionError, NotADirectoryError, FileExistsError)) or (
            isinstance(error, OSError) and error.errno == errno.EROFS
        ):
            raise ServiceNotStartedError(
                f"The {EMBEDDED} did not start: {without_home(data_dir)} can't be written "
                f"({error.strerror}). {WRITABLE_HOME}"
            ) from error
        reason = f": {error.strerror}" if isinstance(error, OSError) else ""
        raise ServiceNotStartedError(
            f"The {EMBEDDED} did not start{reason}. Its log is "
            f"{without_home(data_dir / 'service.log')}; `aod-notebook serve` shows why."
        ) from error


_lock = threading.RLock()  # guards _current
_current: Connection | None = None
_open: set[Service[Any, Any]] = set()
"""The connections that have clients to be closed."""


def connection() -> Connection:
    """Give the current connection; the first call makes it by the environment.

    Raises:
        ServiceNotStartedError: there is no token in the environment and the embedded service
            does not start.
    """
    with _lock:
        return connect() if _current is None else _current.ensure()


def current_if_any() -> Connection | None:
    """Give the current connection if one was made already; nothing is started for it."""
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
    for made in list(_open):
        made.close()


def offer() -> None:
    """Let the tables and viewers use the current connection when they are given none."""
    current.set_provider(lambda: connection().client, _agentos)


def _agentos() -> AgentOS:
    from aod_notebook.live.run_connection import agentos_connection

    return agentos_connection().client


def default_notice() -> str | None:
    """Give the line that says that the embedded service is used and where; None if it is not."""
    if variable(TOKEN_VARIABLE) is not None:
        return None
    ignored = f" ({URL_VARIABLE} is set, but without a token it is not used)"
    return (
        f"aod_notebook: {TOKEN_VARIABLE} is not set, so the {EMBEDDED} is used; "
        f"its data is in {without_home(embedded_data_dir())}"
        f"{ignored if variable(URL_VARIABLE) else ''}"
    )


def embedded_data_dir() -> Path:
    """The folder in which the embedded service keeps its data and its tokens."""
    return home() / "service"


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


def without_home(path: Path) -> str:
    """Write a path without the user's name, so that a saved notebook does not tell it."""
    configured = variable("AOD_NOTEBOOK_HOME")
    for folder, name in ((configured, "$AOD_NOTEBOOK_HOME"), (str(Path.home()), "~")):
        if folder and path.is_relative_to(folder):
            return str(Path(name) / path.relative_to(folder))
    return str(path)


def _forget_after_fork() -> None:
    global _lock  # noqa: PLW0603 - a thread of the parent may have held it
    _lock = threading.RLock()
    for made in list(_open):
        made.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
