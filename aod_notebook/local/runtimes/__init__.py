"""The runtimes that run an agent's turn on this machine: the agent CLIs, a shell, a replayed transcript."""

from __future__ import annotations

from aod_notebook.local.runtimes.base import AgentTurn, Runtime, RuntimeUnavailableError, Setup
from aod_notebook.local.runtimes.cli import CLIS
from aod_notebook.local.runtimes.logins import recover as recover_logins
from aod_notebook.local.runtimes.replay import Replay
from aod_notebook.local.runtimes.settings import ConfigError
from aod_notebook.local.runtimes.shell import ShellRuntime

__all__ = [
    "AgentTurn",
    "ConfigError",
    "Runtime",
    "RuntimeUnavailableError",
    "Setup",
    "recover_logins",
    "runtime_for",
]

_RUNTIMES: dict[str, Runtime] = {**CLIS, "shell": ShellRuntime(), "replay": Replay()}


def runtime_for(name: str) -> Runtime:
    """Return the runtime of that name.

    Raises:
        RuntimeUnavailableError: there is none.
    """
    try:
        return _RUNTIMES[name]
    except KeyError:
        raise RuntimeUnavailableError(f"there is no runtime '{name}'") from None
