"""Refuse to load the extension into a kernel under which libraries were replaced."""

from __future__ import annotations

import contextlib
import importlib.metadata
import sys

from aod_notebook.core.errors import AodNotebookError

_REPLACED = ("numpy", "pandas", "pyarrow", "pydantic")
"""What an installation may replace while a kernel uses it: Colab loads pandas 2, this package needs 3."""


class RestartNeededError(AodNotebookError):
    """A library was replaced on disk while this kernel was using it.

    Fix: Restart the kernel.
    """


def check_loaded() -> None:
    """Raise if a library was replaced under this kernel (releases that differ by a fix may mix).

    Raises:
        RestartNeededError: one was.
    """
    for name in _REPLACED:
        loaded = getattr(sys.modules.get(name), "__version__", None)
        if loaded is None:
            continue
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            installed = importlib.metadata.version(name)
            if loaded.split(".")[:2] != installed.split(".")[:2]:
                raise RestartNeededError(
                    f"This kernel uses {name} {loaded}, but {name} {installed} is installed now. "
                    "Restart the kernel (in Colab: Runtime, Restart session), then load the "
                    "extension again."
                )
