"""Connections, and the sessions and runs that this process follows; a journal remembers them."""

import logging
from typing import TYPE_CHECKING, Any

from aod_notebook.live.agents import AmbiguousNameError, NoSuchNameError
from aod_notebook.live.batch import batch
from aod_notebook.live.connections import (
    AgentOSConnection,
    Connection,
    agentos_connection,
    connect,
    connect_agentos,
    connection,
    disconnect,
)
from aod_notebook.live.credentials import (
    PlainHttpWarning,
    TokenMissingError,
    UnknownConnectionError,
)
from aod_notebook.live.embedded import RuntimeMissingError, ServiceNotStartedError
from aod_notebook.live.errors import (
    NestedRunError,
    NoLastRunError,
    NoLastSessionError,
    NotAnIdError,
    NotFollowedError,
    RunFailedError,
    RunNotFollowedError,
    RunStoppedError,
    RunUnknownError,
    ServiceGoneWarning,
    SessionFailedError,
    SessionStoppedError,
    WaitTimeoutError,
    WrongVariableError,
)
from aod_notebook.live.handle import StopOutcome
from aod_notebook.live.journal import JournalWarning
from aod_notebook.live.run import LiveRun
from aod_notebook.live.session import LiveSession
from aod_notebook.live.start import (
    SessionRequest,
    attach,
    attach_run,
    invoke,
    open_run,
    open_session,
    start,
    start_again,
)

if TYPE_CHECKING:
    from aod_notebook.live.batch import (
        Batch,
        BatchBusyError,
        BatchError,
        BatchStoppedError,
        LimitError,
        LimitReachedError,
        ScoreWarning,
    )
    from aod_notebook.live.mirroring import Mirrored, mirror
    from aod_notebook.viewers.compare import Comparison, compare

__all__ = [
    "AgentOSConnection",
    "AmbiguousNameError",
    "Batch",
    "BatchBusyError",
    "BatchError",
    "BatchStoppedError",
    "Comparison",
    "Connection",
    "JournalWarning",
    "LimitError",
    "LimitReachedError",
    "LiveRun",
    "LiveSession",
    "Mirrored",
    "NestedRunError",
    "NoLastRunError",
    "NoLastSessionError",
    "NoSuchNameError",
    "NotAnIdError",
    "NotFollowedError",
    "PlainHttpWarning",
    "RunFailedError",
    "RunNotFollowedError",
    "RunStoppedError",
    "RunUnknownError",
    "RuntimeMissingError",
    "ScoreWarning",
    "ServiceGoneWarning",
    "ServiceNotStartedError",
    "SessionFailedError",
    "SessionRequest",
    "SessionStoppedError",
    "StopOutcome",
    "TokenMissingError",
    "UnknownConnectionError",
    "WaitTimeoutError",
    "WrongVariableError",
    "agentos_connection",
    "attach",
    "attach_run",
    "batch",
    "compare",
    "connect",
    "connect_agentos",
    "connection",
    "disconnect",
    "invoke",
    "mirror",
    "open_run",
    "open_session",
    "start",
    "start_again",
]

logging.getLogger("aod_notebook").addHandler(logging.NullHandler())


_HOMES = {
    "Batch": "live.batch",
    "BatchBusyError": "live.batch",
    "BatchError": "live.batch",
    "BatchStoppedError": "live.batch",
    "Comparison": "viewers.compare",  # which needs pandas
    "LimitError": "live.batch",
    "LimitReachedError": "live.batch",
    "Mirrored": "live.mirroring",
    "ScoreWarning": "live.batch",
    "compare": "viewers.compare",
    "mirror": "live.mirroring",
}


def __getattr__(name: str) -> Any:
    """Import what few notebooks need when it is first used."""
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(f"aod_notebook.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
