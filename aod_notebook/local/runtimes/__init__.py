"""What runs an agent's turn on this machine: the agent CLIs, a shell, a replayed transcript."""

from __future__ import annotations

from aod_notebook.local.runtimes.base import Runtime, RuntimeMissingError, Setup, Turn
from aod_notebook.local.runtimes.replay import Replay
from aod_notebook.local.runtimes.shell import Shell

__all__ = ["Replay", "Runtime", "RuntimeMissingError", "Setup", "Shell", "Turn", "runtime_for"]


def runtime_for(name: str) -> Runtime:
    """Return the runtime of that name.

    Raises:
        RuntimeMissingError: there is none.
    """
    if name == "shell":
        return Shell()
    if name == "replay":
        return Replay()
    raise RuntimeMissingError(f"there is no runtime {name}")
