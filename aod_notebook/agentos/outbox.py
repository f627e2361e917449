"""List what waits to be sent on this machine, and what was refused."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aod_notebook.agentos.report.dead import read_dead
from aod_notebook.agentos.report.orphans import agents_in
from aod_notebook.agentos.report.reader import SpoolReader
from aod_notebook.agentos.report.spool import lock, read_header, spool_folder

if TYPE_CHECKING:
    from pathlib import Path

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class WaitingSpool:
    """One spool.

    Attributes:
        base_url: the service that it is for.
        agent_id: the client's default agent.
        fingerprint: which key it is for; the key itself is nowhere.
        pid: the process that wrote it.
        is_alive: whether that process is still there, and sends it itself.
        records: how many records the service does not have yet.
        size: bytes on disk.
        created_at: ISO 8601, UTC.
        folder: where it is.
        agents: the agents that its runs name.
    """

    base_url: str
    agent_id: str | None
    fingerprint: str
    pid: int
    is_alive: bool
    records: int
    size: int
    created_at: str
    folder: Path
    agents: tuple[str, ...] = ()


def waiting() -> list[WaitingSpool]:
    """List the spools below `AOD_NOTEBOOK_HOME`, the oldest first.

    To send what a dead process left, make a client with the same address and key, and
    `flush()` it.

    Example:
        >>> [spool.records for spool in waiting() if not spool.is_alive]  # doctest: +SKIP
        [120]
    """
    found = []
    for folder in spool_folder().glob("[!.]*"):
        header = read_header(folder)
        if header is None:
            continue
        with contextlib.suppress(OSError):  # it is delivered and deleted just now
            found.append(
                WaitingSpool(
                    base_url=header.base_url,
                    agent_id=header.agent_id,
                    fingerprint=header.fingerprint,
                    pid=header.pid,
                    is_alive=_is_alive(folder),
                    records=_count(folder),
                    size=sum(path.stat().st_size for path in folder.glob("*.log")),
                    created_at=header.created_at,
                    folder=folder,
                    agents=agents_in(folder),
                )
            )
    return sorted(found, key=lambda spool: spool.created_at)


def refused() -> list[dict[str, Any]]:
    """List the dead letters: each with `reason`, `code`, `external_run_id`, `kind`, `body`."""
    return read_dead(spool_folder().parent)


def _is_alive(folder: Path) -> bool:
    try:
        held = lock(folder)
    except FileNotFoundError:
        raise
    except OSError:  # no locks here, so nothing tells
        return False
    if held is None:
        return True
    os.close(held)
    return False


def _count(folder: Path) -> int:
    count = 0
    with contextlib.closing(SpoolReader(folder)) as reader:
        while records := reader.read(_AT_ONCE).records:
            count += sum(record.n > reader.acknowledged for record in records)
    return count
