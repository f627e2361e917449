"""The slot for "the current connection": filled by `live`, read by the rooms below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aod_notebook.core.errors import AodNotebookError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NoConnectionError", "client", "set_provider"]

_provider: Callable[[], Any] | None = None


class NoConnectionError(AodNotebookError):
    """A call needed the current connection and there is none."""


def set_provider(provider: Callable[[], Any] | None) -> None:
    """Set the function that gives the current `aod_notebook.aod.Client`; None empties the slot."""
    global _provider  # noqa: PLW0603 - the slot
    _provider = provider


def client() -> Any:
    """Give the current connection's `aod_notebook.aod.Client`.

    Raises:
        NoConnectionError: nothing is connected in this process.
    """
    if _provider is None:
        raise NoConnectionError(
            "No current connection: pass client=…, load the extension (%load_ext aod_notebook) "
            "or call aod_notebook.connect()."
        )
    return _provider()
