"""Finding and killing processes by group or by a mark in their environment.

The mark finds what left its process group (`setsid`, job control). It needs `/proc`; elsewhere
only groups are killed. This file is also loaded by the guard process: standard library only.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

_ROUNDS = 5


def kill_group(group: int) -> None:
    """Send SIGKILL to a process group; a group that no longer exists is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def marked(mark: str, *, exact: bool = False) -> list[int]:
    """Return the ids of our processes with `mark` (`NAME=value`) in their environment.

    Unless `exact`, the value may go on after the mark.
    """
    wanted = b"\0" + mark.encode() + (b"\0" if exact else b"")
    found = []
    for entry in _processes():
        try:
            if wanted in b"\0" + (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue  # it ended, or it is not ours
    return [pid for pid in found if pid != os.getpid()]


def kill_marked(mark: str, *, exact: bool = False) -> None:
    """Send SIGKILL to every marked process, again until none is left that can be killed."""
    for _ in range(_ROUNDS):
        pids = marked(mark, exact=exact)
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _processes() -> list[Path]:
    try:
        return [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    except OSError:
        return []
