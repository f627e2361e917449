"""Agent on Demand: the whole SDK, sync and async, for both generations of the API.

A drop-in for the published SDK: change `from aod import …` to `from aod_notebook.aod import …`.
"""

from aod_notebook.aod._async.agents import AsyncAgents
from aod_notebook.aod._async.client import AsyncClient
from aod_notebook.aod._async.environments import AsyncEnvironments
from aod_notebook.aod._async.sessions import AsyncSessions
from aod_notebook.aod._async.stream import AsyncEventStream
from aod_notebook.aod._sync.agents import Agents
from aod_notebook.aod._sync.client import Client
from aod_notebook.aod._sync.environments import Environments
from aod_notebook.aod._sync.sessions import Sessions
from aod_notebook.aod._sync.stream import EventStream
from aod_notebook.aod.errors import (
    AodConnectionError,
    AodDecodeError,
    AodError,
    AodHTTPError,
    AodTimeoutError,
    AodUsageError,
    AuthError,
    ConflictError,
    NotFoundError,
    NotSupportedError,
    RateLimitError,
    ServerError,
    StreamInterrupted,
    ValidationError,
)
from aod_notebook.aod.events import (
    MALFORMED,
    TERMINAL_TYPES,
    StreamEvent,
    StreamEventType,
    iter_events,
)
from aod_notebook.aod.follow import TurnCounter
from aod_notebook.aod.hand_over import HandOver
from aod_notebook.aod.inputs import (
    GithubRepoResource,
    GithubSkill,
    InlineSkill,
    McpServerStdio,
    McpServerUrl,
)
from aod_notebook.aod.models import (
    Agent,
    AgentVersion,
    Environment,
    EnvironmentVersion,
    McpServer,
    Networking,
    NetworkingType,
    PackageManager,
    Session,
    SessionAck,
    SessionResource,
    SessionResult,
    SessionStatus,
    SessionTurn,
    TurnStatus,
)
from aod_notebook.contract import ACTIVE_STATUSES
from aod_notebook.core.settings import Timeouts

__all__ = [
    "ACTIVE_STATUSES",
    "MALFORMED",
    "TERMINAL_TYPES",
    "Agent",
    "AgentVersion",
    "Agents",
    "AodConnectionError",
    "AodDecodeError",
    "AodError",
    "AodHTTPError",
    "AodTimeoutError",
    "AodUsageError",
    "AsyncAgents",
    "AsyncClient",
    "AsyncEnvironments",
    "AsyncEventStream",
    "AsyncSessions",
    "AuthError",
    "Client",
    "ConflictError",
    "Environment",
    "EnvironmentVersion",
    "Environments",
    "EventStream",
    "GithubRepoResource",
    "GithubSkill",
    "HandOver",
    "InlineSkill",
    "McpServer",
    "McpServerStdio",
    "McpServerUrl",
    "Networking",
    "NetworkingType",
    "NotFoundError",
    "NotSupportedError",
    "PackageManager",
    "RateLimitError",
    "ServerError",
    "Session",
    "SessionAck",
    "SessionResource",
    "SessionResult",
    "SessionStatus",
    "SessionTurn",
    "Sessions",
    "StreamEvent",
    "StreamEventType",
    "StreamInterrupted",
    "Timeouts",
    "TurnCounter",
    "TurnStatus",
    "ValidationError",
    "iter_events",
]
