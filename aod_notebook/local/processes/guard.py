"""The guard: a small process that kills the runtimes' processes when the service has died.

It reads `+<group>` and `-<group>` lines from its standard input, a pipe that only the service
writes to. At the pipe's end, or when its parent has changed, it kills every group that is left,
then every process that carries the mark given as its argument, and exits. Run as a script.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path

_POLL_S = 1.0


def watch(descriptor: int, parent: int) -> set[int]:
    """Return the groups that were still registered when the service ended."""
    groups: set[int] = set()
    rest = b""
    while os.getppid() == parent:
        ready, _, _ = select.select([descriptor], [], [], _POLL_S)
        if not ready:
            continue
        data = os.read(descriptor, 65536)
        if not data:
            break
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            change = groups.add if line.startswith(b"+") else groups.discard
            change(int(line[1:]))
    return groups


def main() -> None:
    """Watch until the service ends, then leave no process of it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    import orphans  # type: ignore[import-not-found]

    for group in watch(0, int(sys.argv[2])):
        orphans.kill_group(group)
    orphans.kill_marked(sys.argv[1])


if __name__ == "__main__":
    main()
