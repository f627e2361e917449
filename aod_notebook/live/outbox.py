"""Send, readdress and discard the records of reported runs that wait on this machine."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from aod_notebook.agentos.options import fingerprint
from aod_notebook.agentos.outbox import waiting
from aod_notebook.agentos.report.spool import lock, read_header, spool_folder
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.files import write_private
from aod_notebook.core.text import counted
from aod_notebook.live.credentials import AGENTOS, TokenMissingError, find_token, variable
from aod_notebook.live.embedded import embedded_data_dir, start_embedded, without_home

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from aod_notebook.agentos.outbox import WaitingSpool

SEND_S = 30.0
"""How long sending to one service may take."""
TRY_S = 5.0
"""How long each service may take to show that it can be sent to after all, before records are discarded."""


class SendResult(NamedTuple):
    """The outcome for the records of one service and key.

    Attributes:
        base_url: the service.
        delivered: how many records it has now.
        left: how many still wait.
        reason: why, if that is known.
    """

    base_url: str
    delivered: int
    left: int
    reason: str = ""


def send(timeout: float = SEND_S, agent: str | None = None) -> list[SendResult]:
    """Send what ended processes left behind, as far as its key is known here.

    A key is known from the environment, the keyring or the embedded service.

    Args:
        timeout: seconds for each service.
        agent: an agent of which what waits under another key, such as one that was renewed, is
            sent with the key that is known here for the same URL.
    """
    if agent is not None:
        rekey(agent)
    groups: dict[tuple[str, str], list[WaitingSpool]] = {}
    for spool in waiting():
        if not spool.is_alive:
            groups.setdefault((spool.base_url, spool.fingerprint), []).append(spool)
    return [_send(url, key, spools, timeout) for (url, key), spools in groups.items()]


def readdress(key: str, base_url: str) -> None:
    """Redirect the spools of a key to a service's new address; their processes must have ended.

    The embedded service may have another port after each start, and its key is its own.
    """
    with contextlib.suppress(OSError):
        for folder in spool_folder().iterdir():
            header = read_header(folder)
            if header is None or header.fingerprint != fingerprint(key):
                continue
            if header.base_url != base_url:
                _rewrite(folder, base_url=base_url)


def rekey(agent: str) -> None:
    """Send what waits for an agent with the current key of its URL."""
    for spool in waiting():
        if spool.is_alive or agent not in (spool.agent_id, *spool.agents):
            continue
        if _key_for(spool.base_url, spool.fingerprint) is not None:
            continue  # its own key is known
        key = _key_at_hand(spool.base_url)
        if key is not None:
            _rewrite(spool.folder, fingerprint=fingerprint(key))


def _key_at_hand(base_url: str) -> str | None:
    """Return the key that is known here for a service."""
    with contextlib.suppress(TokenMissingError, AodNotebookError):
        return find_token(base_url, None, AGENTOS)[0]
    return None


def _rewrite(folder: Path, **changes: str) -> None:
    """Change the header of a spool, unless its process is alive or it no longer exists."""
    with contextlib.suppress(OSError):
        held = lock(folder)
        if held is None:
            return
        try:
            header = read_header(folder)
            if header is not None:
                changed = msgspec.structs.replace(header, **changes)
                write_private(folder / "header.json", msgspec.json.encode(changed))
        finally:
            os.close(held)


def _send(base_url: str, wanted: str, spools: list[WaitingSpool], timeout: float) -> SendResult:
    from aod_notebook.agentos import AgentOS

    count, folders = sum(each.records for each in spools), {each.folder for each in spools}
    key, url = _key_for(base_url, wanted), base_url
    if key is None:
        why = (
            f"no key that is known here matches; set {AGENTOS.variable} to the one that does"
            f"{_renewed(spools)}"
        )
        return SendResult(base_url, 0, count, why)
    try:
        if key == _embedded_key(embedded_data_dir()):
            url = start_embedded(embedded_data_dir()).url
            readdress(key, url)
        client = AgentOS(api_key=key, base_url=url)
        receipt = client.close(timeout)
    except AodNotebookError as error:
        return SendResult(base_url, 0, count, str(error))
    left = sum(each.records for each in waiting() if each.folder in folders)
    return SendResult(url, max(0, count - left), left, receipt.reason or "")


def _renewed(spools: list[WaitingSpool]) -> str:
    """Explain how records of a renewed key are sent."""
    agents = sorted({agent for each in spools for agent in (each.agent_id, *each.agents) if agent})
    how = " or ".join(f"`aod-notebook outbox --send --agent {agent}`" for agent in agents)
    return f", or if it was renewed, send them with the new one: {how}" if agents else ""


def _key_for(base_url: str, wanted: str) -> str | None:
    """Return the key with a fingerprint, if it is known here."""
    candidates = [variable(AGENTOS.variable), _embedded_key(embedded_data_dir())]
    with contextlib.suppress(TokenMissingError):
        candidates.append(find_token(base_url, None, AGENTOS)[0])
    return next((key for key in candidates if key and fingerprint(key) == wanted), None)


def _embedded_key(data_dir: Path) -> str | None:
    """Return the key of the embedded service, if it was ever started."""
    from aod_notebook.local.credentials import read_credentials

    with contextlib.suppress(OSError, ValueError):
        return read_credentials(data_dir).agentos_key
    return None


class WaitingRecords(NamedTuple):
    """The waiting records of one service.

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


def by_service(spools: Sequence[WaitingSpool]) -> list[WaitingRecords]:
    """Sum up spools by their service, and by whether their processes are alive.

    One of which the service has everything, which somebody will delete, is left out.
    """
    groups: dict[tuple[str, bool], list[WaitingSpool]] = {}
    for spool in (each for each in spools if each.records):
        groups.setdefault((spool.base_url, spool.is_alive), []).append(spool)
    return [
        WaitingRecords(
            url,
            is_alive,
            sum(spool.records for spool in group),
            min(spool.created_at for spool in group),
            tuple(spool.pid for spool in group),
        )
        for (url, is_alive), group in groups.items()
    ]


def sent_lines(sent: Sequence[SendResult]) -> list[str]:
    """Describe the outcome of sending, in a line for each service and reason."""
    groups: dict[tuple[str, str], list[SendResult]] = {}
    for each in sent:
        groups.setdefault((each.base_url, each.reason), []).append(each)
    return [
        f"{url}: {counted(sum(each.delivered for each in group), 'record')} delivered, "
        f"{sum(each.left for each in group):,} left{': ' if why else ''}{why}"
        for (url, why), group in groups.items()
    ]


def discard(timeout: float = TRY_S) -> list[str]:
    """Send what dead processes left if possible, and delete the rest for good.

    What a living process wrote is left to it.

    Args:
        timeout: seconds for each service to take it.

    Returns:
        Lines about what was sent, and what was discarded.

    Raises:
        AodNotebookError: it is unknown which processes are alive (a system without file locks).

    Example:
        >>> from aod_notebook.live.outbox import discard
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
        f"{url}: {counted(number, 'record')} discarded" for url, number in dropped.items() if number
    ]
    return [*sent_lines(sent), *(gone or ["nothing was discarded"])]


@contextlib.contextmanager
def _taken(spool: WaitingSpool) -> Iterator[bool]:
    """Lock a spool, unless a live process holds it."""
    held = None
    try:
        held = None if spool.is_alive else lock(spool.folder)
    except FileNotFoundError:
        pass  # it was delivered and deleted just now
    except OSError as error:
        raise AodNotebookError(
            f"It is unknown whether process {spool.pid} still sends its records, so they are "
            f"kept ({error.strerror}). If it is gone, delete {without_home(spool.folder)}."
        ) from error
    try:
        yield held is not None
    finally:
        if held is not None:
            os.close(held)
