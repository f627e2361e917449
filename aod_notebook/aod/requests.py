"""Bodies of requests, checked before they are sent."""

import json
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import quote
from uuid import UUID

import msgspec
import pydantic
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from aod_notebook.aod import inputs
from aod_notebook.aod.errors import AodUsageError, ValidationError
from aod_notebook.core.redact import redact, secrets_in
from aod_notebook.core.text import one_line

_LONGEST_ID = 1000  # characters; a URL cannot have just any length

Text = Annotated[str, Field(max_length=200)]
Id = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, UUID) else value)]
Skills = Annotated[list[Any], AfterValidator(inputs.check_skills)]
McpServers = Annotated[list[Any], AfterValidator(inputs.check_mcp_servers)]
EnvVars = Annotated[dict[str, str], AfterValidator(inputs.check_env_vars)]
Packages = Annotated[dict[str, list[str]], AfterValidator(inputs.check_packages)]
Networking = Annotated[dict[str, Any], AfterValidator(inputs.check_networking)]
Timeout = Annotated[int, Field(ge=10, le=3600)]


class RequestBody(BaseModel):
    """A request body; unknown fields are sent unchanged."""

    model_config = ConfigDict(
        extra="allow",
        hide_input_in_errors=True,
        protected_namespaces=(),
        ser_json_inf_nan="constants",  # not quietly null: encoding them is refused
    )

    nullable: ClassVar[frozenset[str]] = frozenset()  # fields that send None, as null


class _AgentFields(RequestBody):
    runtime: Annotated[str, Field(max_length=32)] | None = None
    provider: Annotated[str, Field(max_length=32)] | None = None
    system: str = ""
    description: str = ""
    environment_id: Id | None = None
    skills: Skills = []
    mcp_servers: McpServers = []
    metadata: dict[str, Any] = {}


class AgentCreate(_AgentFields):
    """Body of `POST /agents`, of either API generation."""

    name: Text
    model: Annotated[str, Field(max_length=100)]


class AgentUpdate(_AgentFields):
    """Body of `PUT /agents/{id}`; lengths are not checked on update."""

    nullable = frozenset({"environment_id"})

    version: int
    name: str = ""
    model: str = ""


class _EnvironmentFields(RequestBody):
    packages: Packages = {}
    env_vars: EnvVars = {}
    setup_script: str = ""
    networking: Networking = {}


class EnvironmentCreate(_EnvironmentFields):
    """Body of `POST /environments`."""

    name: Text


class EnvironmentUpdate(_EnvironmentFields):
    """Body of `PUT /environments/{id}`."""

    version: int
    name: str = ""


class Repository(RequestBody):
    """One of the `resources` of a session."""

    type: Literal["github_repository"]
    url: Annotated[str, AfterValidator(inputs.check_repo_url)]
    mount_path: Annotated[str | None, AfterValidator(inputs.check_mount_path)] = None
    authorization_token: str | None = None


def _check_resources(resources: list[Repository]) -> list[Repository]:
    return inputs.check_resources(resources, lambda each: each.mount_path, lambda each: each.url)


class SessionCreate(RequestBody):
    """Body of `POST /sessions`."""

    agent_id: Id
    prompt: str
    timeout: Timeout = 600
    environment_id: Id | None = None
    resources: Annotated[list[Repository], AfterValidator(_check_resources)] = []
    secret_env_vars: EnvVars = {}


class Prompt(RequestBody):
    """Body of `POST /sessions/{id}/prompt`."""

    prompt: str
    timeout: Timeout = 600


def encode(kind: type[RequestBody], method: str, url: str, fields: dict[str, Any]) -> bytes:
    """Check the fields that are given and encode them; None usually means omitted.

    Raises:
        ValidationError: the service would refuse them, in its own words.
    """
    given: dict[str, Any] = {}
    try:
        for name, value in fields.items():
            if value is not msgspec.UNSET and (value is not None or name in kind.nullable):
                given[name] = inputs.plain(value)
        body = kind.model_validate(given).model_dump(mode="json", exclude_unset=True)
        return json.dumps(body, allow_nan=False).encode()
    except pydantic.ValidationError as error:
        found = error.errors(include_input=False, include_context=False)
        problems = [{**problem, "loc": list(problem["loc"])} for problem in found]
    except (ValueError, TypeError, RecursionError) as error:
        problems = [{"type": "json_type", "loc": [], "msg": f"Value is not JSON: {error}"}]
    # Raised out here, so that no pydantic error, which knows the input, hangs on to it.
    raise ValidationError(422, redact(problems, secrets_in(given)), method, url)


def segment(value: object, what: str) -> str:
    """One segment of a path: an id, escaped.

    Raises:
        AodUsageError: it is empty, longer than any id, or no id at all.
    """
    text = str(value) if isinstance(value, (str, UUID)) else ""
    if not text.strip() or text in {".", ".."} or len(text) > _LONGEST_ID:
        raise AodUsageError(
            f"{one_line(redact(repr(value)), 80)} is not a valid {what} id: pass the .id of one"
        )
    return quote(text, safe="")
