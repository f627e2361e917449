"""Resources as the service returns them, tolerant of later fields.

Both API generations are read: an agent or a session has `runtime`, `provider` or both.
Fields that are not named here are kept (`model_extra`, and as attributes); kinds and
states are open text; a value that does not fit its type is kept unchanged, so that one
odd row never breaks a list.
"""

import dataclasses
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import pydantic
from pydantic import BaseModel, ConfigDict, Field, ValidatorFunctionWrapHandler, field_validator

from aod_notebook.aod.events import StreamEvent

_log = logging.getLogger("aod_notebook")

SessionStatus = str
"""Open: `pending`, `running`, `completed`, `failed`, `terminated`, or a later one."""
TurnStatus = str
"""Open: `pending`, `running`, `completed`, `failed`, `interrupted`, or a later one."""
NetworkingType = str
"""Open: `unrestricted`, `limited`, or a later one."""
PackageManager = str
"""Open: `apt`, `cargo`, `gem`, `go`, `npm`, `pip`, or a later one."""


class _Resource(BaseModel):
    model_config = ConfigDict(extra="allow", populate_by_name=True, protected_namespaces=())


class _Part(_Resource):
    """Something inside a row: a value of another type than its field is kept unchanged."""

    @field_validator("*", mode="wrap")
    @classmethod
    def _keep_odd(cls, value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValueError:
            return value


R = TypeVar("R", bound=_Resource)


class McpServer(_Part):
    """A tool server of an agent, as stored: an omitted `type` means `url`.

    `headers` and `env` may hold secrets and stay out of the repr.
    """

    name: str = ""
    type: str | None = None
    url: str | None = None
    command: str | None = None
    headers: dict[str, Any] | None = Field(default=None, repr=False)
    args: list[Any] | None = None
    env: dict[str, Any] | None = Field(default=None, repr=False)


class Networking(_Part):
    """Network rules of an environment: what is returned, and what can be sent.

    `limited` without hosts denies everything. Further keys are kept and sent verbatim.

    Example:
        >>> Networking(type="limited", allowed_hosts=["*.github.com"]).allowed_hosts
        ['*.github.com']
    """

    type: NetworkingType = "unrestricted"
    allowed_hosts: list[str] = Field(default_factory=list)


class SessionResource(_Part):
    """A repository in a session's sandbox; its token is never returned."""

    type: str = "github_repository"
    url: str = ""
    mount_path: str | None = None


class AgentVersion(_Resource):
    """One version of an agent; `id` is the agent's and `created_at` the snapshot's time."""

    id: UUID
    type: str = "agent"
    name: str
    description: str | None = None
    system: str | None = None
    model: str
    runtime: str | None = None
    provider: str | None = None
    environment_id: UUID | None = None
    skills: list[dict[str, Any]] = Field(default_factory=list)
    mcp_servers: list[McpServer] = Field(default_factory=list)
    metadata: dict[str, Any] = Field(default_factory=dict)
    version: int
    created_at: datetime


class Agent(AgentVersion):
    """A stored agent. `runtime` (first API generation) or `provider` (later one) is set."""

    updated_at: datetime
    archived_at: datetime | None = None


class EnvironmentVersion(_Resource):
    """One version of an environment; `id` is the environment's."""

    id: UUID
    type: str = "environment"
    name: str
    packages: dict[PackageManager, list[str]] = Field(default_factory=dict)
    setup_script: str | None = None
    networking: Networking = Field(default_factory=Networking)
    version: int
    created_at: datetime


class Environment(EnvironmentVersion):
    """A stored environment. Its variables are write-only and never returned."""

    updated_at: datetime
    archived_at: datetime | None = None


class Session(_Resource):
    """A session: an agent at work in a sandbox, over one or more turns."""

    id: UUID
    agent_id: UUID | None = None
    environment_id: UUID | None = None
    runtime: str | None = None
    provider: str | None = None
    status: SessionStatus
    exit_code: int | None = None
    created_at: datetime
    updated_at: datetime
    resources: list[SessionResource] = Field(default_factory=list)
    turn_count: int = 0
    current_turn: int | None = None


class SessionTurn(_Resource):
    """One prompt of a session and how its run ended; exit codes per turn are only here."""

    turn_number: int
    prompt: str
    status: TurnStatus
    exit_code: int | None = None
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None


class SessionAck(_Resource):
    """Answer to create, prompt, terminate and interrupt: `id` and `status`, more if it applies.

    `sessions.get(ack.id)` fetches the whole session.
    """

    id: UUID
    status: SessionStatus
    stream_url: str | None = None
    environment_id: UUID | None = None
    resources: list[SessionResource] = Field(default_factory=list)
    current_turn: int | None = None


@dataclass(frozen=True, slots=True)
class SessionResult:
    """The result of `sessions.run` and `wait_for_completion`: the final session and its events."""

    session: Session
    events: list[StreamEvent] = dataclasses.field(default_factory=list, repr=False)


def read_one(kind: type[R], row: dict[str, Any]) -> R:
    """Read one row; a value of another type is kept unchanged, a missing one becomes None."""
    try:
        return kind.model_validate(row)
    except pydantic.ValidationError as error:
        odd = {str(problem["loc"][0]) for problem in error.errors(include_input=False)}
    _log.warning("%s %s has odd fields: %s", kind.__name__, row.get("id"), ", ".join(sorted(odd)))
    found = kind.model_construct(**{**dict.fromkeys(odd), **row})
    for name in kind.model_fields.keys() & row.keys() - odd:
        kind.__pydantic_validator__.validate_assignment(found, name, row[name])
    return found


def read_list(kind: type[R], rows: Iterable[Any]) -> list[R]:
    """Read rows; what is not even an object is left out, with a warning in the log."""
    found = []
    for row in rows:
        if isinstance(row, dict):
            found.append(read_one(kind, row))
        else:
            _log.warning("a row that is not a valid %s was left out", kind.__name__)
    return found
