"""AgentOS: the whole SDK, sync and async, with reporting that loses nothing.

A drop-in for the published SDK: change `from agentos import …` to
`from aod_notebook.agentos import …`.
"""

from aod_notebook._version import __version__
from aod_notebook.agentos._async.client import AsyncAgentOS
from aod_notebook.agentos._async.run import AsyncRun
from aod_notebook.agentos._async.stream import AsyncInvokeStream
from aod_notebook.agentos._sync.client import AgentOS
from aod_notebook.agentos._sync.run import Run
from aod_notebook.agentos._sync.stream import InvokeStream
from aod_notebook.agentos.control import UNSET, Listing
from aod_notebook.agentos.errors import (
    AgentOSArgumentError,
    AgentOSAuthError,
    AgentOSConfigError,
    AgentOSConflictError,
    AgentOSDecodeError,
    AgentOSError,
    AgentOSForbiddenError,
    AgentOSNotFoundError,
    AgentOSRateLimitError,
    AgentOSRunError,
    AgentOSStreamInterrupted,
    AgentOSTimeoutError,
    AgentOSTransientError,
    AgentOSValidationError,
)
from aod_notebook.agentos.report.runs import Receipt, RunStats
from aod_notebook.agentos.results import (
    HumanInput,
    InputRequest,
    InvokeResult,
    InvokeStatus,
    InvokeStreamEvent,
)
from aod_notebook.agentos.rows import TokenUsage
from aod_notebook.agentos.task import Span, Task

__all__ = [
    "UNSET",
    "AgentOS",
    "AgentOSArgumentError",
    "AgentOSAuthError",
    "AgentOSConfigError",
    "AgentOSConflictError",
    "AgentOSDecodeError",
    "AgentOSError",
    "AgentOSForbiddenError",
    "AgentOSNotFoundError",
    "AgentOSRateLimitError",
    "AgentOSRunError",
    "AgentOSStreamInterrupted",
    "AgentOSTimeoutError",
    "AgentOSTransientError",
    "AgentOSValidationError",
    "AsyncAgentOS",
    "AsyncInvokeStream",
    "AsyncRun",
    "HumanInput",
    "InputRequest",
    "InvokeResult",
    "InvokeStatus",
    "InvokeStream",
    "InvokeStreamEvent",
    "Listing",
    "Receipt",
    "Run",
    "RunStats",
    "Span",
    "Task",
    "TokenUsage",
    "__version__",
]
