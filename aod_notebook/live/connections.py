"""The services that this kernel talks to: a `Connection` to each API, configured or embedded."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from concurrent.futures import CancelledError
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeAlias, TypeVar, cast

from pydantic import SecretStr

from aod_notebook.core import bridge, current
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.unpicklable import Unpicklable
from aod_notebook.core.wire import load_direct
from aod_notebook.live.credentials import (
    AGENTOS,
    AOD,
    Choice,
    check_given,
    is_named,
    settings_of,
    variable,
)
from aod_notebook.live.embedded import (
    EMBEDDED,
    EmbeddedAsyncClient,
    EmbeddedClient,
    embedded_data_dir,
    start_embedded,
    was_killed,
    without_home,
)
from aod_notebook.live.registry import registry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from aod_notebook.agentos import AgentOS, AsyncAgentOS
    from aod_notebook.aod import AsyncClient, Client
    from aod_notebook.live.credentials import Half

CLOSE_S = 2.0
"""How long unsent records may hold up `disconnect`; the rest waits in the spool."""

log = logging.getLogger("aod_notebook.live")


class Closable(Protocol):
    """The part that the clients of both SDKs share."""

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, for good."""


C = TypeVar("C", bound=Closable)
A = TypeVar("A", bound=Closable)
T = TypeVar("T")


class Connection(Unpicklable, Generic[C, A]):
    """A connection to a service: its URL, its secret, and the clients that speak to it.

    A client that somebody closed (`with connect().client as client`) is replaced when it is next
    asked for.

    Args:
        half: the API that it speaks (`AOD`, `AGENTOS`).
        base_url: where the service answers.
        secret: its token or key; it is never shown.
        sources: for each setting (`base_url`, `token` or `key`) where its value came from.
        agent_id: AgentOS: the agent of runs and invokes that name none.
        workspace: AgentOS: slug or id for calls of the control plane.
        data_dir: the data folder of the embedded service; None for any other service.
    """

    def __init__(
        self,
        half: Half,
        base_url: str,
        secret: str,
        sources: Mapping[str, str],
        *,
        agent_id: str | None = None,
        workspace: str | None = None,
        data_dir: Path | None = None,
    ) -> None:
        load_direct()  # clients are made on the background loop too
        self.half = half
        self.base_url = base_url
        self.sources = dict(sources)
        self.agent_id = agent_id
        self.workspace = workspace
        self._secret = SecretStr(secret)
        self._data_dir = data_dir
        self._client: C | None = None
        self._making = threading.Lock()  # one client, however many threads ask for the first
        self._by_loop: dict[asyncio.AbstractEventLoop, A] = {}
        self._retired: list[C] = []
        self._retired_async: list[A] = []
        self._tasks: set[asyncio.Task[Any]] = set()  # of `in_background`; used on its loop only

    def __repr__(self) -> str:
        kind = EMBEDDED if self.is_embedded else self.half.service
        return f"<Connection to the {kind} at {self.base_url}>"

    def _instead_of_a_copy(self) -> str:
        return "Call aod_notebook.connect() where it is needed."

    @property
    def is_embedded(self) -> bool:
        """Whether it is the embedded service, which stops when it is idle and is started again."""
        return self._data_dir is not None

    @property
    def key(self) -> str:
        """The key of the service in the journal.

        The embedded service has its data folder, since its port changes with each start; the two
        APIs of one service differ.
        """
        where = f"embedded:{self._data_dir}" if self.is_embedded else self.base_url
        return where if self.half is AOD else f"{self.half.name}:{where}"

    def is_same(self, other: Connection[Any, Any]) -> bool:
        """Whether it is the same service with the same secret, agent and workspace."""
        one, two = (
            (each.key, each._secret, each.agent_id, each.workspace)  # noqa: SLF001 - of its class
            for each in (self, other)
        )
        return one == two

    # -- the service --------------------------------------------------------------------------

    def ensure(self) -> Self:
        """Start the embedded service if it has stopped; do nothing for another one.

        Raises:
            ServiceNotStartedError: it does not start.
        """
        if self._data_dir is not None:
            url = start_embedded(self._data_dir).url
            if url != self.base_url:
                self._retire()
                self.base_url = url
        return self

    def revive(self) -> None:
        """Start the embedded service again if it was killed; a stopped one stays stopped."""
        if self._data_dir is not None and was_killed(self._data_dir):
            self.ensure()

    # -- clients ------------------------------------------------------------------------------

    @property
    def client(self) -> C:
        """The sync client, for tables and for your own calls."""
        with self._making:
            if self._client is None or self._client.is_closed:
                registry.open.add(self)
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
            registry.open.add(self)
            client = self._by_loop[loop] = self._make_async_client()
        return client

    @cached_property
    def background_client(self) -> A:
        """The async client of the background loop (`core.bridge`); it is used only there."""
        registry.open.add(self)
        return self._make_async_client()

    @property
    def agentos(self) -> AgentOS:
        """The sync AgentOS client of this process.

        Raises:
            ServiceNotStartedError: there is no key in the environment and the embedded service
                does not start.
        """
        return agentos_connection().client

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

    def _make_client(self) -> C:
        made: Any
        if self.half is AGENTOS:
            from aod_notebook.agentos import AgentOS

            if self.is_embedded:
                from aod_notebook.live.outbox import readdress

                # What was left for the service's former port is for this one.
                readdress(self._secret.get_secret_value(), self.base_url)
            made = AgentOS(**self._agentos_settings())
        else:
            from aod_notebook.aod import Client

            kind = EmbeddedClient if self.is_embedded else Client
            made = kind(base_url=self.base_url, token=self._secret)
        return cast("C", made)

    def _make_async_client(self) -> A:
        made: Any
        if self.half is AGENTOS:
            from aod_notebook.agentos import AsyncAgentOS

            made = AsyncAgentOS(**self._agentos_settings())
        else:
            from aod_notebook.aod import AsyncClient

            kind = EmbeddedAsyncClient if self.is_embedded else AsyncClient
            made = kind(base_url=self.base_url, token=self._secret)
        return cast("A", made)

    def _agentos_settings(self) -> dict[str, Any]:
        return {
            "base_url": self.base_url,
            "api_key": self._secret,
            "agent_id": self.agent_id,
            "workspace": self.workspace,
        }

    # -- the end ------------------------------------------------------------------------------

    def close(self) -> None:
        """Close every client that was made."""
        registry.open.discard(self)
        self._retire()
        clients, self._retired = self._retired, []
        async_clients, self._retired_async = self._retired_async, []
        for client in clients:
            cast("Any", client).close(*self._patience)
        for async_client in async_clients:
            if bridge.is_running():
                with contextlib.suppress(CancelledError):  # the loop is being stopped
                    bridge.call(self._end_work_and_close, async_client)

    async def _end_work_and_close(self, client: A) -> None:
        """Close a client that is no longer used, after ending its work: a late connection would stay open."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._close_async_client(client)

    async def _close_async_client(self, client: A) -> None:
        await cast("Any", client).aclose(*self._patience)

    @property
    def _patience(self) -> tuple[float, ...]:
        """How long closing a client may take: an AgentOS client sends what it has first."""
        return (CLOSE_S,) if self.half is AGENTOS else ()

    def forget(self) -> None:
        """In a forked child: the parent's connections are not ours to use or to close."""
        self.__dict__.pop("background_client", None)
        self._client, self._by_loop, self._making = None, {}, threading.Lock()
        self._retired, self._retired_async, self._tasks = [], [], set()

    def _retire(self) -> None:
        """Make new clients from now on; readers of the old ones may continue."""
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


AodConnection: TypeAlias = "Connection[Client, AsyncClient]"
AgentOSConnection: TypeAlias = "Connection[AgentOS, AsyncAgentOS]"


# -- the current connections ----------------------------------------------------------------------


def connection() -> AodConnection:
    """Return the current connection; the first call makes it from the environment.

    Raises:
        ServiceNotStartedError: there is no token in the environment and the embedded service
            does not start.
    """
    return _current(AOD, None)


def agentos_connection(ask_key: Callable[[str], str] | None = None) -> AgentOSConnection:
    """Return the current AgentOS connection; the first call makes it from the choice or the environment.

    Args:
        ask_key: called with a question when no key is found.

    Raises:
        ServiceNotStartedError: there is no key in the environment and the embedded service
            does not start.
        TokenMissingError: a service was chosen by name, and there is no key for it.
    """
    return _current(AGENTOS, ask_key)


def current_if_any(half: Half = AOD) -> Connection[Any, Any] | None:
    """Return the current connection if one was made already; start nothing."""
    return registry.current.get(half.name)


def connect(
    url: str | None = None,
    *,
    local: bool = False,
    name: str | None = None,
    ask_token: Callable[[str], str] | None = None,
) -> AodConnection:
    """Connect this process to a service and make that the current connection.

    `local`, and a name that has an AgentOS service too, hold for both APIs. An AgentOS service
    alone is chosen by `aod_notebook.live.connect_agentos`.

    Args:
        url: the service's base URL; without it that of `name`, then `AOD_API_URL`, then the
            SDK's default.
        local: take the embedded service whatever the environment has.
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
    check_given(URL=url, name=name)
    with registry.lock:
        made = _choose(AOD, Choice(url=url, name=name, local=local), ask_token)
        if local or (name and not url and is_named(name, AGENTOS)):
            registry.choices[AGENTOS.name] = Choice(name=name, local=local)
            registry.current.pop(AGENTOS.name, None)
        return made


def connect_agentos(
    url: str | None = None,
    *,
    local: bool = False,
    name: str | None = None,
    agent_id: str | None = None,
    workspace: str | None = None,
    ask_key: Callable[[str], str] | None = None,
) -> AgentOSConnection:
    """Connect this process to an AgentOS service and make that the current connection.

    Args:
        url: the service's base URL; without it that of `name`, then `AGENTOS_BASE_URL`, then the
            SDK's default.
        local: take the embedded service whatever the environment has.
        name: with `url`, remember the service by this name; without, take the one of that name.
        agent_id: the agent of runs and invokes; else what was remembered, else `AGENTOS_AGENT_ID`.
        workspace: slug or id of the workspace; else what was remembered, else `AGENTOS_WORKSPACE`.
        ask_key: called with a question when no key is found for the URL.

    Raises:
        UnknownConnectionError: no service was remembered by that name.
        TokenMissingError: there is no key for the URL and no way to ask for one.
        ServiceNotStartedError: the embedded service does not start.

    Example:
        >>> from aod_notebook.live import connect_agentos
        >>> connect_agentos(local=True).client.workspaces.list()[0]["slug"]
        'local'
    """
    check_given(URL=url, name=name, agent=agent_id, workspace=workspace)
    choice = Choice(url=url, name=name, local=local, agent_id=agent_id, workspace=workspace)
    return _choose(AGENTOS, choice, ask_key)


def disconnect() -> None:
    """Stop following and close all connections of this process; the next use makes a new one."""
    current.set_provider(None)
    registry.close()


def offer() -> None:
    """Let tables and viewers use the current connections by default."""
    current.set_provider(lambda: connection().client, lambda: agentos_connection().client)


def default_notice(half: Half = AOD) -> str | None:
    """Return a notice that the embedded service is used by default; None if it is not."""
    if variable(half.variable) is not None or _choice(half).local:
        return None
    made = current_if_any(half)
    if made is not None and not made.is_embedded:
        return None
    name = "aod_notebook: " if half is AOD else ""  # which is printed as the extension is loaded
    use = f"the {EMBEDDED} is used" if half is AOD else f"runs go to the {EMBEDDED}"
    ignored = f" ({half.url_variable} is set, but without a {half.noun} it is not used)"
    return (
        f"{name}{half.variable} is not set, so {use}; "
        f"its data is in {without_home(embedded_data_dir())}"
        f"{ignored if variable(half.url_variable) else ''}"
    )


def _choice(half: Half) -> Choice:
    choice: Choice = registry.choices.get(half.name, Choice())
    return choice


def _choose(half: Half, choice: Choice, ask: Callable[[str], str] | None) -> Connection[Any, Any]:
    if choice.local and (choice.url or choice.name):
        raise AodNotebookError(
            "A connection is either local or to a URL, which a name stands for; name one of the two."
        )
    with registry.lock:
        before = _choice(half)
        registry.choices[half.name] = choice
        try:
            return _connected(half, ask)
        except BaseException:  # an interrupted question for a token, too
            registry.choices[half.name] = before
            raise


def _current(half: Half, ask: Callable[[str], str] | None) -> Connection[Any, Any]:
    with registry.lock:
        made = current_if_any(half)
        return _connected(half, ask) if made is None else made.ensure()


def _connected(half: Half, ask: Callable[[str], str] | None) -> Connection[Any, Any]:
    """Make the chosen connection the current one, unless it already is."""
    choice, known = _choice(half), current_if_any(half)
    is_remote = choice.url or choice.name or variable(half.variable)
    made = (
        Connection(half, **settings_of(half, choice, ask))
        if is_remote and not choice.local
        else _embedded(half, choice)
    )
    if half is AOD:
        offer()
    if known is not None and known.is_same(made):
        known.sources = made.sources
        return known
    registry.current[half.name] = made
    log.info("Connected: %s, %s from: %s", made.base_url, half.noun, made.sources[half.noun])
    return made


def _embedded(half: Half, choice: Choice) -> Connection[Any, Any]:
    data_dir = embedded_data_dir()
    service = start_embedded(data_dir)
    sources = {"base_url": EMBEDDED, half.noun: EMBEDDED}
    token = service.aod_token if half is AOD else service.agentos_key
    agent_id = None if half is AOD else choice.agent_id or service.agent_id
    return Connection(half, service.url, token, sources, agent_id=agent_id, data_dir=data_dir)
