"""A person's logins in sessions: copied in, and the newest brought back.

A CLI that renews its login uses the old one up. Each session has a home of its own, so what one
renews must reach the person's file and the homes of the other sessions. A login is never put over
a newer one, over one of another account, or where the person has logged out.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import logging
import os
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from aod_notebook.local.credentials import make_private, write_private
from aod_notebook.local.runtimes.base import Folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

logger = logging.getLogger(__name__)

_LEDGER = "logins.json"
_POLL_S, _SOON_S = 1.0, 0.1
"""How often a turn looks whether a login was renewed; while others wait for that, oftener."""
_RENEW_S = 10.0
"""A CLI renews its login before its first request, which takes it a second or two."""
_EARLY_S = 300
"""A CLI renews a login that has so many seconds left."""

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Login:
    """A login file of a CLI: where it is below a home, and how old each login in it is.

    `stamps` returns a number per part of the file that is renewed by itself; the part None is
    the whole file. `account` says who is logged in, None if the file does not say. `is_used_up`:
    a renewal can't be done twice, and the stamps are the times, in milliseconds, when it is due.
    """

    relative: str
    stamps: Callable[[Document], dict[str | None, float]]
    account: Callable[[Document], object] = lambda _: None
    is_used_up: bool = False


def copy_in(folder: Folder, logins: tuple[Login, ...], find: Callable[[str], Path]) -> None:
    """Copy the person's logins into a session's home, and remember where they are from.

    `find` returns the person's file for a path below a home.
    """
    before = _ledger(folder.root)
    ledger = dict(before)
    for login in logins:
        source, target = find(login.relative), folder.home / login.relative
        if not source.is_file() or target.exists():
            continue
        data = source.read_bytes()
        make_private(target.parent)
        write_private(target, data)
        ledger[login.relative] = {"from": str(source), "digest": _digest(data)}
    if ledger != before:
        write_private(folder.root / _LEDGER, json.dumps(ledger).encode())


def drop_replaced(folder: Folder) -> None:
    """Forget the logins that a setup script replaced: they are the session's own from now on."""
    ledger = _ledger(folder.root)
    kept = {
        relative: entry
        for relative, entry in ledger.items()
        if (data := _read(folder.home / relative)) is None or _digest(data) == entry["digest"]
    }
    if kept != ledger:
        write_private(folder.root / _LEDGER, json.dumps(kept).encode())


def exchange(folder: Folder, logins: tuple[Login, ...]) -> None:
    """Bring the newer of the person's and the session's login to both; never raises OSError."""
    ledger = _ledger(folder.root)
    for login in logins:
        entry = ledger.get(login.relative)
        if entry is None:
            continue
        try:
            _exchange(login, Path(entry["from"]), folder.home / login.relative)
        except OSError as error:  # the turn continues with the login that it has
            logger.warning("login %s not exchanged: %s", login.relative, error.strerror)


def recover(sessions: Path) -> None:
    """Copy back what sessions renewed before their service was killed; `sessions` holds them."""
    for ledger in sessions.glob(f"*/{_LEDGER}"):
        for logins in LOGINS.values():
            exchange(Folder(ledger.parent), logins)


class Renewal:
    """One turn's use of the logins: they are exchanged while it runs.

    A login that has run out is renewed by one turn at a time: its renewal is good for once, so
    the others wait, at most 10 s, until the first has done it.
    """

    _under_way: ClassVar[dict[tuple[int, str], asyncio.Event]] = {}

    def __init__(self, folder: Folder, logins: tuple[Login, ...]) -> None:
        self._folder, self._logins = folder, logins
        self._key = 0, ""
        self._done: asyncio.Event | None = None

    async def begin(self, stop: asyncio.Event) -> None:
        """Return once no other turn is about to renew the login, or when stopped."""
        while source := await asyncio.to_thread(_due, self._folder, self._logins):
            key = id(asyncio.get_running_loop()), source  # an event is good in one loop only
            other = self._under_way.get(key)
            if other is None:
                await self._claim(key)
                return
            await _first_of(other, stop)
            if stop.is_set():
                return
            if self._under_way.get(key) is other:  # it uses something else than the login
                del self._under_way[key]
            await asyncio.to_thread(exchange, self._folder, self._logins)

    async def _claim(self, key: tuple[int, str]) -> None:
        """Become the turn that renews, unless another did so since this one looked."""
        self._key, self._done = key, asyncio.Event()
        self._under_way[key] = self._done
        await asyncio.to_thread(exchange, self._folder, self._logins)
        if not await asyncio.to_thread(_due, self._folder, self._logins):
            self._let_others()

    async def keep(self) -> None:
        """Exchange whenever one of the files changes, until cancelled."""
        seen: object = None
        while True:
            state = await asyncio.to_thread(_state, self._folder, self._logins)
            if state != seen:
                await asyncio.to_thread(exchange, self._folder, self._logins)
                seen = await asyncio.to_thread(_state, self._folder, self._logins)
                if self._done and not await asyncio.to_thread(_due, self._folder, self._logins):
                    self._let_others()
            await asyncio.sleep(_SOON_S if self._done else _POLL_S)

    async def end(self) -> None:
        """Copy back what the turn renewed last."""
        await asyncio.to_thread(exchange, self._folder, self._logins)
        self._let_others()

    def _let_others(self) -> None:
        if self._done is not None:
            self._done.set()
            if self._under_way.get(self._key) is self._done:
                del self._under_way[self._key]
            self._done = None


async def _first_of(*events: asyncio.Event) -> None:
    tasks = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(tasks, timeout=_RENEW_S, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


def _due(folder: Folder, logins: tuple[Login, ...]) -> str:
    """Return the person's file of a login that is about to be renewed; empty if none is."""
    ledger = _ledger(folder.root)
    soon = (time.time() + _EARLY_S) * 1000
    for login in logins:
        document = _parsed(folder.home / login.relative) if login.relative in ledger else None
        stamps = login.stamps(document).values() if document and login.is_used_up else ()
        if any(stamp < soon for stamp in stamps):
            return ledger[login.relative]["from"]
    return ""


def _exchange(login: Login, person: Path, session: Path) -> None:
    if not person.is_file():  # the person has logged out
        return
    person = person.resolve()  # a link stays a link; what it leads to is replaced
    with _locked(person.parent):
        ours, theirs = _parsed(session), _parsed(person)
        if ours is None or theirs is None:
            return
        accounts = login.account(ours), login.account(theirs)
        if None not in accounts and accounts[0] != accounts[1]:
            return
        _renew(login, person, theirs, ours)
        _renew(login, session, ours, theirs)


def _renew(login: Login, target: Path, old: Document, new: Document) -> None:
    """Put the parts of `new` that are newer into the target, which holds `old`."""
    before, now = login.stamps(old), login.stamps(new)
    newer = [part for part in now if part in before and now[part] > before[part]]
    if not newer:
        return
    merged = new if None in newer else {**old, **{str(part): new[str(part)] for part in newer}}
    write_private(target, json.dumps(merged, indent=2).encode())


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold a lock on a directory, so that no file has to be made in the person's."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _state(folder: Folder, logins: tuple[Login, ...]) -> list[object]:
    """Return what changes when one of the files does."""
    ledger = _ledger(folder.root)
    found: list[object] = []
    for login in logins:
        source = ledger.get(login.relative, {}).get("from")
        for path in (folder.home / login.relative, *([Path(source)] if source else [])):
            with contextlib.suppress(OSError):
                status = path.stat()
                found.append((status.st_ino, status.st_mtime_ns, status.st_size))
    return found


def _ledger(root: Path) -> dict[str, dict[str, str]]:
    try:
        found: dict[str, dict[str, str]] = json.loads((root / _LEDGER).read_bytes())
    except (OSError, ValueError):
        return {}
    return found


def _parsed(path: Path) -> Document | None:
    data = _read(path)
    try:
        found = None if data is None else json.loads(data)
    except ValueError:
        return None  # torn: its writer is at work, or was killed
    return found if isinstance(found, dict) else None


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def _claude(document: Document) -> dict[str | None, float]:
    login = document.get("claudeAiOauth")
    if not isinstance(login, dict) or not login.get("accessToken"):
        return {}  # logged out: that is never brought back
    return {"claudeAiOauth": _number(login.get("expiresAt"))}


def _codex(document: Document) -> dict[str | None, float]:
    try:
        moment = datetime.fromisoformat(str(document["last_refresh"])).timestamp()
    except (KeyError, ValueError):
        return {None: 0.0}
    return {None: moment} if document.get("tokens") else {}


def _codex_account(document: Document) -> object:
    tokens = document.get("tokens")
    return tokens.get("account_id") if isinstance(tokens, dict) else None


def _gemini(document: Document) -> dict[str | None, float]:
    return {None: _number(document.get("expiry_date"))} if document.get("access_token") else {}


def _opencode(document: Document) -> dict[str | None, float]:
    return {
        provider: _number(login.get("expires"))
        for provider, login in document.items()
        if isinstance(login, dict) and login.get("type") == "oauth" and login.get("refresh")
    }


LOGINS: dict[str, tuple[Login, ...]] = {
    "claude": (
        Login(
            ".claude/.credentials.json",
            _claude,
            lambda d: d.get("organizationUuid"),
            is_used_up=True,
        ),
    ),
    "codex": (Login(".codex/auth.json", _codex, _codex_account),),
    "gemini": (
        Login(".gemini/oauth_creds.json", _gemini),
        Login(".gemini/google_accounts.json", lambda _: {}),
    ),
    "opencode": (Login(".local/share/opencode/auth.json", _opencode),),
}
"""The login files of each CLI."""
