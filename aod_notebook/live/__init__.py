"""What this process follows: connections, sessions, and the journal that remembers them."""

from aod_notebook.live.connections import Connection, connect, connection, disconnect
from aod_notebook.live.errors import (
    NoLastSessionError,
    NotFollowedError,
    SessionFailedError,
    SessionStoppedError,
    WaitTimeoutError,
)
from aod_notebook.live.session import LiveSession, StopOutcome
from aod_notebook.live.start import SessionRequest, attach, open_session, start

__all__ = [
    "Connection",
    "LiveSession",
    "NoLastSessionError",
    "NotFollowedError",
    "SessionFailedError",
    "SessionRequest",
    "SessionStoppedError",
    "StopOutcome",
    "WaitTimeoutError",
    "attach",
    "connect",
    "connection",
    "disconnect",
    "open_session",
    "start",
]
