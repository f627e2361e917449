"""Throwing away what waits on this machine and nothing here can send."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING, NamedTuple

from aod_notebook.agentos.outbox import waiting
from aod_notebook.agentos.report.spool import lock
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.text import counted
from aod_notebook.live.run_outbox import send
from aod_notebook.live.service import without_home

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aod_notebook.agentos.outbox import Waiting
    from aod_notebook.live.run_outbox import Sent

__all__ = ["Left", "by_service", "discard", "told"]

TRY_S = 5.0
"""How long each service may take to prove that it can be sent to after all."""


class Left(NamedTuple):
    """What waits for one service.

    Attributes:
        base_url: the service.
        is_alive: whether the processes that wrote it are still there, and send it themselves.
        records: how many records it does not have yet.
        created_at: since when, ISO 8601, UTC.
        pids: the processes.
    """

    base_url: str
    is_alive: bool
    records: int
    created_at: str
    pids: tuple[int, ...]


def by_service(spools: Sequence[Waiting]) -> list[Left]:
    """Sum up spools by their service, and by whether their processes are still there.

    One of which the service has everything, which somebody will delete, is left out.
    """
    groups: dict[tuple[str, bool], list[Waiting]] = {}
    for spool in (each for each in spools if each.records):
        groups.setdefault((spool.base_url, spool.is_alive), []).append(spool)
    return [
        Left(
            url,
            is_alive,
            sum(spool.records for spool in group),
            min(spool.created_at for spool in group),
            tuple(spool.pid for spool in group),
        )
        for (url, is_alive), group in groups.items()
    ]


def told(sent: Sequence[Sent]) -> list[str]:
    """Describe what became of the sending, in a line for each service and reason."""
    groups: dict[tuple[str, str], list[Sent]] = {}
    for each in sent:
        groups.setdefault((each.base_url, each.reason), []).append(each)
    return [
        f"{url}: {counted(sum(each.delivered for each in group), 'record')} delivered, "
        f"{sum(each.left for each in group):,} left{': ' if why else ''}{why}"
        for (url, why), group in groups.items()
    ]


def discard(timeout: float = TRY_S) -> list[str]:
    """Send what dead processes left as far as that goes, and delete the rest of it for good.

    What a living process wrote is left to it.

    Args:
        timeout: seconds for each service to take it.

    Returns:
        Lines that say what became of the sending, and what was thrown away.

    Raises:
        AodNotebookError: nothing tells which processes are alive (a system without file locks).

    Example:
        >>> from aod_notebook.live.discard import discard
        >>> lines = discard()
    """
    sent = [each for each in send(timeout) if each.delivered]
    dropped: dict[str, int] = {}
    for spool in waiting():
        with _taken(spool) as is_ours:
            if is_ours:
                shutil.rmtree(spool.folder, ignore_errors=True)
                dropped[spool.base_url] = dropped.get(spool.base_url, 0) + spool.records
    gone = [
        f"{url}: {counted(number, 'record')} thrown away"
        for url, number in dropped.items()
        if number
    ]
    return [*told(sent), *(gone or ["nothing was thrown away"])]


@contextlib.contextmanager
def _taken(spool: Waiting) -> Iterator[bool]:
    """Hold a spool, unless a process that is alive does."""
    held = None
    try:
        held = None if spool.is_alive else lock(spool.folder)
    except FileNotFoundError:
        pass  # it was delivered and deleted just now
    except OSError as error:
        raise AodNotebookError(
            f"Nothing here tells whether process {spool.pid} still sends its records, so they are "
            f"kept ({error.strerror}). If it is gone, delete {without_home(spool.folder)}."
        ) from error
    try:
        yield held is not None
    finally:
        if held is not None:
            os.close(held)
