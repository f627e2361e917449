"""What works on this machine and what doesn't: services, runtimes, disk, versions."""

from __future__ import annotations

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from aod_notebook.agentos.outbox import refused, waiting
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.settings import home
from aod_notebook.core.text import counted
from aod_notebook.live.connections import connection
from aod_notebook.live.credentials import AGENTOS, variable
from aod_notebook.live.doctor_clis import CLIS, examine_clis
from aod_notebook.live.run_connection import agentos_connection, agentos_if_any, reach
from aod_notebook.live.service import WRITABLE_HOME, embedded_data_dir, without_home

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Finding", "findings", "summary"]

PACKAGES = ("IPython", "ipykernel", "jupyterlab", "ipywidgets", "pandas", "pyarrow", "httpx")
ENOUGH_BYTES = 1_000_000_000

Finding = tuple[str, str, str]
"""What was looked at, `ok` / `note` / `problem`, and what was found."""


def findings() -> Iterator[Finding]:
    """Check the services and their secrets, what waits for them, runtimes, disk and versions.

    No token is in what is found.
    """
    yield from _service()
    yield from _agentos()
    yield from _outbox()
    yield from _runtimes()
    yield from _disk()
    yield from _versions()


def summary(found: Sequence[Finding]) -> Finding:
    """Return the line that stands above what was found: which CLIs can run, and what can't.

    Example:
        >>> summary([("claude", "ok", "2.1.332"), ("disk", "problem", "0 GB free")])
        ('summary', 'note', 'ready: claude; problems: disk')
    """
    ready = [check for check, state, _ in found if check in CLIS and state == "ok"]
    problems = list(dict.fromkeys(check for check, state, _ in found if state == "problem"))
    text = f"ready: {', '.join(ready)}" if ready else "no agent CLI is ready: use shell or replay"
    told = f"problems: {', '.join(problems)}" if problems else "no problems"
    return "summary", "ok" if ready and not problems else "note", f"{text}; {told}"


def _service() -> Iterator[Finding]:
    try:
        on = connection()
        health = on.client.health()
        count = len(on.client.agents.list())
    except AodNotebookError as error:
        yield "service", "problem", str(error)
        return
    where = f"{on.base_url} ({on.sources['base_url']})"
    state = "ok" if health.get("status") == "ok" else "problem"
    yield "service", state, f"{where}: {health.get('status')}"
    yield "token", "ok", f"accepted ({on.sources['token']}); {counted(count, 'agent')} visible"


def _agentos() -> Iterator[Finding]:
    if agentos_if_any() is None and variable(AGENTOS.variable) is None:
        yield "agentos", "note", f"{AGENTOS.variable} is not set: runs go to the embedded service"
        return
    try:
        on = agentos_connection()
        can = reach(on)
    except AodNotebookError as error:
        yield "agentos", "problem", str(error)
        return
    yield "agentos", "ok", f"{on.base_url} ({on.sources['base_url']}): {can}"
    yield "key", "ok", f"accepted ({on.sources['key']})"


def _outbox() -> Iterator[Finding]:
    records = sum(spool.records for spool in waiting())
    if records:
        waits = f"{counted(records, 'record')} of reported runs waiting to be sent"
        yield "outbox", "note", f"{waits}: `aod-notebook outbox --send`"
    else:
        yield "outbox", "ok", "nothing waits"
    letters = len(refused())
    if letters:
        yield "outbox", "note", f"{counted(letters, 'record')} refused; %agentos outbox --refused"


def _runtimes() -> Iterator[Finding]:
    yield from examine_clis()
    yield "runtimes", "ok", "shell and replay can run on this machine"


def _disk() -> Iterator[Finding]:
    folder = home()
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(existing).free
    text = f"{without_home(folder)}: {free / 1e9:.1f} GB free"
    yield "disk", "ok" if free > ENOUGH_BYTES else "problem", text
    if not os.access(existing, os.W_OK) or not existing.is_dir():
        yield "disk", "problem", f"{without_home(folder)} can't be written. {WRITABLE_HOME}"
    if folder.exists() and (mode := folder.stat().st_mode & 0o777) & 0o077:
        text = f"{without_home(folder)} is open to other users (mode {mode:o}): chmod 700 closes it"
        yield "disk", "note", f"{text}; what this package writes there only you can read"
    for name, data in (
        ("the embedded service holds", embedded_data_dir()),
        ("the event logs of followed sessions hold", folder / "events"),
    ):
        if data.exists():
            size = sum(file.stat().st_size for file in data.rglob("*") if file.is_file())
            yield "disk", "ok", f"{name} {size / 1e6:.1f} MB"


def _versions() -> Iterator[Finding]:
    yield "version", "ok", f"Python {platform.python_version()}"
    for package in ("aod-notebook", *PACKAGES):
        try:
            yield "version", "ok", f"{package} {version(package)}"
        except PackageNotFoundError:
            yield "version", "note", f"{package} is not installed"
