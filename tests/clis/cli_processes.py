"""Which processes of a session run."""

import contextlib
import time

import psutil

WAIT = "import time; time.sleep(321)"
"""A program that a test stops."""


def of_session(session):
    """Return the command lines of what runs for a session."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("AOD_SESSION_ID") == str(session):
                found.append(process.cmdline())
    return found


def until(check, seconds=100):
    """Wait until `check()` is true."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
