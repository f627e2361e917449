"""Run AI agents from Jupyter cells, watch them live, and study what they did as DataFrames.

In a notebook: `%load_ext aod_notebook`, then `%%aod`. In a script: `aod_notebook.connect()`,
`aod_notebook.live`, and the SDKs under `aod_notebook.aod`. Everything is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aod_notebook._version import __version__

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from aod_notebook.core.errors import AodNotebookError
    from aod_notebook.core.nested import enable_nested_loops
    from aod_notebook.live.connections import connect

__all__ = [
    "AodNotebookError",
    "__version__",
    "connect",
    "enable_nested_loops",
    "load_ipython_extension",
    "unload_ipython_extension",
]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register the magics: what `%load_ext aod_notebook` calls."""
    from aod_notebook import magics

    magics.load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take the magics away again: what `%unload_ext aod_notebook` calls."""
    from aod_notebook import magics

    magics.unload(shell)


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name == "frames":
        # whoever uses frames has `df.aod` and views too; frames themselves know nothing of them
        import_module(f"{__name__}.plots")
        import_module(f"{__name__}.viewers")
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_ROOMS})


_HOMES = {
    "AodNotebookError": "aod_notebook.core.errors",
    "connect": "aod_notebook.live.connections",
    "enable_nested_loops": "aod_notebook.core.nested",
}
_ROOMS = ("agentos", "aod", "frames", "live", "local", "plots", "transcripts")
