"""The slots for "the current connection", filled by `live`, and for views, filled by `viewers`.

The rooms below these read them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from aod_notebook.core.errors import AodNotebookError

if TYPE_CHECKING:
    from collections.abc import Callable

_provider: Callable[[], Any] | None = None
_agentos_provider: Callable[[], Any] | None = None


_received: Callable[[str], dict[int, int]] | None = None
_views: Callable[[str], Callable[..., Any]] | None = None
_opener: Callable[[str, str], Any] | None = None
_starter: Callable[[str], Any] | None = None


class NoConnectionError(AodNotebookError):
    """A call needed the current connection and there is none.

    Fix: Connect with `aod_notebook.connect()` or `%aod connect`, or pass `client=`.
    """


def set_provider(
    provider: Callable[[], Any] | None, agentos: Callable[[], Any] | None = None
) -> None:
    """Set the functions that return the current clients of both services; None empties a slot.

    Args:
        provider: gives an `aod_notebook.aod.Client`.
        agentos: gives an `aod_notebook.agentos.AgentOS`.
    """
    global _provider, _agentos_provider
    _provider, _agentos_provider = provider, agentos


def client() -> Any:
    """Return the current connection's `aod_notebook.aod.Client`.

    Raises:
        NoConnectionError: nothing is connected in this process.
    """
    return _given(_provider)


def agentos() -> Any:
    """Return the current connection's `aod_notebook.agentos.AgentOS`.

    Raises:
        NoConnectionError: nothing is connected in this process.
    """
    return _given(_agentos_provider)


def set_received(received: Callable[[str], dict[int, int]] | None) -> None:
    """Set the function that returns when a followed session's events arrived."""
    global _received  # noqa: PLW0603 - a slot, as above
    _received = received


def received_times(session_id: str) -> dict[int, int]:
    """Return when a session's events arrived, in microseconds since 1970, by id.

    Empty for a session that this process does not follow.
    """
    return {} if _received is None else _received(session_id)


def set_views(views: Callable[[str], Callable[..., Any]] | None) -> None:
    """Set the function that returns the factory of a view by its name."""
    global _views  # noqa: PLW0603 - a slot, as above
    _views = views


def view(name: str) -> Callable[..., Any]:
    """Return the factory of a view: `board`, `trace` or `viewer`.

    Raises:
        AodNotebookError: no views are loaded in this process.
    """
    if _views is None:
        raise AodNotebookError(
            "No views are loaded: write `from aod_notebook import frames`, or load the extension "
            "(%load_ext aod_notebook)."
        )
    return _views(name)


def set_opener(opener: Callable[[str, str], Any] | None) -> None:
    """Set the function that opens a session or a run by its kind and its id."""
    global _opener  # noqa: PLW0603 - a slot, as above
    _opener = opener


def opened(kind: str, name: str) -> Any:
    """Return a `session` or a `run` of the current connection, with the events that it has now.

    Raises:
        NoConnectionError: nothing is connected in this process.
    """
    return _given(None if _opener is None else partial(_opener, kind, name))


def set_starter(starter: Callable[[str], Any] | None) -> None:
    """Set the function that starts the session of an id again."""
    global _starter  # noqa: PLW0603 - a slot, as above
    _starter = starter


def started_again(session_id: str) -> Any:
    """Return a new session of the current connection, with the prompt and agent of this one.

    Raises:
        NoConnectionError: nothing is connected in this process.
    """
    return _given(None if _starter is None else partial(_starter, session_id))


def _given(provider: Callable[[], Any] | None) -> Any:
    if provider is None:
        raise NoConnectionError(
            "No current connection: pass client=…, load the extension (%load_ext aod_notebook) "
            "or call aod_notebook.connect()."
        )
    return provider()
