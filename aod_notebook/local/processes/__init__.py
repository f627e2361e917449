"""Child processes of runtimes: each in a group of its own, none outlives the service."""

from __future__ import annotations

from aod_notebook.local.processes.supervisor import ProcessEnd, Stop, Supervisor

__all__ = ["ProcessEnd", "Stop", "Supervisor"]
