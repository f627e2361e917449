"""Finding, starting and stopping the detached service of a data directory.

A service that runs holds its directory's lock and has written its URL. It counts as found once
it has proved that it knows the token; so a stale file and a reused port do no harm.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aod_notebook.core.files import check_owner
from aod_notebook.core.proof import Handshake, NotProvedError, known
from aod_notebook.local.config import PACE_VARIABLE, Config
from aod_notebook.local.credentials import make_private, read_credentials
from aod_notebook.local.variables import EVERYWHERE, PLACES, PROXIES, without_password

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Besides what all programs need: where Python finds its modules and libraries, and temporary files.
_PASSED = (
    PACE_VARIABLE,
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONUTF8",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "TMPDIR",
    "TMP",
    "TEMP",
)
NO_START = "aod-notebook: the service can't start:"
"""How the line begins that a service which can't start writes to stderr."""
_START_S = 30.0
_STOP_S = 5.0
_ASK_S = 5.0
_POLL_S = 0.02
_CHUNK = 4096


class ServiceStartError(Exception):
    """The detached service did not come up; the message names its log.

    Fix: Read the log that the message names; `aod-notebook doctor` checks the machine.

    `reason` is the service's own message; empty if it printed none.
    """

    def __init__(self, text: str, reason: str = "") -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ServiceInfo:
    """Where a running service is and how to use it; keys are not in its repr."""

    url: str
    aod_token: str = field(repr=False)
    agentos_key: str = field(repr=False)
    agent_key: str = field(repr=False)
    agent_id: str
    pid: int
    data_dir: Path


def ensure_service(data_dir: Path, idle_exit_s: float = 900) -> ServiceInfo:
    """Return the directory's service, started as a detached process if none runs.

    However many processes call this at once, one service is started.

    Raises:
        ServiceStartError: it did not answer in time or ended at once.
        OSError: the directory can't be written.
    """
    make_private(Path(data_dir).expanduser())  # as it was named: a link may be another user's
    data_dir = _absolute(data_dir)
    with _launching(data_dir):
        found = find_service(data_dir)
        if found is not None:
            return found
        begin = _log_size(data_dir)
        life = _spawn(data_dir, idle_exit_s)
        try:
            deadline = time.monotonic() + _START_S
            while time.monotonic() < deadline:
                found = find_service(data_dir)
                if found is not None:
                    return found
                if _has_ended(life) and not _is_locked(Config(data_dir=data_dir)):
                    break  # else somebody else's service is just coming up
                time.sleep(_POLL_S)
        finally:
            os.close(life)
    reason = _last_words(data_dir, begin)
    raise ServiceStartError(
        f"the local service did not start{f': {reason}' if reason else ''}; "
        f"its log is {data_dir / 'service.log'}",
        reason,
    )


def find_service(data_dir: Path) -> ServiceInfo | None:
    """Return the service that runs on the directory and answers, else None."""
    data_dir = _absolute(data_dir)
    config = Config(data_dir=data_dir)
    if not _is_locked(config):
        return None
    try:
        service: dict[str, Any] = json.loads(config.service_file.read_bytes())
        credentials = read_credentials(data_dir)
    except (OSError, ValueError):
        return None
    if not _answers(service["url"], credentials.aod_token):
        return None
    return ServiceInfo(
        url=service["url"],
        aod_token=credentials.aod_token,
        agentos_key=credentials.agentos_key,
        agent_key=credentials.agent_key,
        agent_id=credentials.agent_id,
        pid=service["pid"],
        data_dir=data_dir,
    )


def was_killed(data_dir: Path) -> bool:
    """Check whether the directory's last service crashed or was killed."""
    config = Config(data_dir=_absolute(data_dir))
    return config.service_file.exists() and not _is_locked(config)


def stop_service(data_dir: Path) -> bool:
    """Stop the directory's service and wait for its end; False if none was running.

    A `LocalService` is not stopped: it is a part of a program of its own. A detached service that does not leave within 5 s is killed; its guard then kills its processes.
    """
    config = Config(data_dir=_absolute(data_dir))
    if not _is_locked(config):
        return False
    check_owner(config.data_dir)  # or another user could name a process to be killed
    try:
        service: dict[str, Any] = json.loads(config.service_file.read_bytes())
    except (OSError, ValueError):
        return False
    if service["embedded"]:
        return False
    pid = int(service["pid"])
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + _STOP_S
        while time.monotonic() < deadline:
            if not _is_locked(config):
                return True
            time.sleep(_POLL_S)
    return False


def _absolute(path: Path) -> Path:
    return Path(path).expanduser().resolve()


@contextlib.contextmanager
def _launching(data_dir: Path) -> Iterator[None]:
    """Let one process at a time look for the service and start it."""
    descriptor = os.open(data_dir / "launch.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_locked(config: Config) -> bool:
    try:
        descriptor = os.open(config.lock_file, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _answers(url: str, token: str) -> bool:
    """Check whether the listener proves that it knows the token; no secret is sent."""
    address = urlsplit(url)
    parts = known(token)
    if parts is None:
        return False
    deadline = time.monotonic() + _ASK_S
    try:
        with socket.create_connection((address.hostname, address.port), _ASK_S) as connection:
            ends = connection.getsockname(), connection.getpeername()
            handshake = Handshake(parts, address.netloc, *ends)
            connection.sendall(handshake.request)
            while not handshake.feed(connection.recv(_CHUNK)):
                connection.settimeout(max(deadline - time.monotonic(), 0.001))
    except (OSError, NotProvedError):
        return False
    return True


def _spawn(data_dir: Path, idle_exit_s: float) -> int:
    """Start the service as a detached process; the returned descriptor closes when it ends.

    A shell starts it and leaves, so that no process here has to wait for it, and a service that
    has ended does not stay as a zombie of the notebook.
    """
    log = os.open(data_dir / "service.log", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    ours, theirs = os.pipe()
    command = [sys.executable, "-m", "aod_notebook.local", "--data-dir", str(data_dir)]
    try:
        subprocess.run(  # noqa: S603 - our own module
            ["/bin/sh", "-c", '"$@" &', "sh", *command, "--idle-exit", str(idle_exit_s)],
            cwd=data_dir,
            env=service_environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
            pass_fds=[theirs],
            check=True,
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
        os.close(log)
    return ours


def service_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a detached service.

    Its sessions can read the environment of its process (`/proc/$PPID/environ`), so no secret of
    the notebook is in it: keys for an agent's CLI come with each session.

    Example:
        >>> service_environment({"LANG": "C", "AOD_API_TOKEN": "x", "ALL_PROXY": "http://a:b@c"})
        {'LANG': 'C', 'ALL_PROXY': 'http://c'}
    """
    passed = {name: environ[name] for name in (*_PASSED, *EVERYWHERE, *PLACES) if name in environ}
    return passed | {name: without_password(passed[name]) for name in PROXIES if name in passed}


def _log_size(data_dir: Path) -> int:
    try:
        return (data_dir / "service.log").stat().st_size
    except FileNotFoundError:
        return 0


def _last_words(data_dir: Path, begin: int) -> str:
    """Return the last log line of a service that failed to start; empty if there is none."""
    with (data_dir / "service.log").open("rb") as log:
        log.seek(begin)
        lines = log.read().decode(errors="replace").split("\n")
    reasons = [line for line in lines if line.startswith(NO_START)]
    return reasons[-1].removeprefix(NO_START).strip() if reasons else ""


def _has_ended(descriptor: int) -> bool:
    """Check whether the service behind a descriptor of `_spawn` has ended."""
    ready, _, _ = select.select([descriptor], [], [], 0)
    return bool(ready)
