"""The AgentOS service that this kernel talks to: the configured one, or the embedded one."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.settings import base_url
from aod_notebook.live.credentials import (
    AGENTOS,
    check_given,
    find_token,
    is_named,
    named,
    remember,
    variable,
    warn_if_in_clear,
)
from aod_notebook.live.service import (
    EMBEDDED,
    Service,
    embedded_data_dir,
    start_embedded,
    was_killed,
    without_home,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from aod_notebook.agentos import AgentOS, AsyncAgentOS

__all__ = [
    "AgentOSConnection",
    "agentos_connection",
    "agentos_if_any",
    "connect_agentos",
    "follow_choice",
    "forget_choice",
    "reach",
]

CLOSE_S = 2.0
"""How long what was recorded may hold up a disconnecting; the rest waits in the spool."""


class AgentOSConnection(Service["AgentOS", "AsyncAgentOS"]):
    """The connection to an AgentOS service.

    Args:
        base_url: where the service answers.
        key: its key; it is never shown.
        sources: for each setting (`base_url`, `key`) where its value came from.
        agent_id: the agent of runs and invokes that name none.
        workspace: slug or id for calls of the control plane.
    """

    noun = "AgentOS service"

    def __init__(
        self,
        base_url: str,
        key: str,
        sources: dict[str, str],
        *,
        agent_id: str | None = None,
        workspace: str | None = None,
    ) -> None:
        super().__init__(base_url, key, sources)
        self.agent_id = agent_id
        self.workspace = workspace

    @property
    def key(self) -> str:
        """What the journal knows the service by; the AoD half of the same service is another."""
        return f"agentos:{super().key}"

    def _make_client(self) -> AgentOS:
        from aod_notebook.agentos import AgentOS

        return AgentOS(
            base_url=self.base_url,
            api_key=self._secret,
            agent_id=self.agent_id,
            workspace=self.workspace,
        )

    def _make_async_client(self) -> AsyncAgentOS:
        from aod_notebook.agentos import AsyncAgentOS

        return AsyncAgentOS(
            base_url=self.base_url,
            api_key=self._secret,
            agent_id=self.agent_id,
            workspace=self.workspace,
        )

    def _close_client(self, client: AgentOS) -> None:
        client.close(CLOSE_S)

    async def _close_async_client(self, client: AsyncAgentOS) -> None:
        await client.aclose(CLOSE_S)


class EmbeddedAgentOSConnection(AgentOSConnection):
    """The connection to the AgentOS half of the embedded service.

    Raises:
        ServiceNotStartedError: it does not start.
    """

    is_embedded = True

    def __init__(self) -> None:
        self._data_dir = embedded_data_dir()
        service = start_embedded(self._data_dir)
        sources = {"base_url": EMBEDDED, "key": EMBEDDED}
        super().__init__(service.url, service.agentos_key, sources, agent_id=service.agent_id)

    @property
    def key(self) -> str:
        """Its data folder: its port is another one after each start."""
        return f"agentos:embedded:{self._data_dir}"

    def ensure(self) -> Self:
        """Start the service again if it has left."""
        service = start_embedded(self._data_dir)
        if service.url != self.base_url:
            self._retire()
            self.base_url = service.url
        return self

    def revive(self) -> None:
        """Start the service again if it was killed; one that was stopped stays so."""
        if was_killed(self._data_dir):
            self.ensure()

    def _make_client(self) -> AgentOS:
        from aod_notebook.live.run_outbox import readdress

        # What was left for the service's former port is for this one.
        readdress(self._secret.get_secret_value(), self.base_url)
        return super()._make_client()


@dataclass(frozen=True, kw_only=True)
class _Choice:
    """Which service is wanted, as far as somebody said so."""

    url: str | None = None
    name: str | None = None
    local: bool = False
    agent_id: str | None = None
    workspace: str | None = None


_lock = threading.RLock()  # guards the two below
_current: AgentOSConnection | None = None
_chosen = _Choice()


def agentos_connection(ask_key: Callable[[str], str] | None = None) -> AgentOSConnection:
    """Return the current AgentOS connection; the first call makes it by choice or environment.

    Args:
        ask_key: called with a question when no key is found.

    Raises:
        ServiceNotStartedError: there is no key in the environment and the embedded service
            does not start.
        TokenMissingError: a service was chosen by name, and there is no key for it.
    """
    with _lock:
        return _make(ask_key) if _current is None else _current.ensure()


def agentos_if_any() -> AgentOSConnection | None:
    """Return the current AgentOS connection if one was made already; nothing is started for it."""
    return _current


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
        local: take the embedded service whatever the environment says.
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
    global _chosen  # noqa: PLW0603 - what is wanted
    check_given(URL=url, name=name, agent=agent_id, workspace=workspace)
    if local and (url or name):
        raise AodNotebookError(
            "A connection is either local or to a URL, which a name stands for; name one of the two."
        )
    with _lock:
        before = _chosen
        _chosen = _Choice(
            url=url, name=name, local=local, agent_id=agent_id, workspace=workspace
        )  # fmt: skip
        try:
            return _make(ask_key)
        except AodNotebookError:
            _chosen = before
            raise


def reach(on: AgentOSConnection) -> str:
    """Ask the service, and say in a line what it lets this key do.

    Raises:
        AgentOSError: it can't be reached, or refuses the key.
    """
    from aod_notebook.agentos import AgentOSForbiddenError

    if on.client.disabled:
        return "not asked: AGENTOS_DISABLED is set, and nothing is reported"
    try:
        on.client.runs.list(limit=1)
    except AgentOSForbiddenError:
        return "it answers; the key is an agent's, which reports and invokes, but may not read"
    return "it answers; the key may report, invoke and read"


def follow_choice(*, local: bool, name: str | None) -> None:
    """Let the next use be of the service that was chosen for both halves, if it has this one."""
    global _current, _chosen
    if not local and not (name and is_named(name, AGENTOS)):
        return
    with _lock:
        _chosen, _current = _Choice(name=name, local=local), None


def forget_choice() -> None:
    """Let the next use be of what the environment says."""
    global _current, _chosen
    with _lock:
        _chosen, _current = _Choice(), None


def default_agentos_notice(made: AgentOSConnection) -> str | None:
    """Return the line that says that the embedded service is used because no key is set."""
    if not made.is_embedded or _chosen.local:
        return None
    ignored = f" ({AGENTOS.url_variable} is set, but without a key it is not used)"
    return (
        f"{AGENTOS.variable} is not set, so runs go to the {EMBEDDED}; "
        f"its data is in {without_home(embedded_data_dir())}"
        f"{ignored if variable(AGENTOS.url_variable) else ''}"
    )


def _make(ask_key: Callable[[str], str] | None) -> AgentOSConnection:
    global _current  # noqa: PLW0603 - the current connection
    chosen = _chosen
    is_remote = chosen.url or chosen.name or variable(AGENTOS.variable)
    made = _remote(chosen, ask_key) if is_remote and not chosen.local else _embedded(chosen)
    if _current is not None and _current.is_same(made) and _same_agent(_current, made):
        _current.sources = made.sources
    else:
        _current = made
    return _current


def _same_agent(one: AgentOSConnection, other: AgentOSConnection) -> bool:
    return (one.agent_id, one.workspace) == (other.agent_id, other.workspace)


def _embedded(chosen: _Choice) -> AgentOSConnection:
    made = EmbeddedAgentOSConnection()
    made.agent_id = chosen.agent_id or made.agent_id
    return made


def _remote(chosen: _Choice, ask_key: Callable[[str], str] | None) -> AgentOSConnection:
    known: dict[str, str] = {}
    if chosen.url:
        url, origin = chosen.url, "argument"
    elif chosen.name:
        known = named(chosen.name, AGENTOS)
        url, origin = known["url"], f"remembered as {chosen.name}"
    elif configured := variable(AGENTOS.url_variable):
        url, origin = configured, AGENTOS.url_variable
    else:
        url, origin = AGENTOS.default_url, "default"
    try:
        url = base_url(url)
    except ValueError as error:
        raise AodNotebookError(f"Not connected: {error}.") from error
    key, key_origin = find_token(url, ask_key, AGENTOS)
    warn_if_in_clear(url, AGENTOS)
    agent_id = chosen.agent_id or known.get("agent") or variable("AGENTOS_AGENT_ID")
    workspace = chosen.workspace or known.get("workspace") or variable("AGENTOS_WORKSPACE")
    if chosen.url and chosen.name:
        remember(chosen.name, AGENTOS, url=url, agent=chosen.agent_id, workspace=chosen.workspace)
    sources = {"base_url": origin, "key": key_origin}
    return AgentOSConnection(url, key, sources, agent_id=agent_id, workspace=workspace)


def _forget_after_fork() -> None:
    global _lock  # noqa: PLW0603 - a thread of the parent may have held it
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
