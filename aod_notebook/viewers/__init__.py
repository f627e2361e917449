"""Views of sessions and runs in a notebook: transcripts, traces, boards, and their static forms."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from aod_notebook.core import current

_MAKERS = {
    "board": "aod_notebook.viewers.board",
    "trace": "aod_notebook.viewers.opened",
    "viewer": "aod_notebook.viewers.opened",
}


def _maker(name: str) -> Callable[..., Any]:
    """Return what makes a view; widgets are loaded when the first one is made."""
    made: Callable[..., Any] = getattr(import_module(_MAKERS[name]), name)
    return made


current.set_views(_maker)
