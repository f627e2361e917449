"""Request bodies of the AoD half as pydantic models with the fields of the real service.

Agents have one model per generation. `context` carries what a field's check needs to know of the
rest: `free` is true for runtimes that take any model text, `strict` where those of the CLIs have
the hosted service's list of models.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, field_validator

from aod_notebook.local.aod import rules
from aod_notebook.local.aod.catalog import MODELS

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def _checked(check: Callable[[T], T]) -> AfterValidator:
    """Make a validator of a check; pydantic refuses lone surrogates in its message."""

    def checked(value: T) -> T:
        try:
            return check(value)
        except ValueError as error:
            raise ValueError(str(error).encode("utf-8", "replace").decode()) from None

    return AfterValidator(checked)


# pydantic looks for lone surrogates, which no file takes, in a text with a constraint only
Text = Annotated[str, Field(min_length=0)]
Skills = Annotated[list[Any], _checked(rules.check_skills)]
McpServers = Annotated[list[Any], _checked(rules.check_mcp_servers)]
Packages = Annotated[dict[str, list[Text]], _checked(rules.check_packages)]
Variables = Annotated[dict[str, Text], _checked(rules.check_variables)]
Networking = Annotated[dict[str, Any], AfterValidator(rules.check_networking)]
Timeout = Annotated[int, Field(ge=10, le=3600)]

_REPOSITORY = re.compile(
    # a name of dots alone, or `.git`, would name more than one repository to git's credentials
    r"https://github\.com/[\w-][\w.-]*/(?!\.{1,2}(?:\.git)?$)(?!\.git$)[\w.-]+(\.git)?",
    re.ASCII,
)
_MAX_RESOURCES = 10


def _known_model(model: str | None, info: ValidationInfo) -> str | None:
    context = info.context or {}
    if not context.get("strict"):
        return _filled_model(model, info)
    if model is None or context.get("free") or model in MODELS:
        return model
    raise ValueError(f"Unknown model: {model}. Must be one of: {sorted(MODELS)}")


def _filled_model(model: str | None, info: ValidationInfo) -> str | None:
    if model is None or (info.context or {}).get("free") or model.strip():
        return model
    raise ValueError("Model must be a non-empty string")


def _no_option(model: str | None) -> str | None:
    """Refuse a model that an agent CLI would take as an option, also behind a provider's prefix."""
    if model is not None and any(part.lstrip().startswith("-") for part in model.split("/")):
        raise ValueError(f"Invalid model {model!r}: no part of it may begin with '-'")
    return model


class _AgentCreateBody(BaseModel):
    name: Annotated[str, Field(max_length=200)]
    system: Text = ""
    description: Text = ""
    environment_id: str | None = None
    skills: Skills = []
    mcp_servers: McpServers = []
    metadata: dict[str, Any] = {}


class RuntimeAgentCreate(_AgentCreateBody):
    """`POST /agents` of the runtime API."""

    model: Annotated[
        str, Field(max_length=100), AfterValidator(_no_option), AfterValidator(_known_model)
    ]
    runtime: Annotated[str, Field(max_length=32)]


class ProviderAgentCreate(_AgentCreateBody):
    """`POST /agents` of the provider API."""

    provider: Annotated[str, Field(max_length=32)]
    model: Annotated[
        str, Field(max_length=100), AfterValidator(_no_option), AfterValidator(_filled_model)
    ]


class _AgentUpdateBody(BaseModel):
    version: int
    name: Text | None = None
    system: Text | None = None
    description: Text | None = None
    environment_id: str | None = None
    skills: Skills | None = None
    mcp_servers: McpServers | None = None
    metadata: dict[str, Any] | None = None


class RuntimeAgentUpdate(_AgentUpdateBody):
    """`PUT /agents/{id}` of the runtime API."""

    model: Annotated[Text | None, AfterValidator(_no_option), AfterValidator(_known_model)] = None
    runtime: Text | None = None


class ProviderAgentUpdate(_AgentUpdateBody):
    """`PUT /agents/{id}` of the provider API."""

    provider: Text | None = None
    model: Annotated[Text | None, AfterValidator(_no_option), AfterValidator(_filled_model)] = None


class EnvironmentCreateBody(BaseModel):
    """`POST /environments`."""

    name: Annotated[str, Field(max_length=200)]
    packages: Packages = {}
    env_vars: Variables = {}
    setup_script: Text = ""
    networking: Networking = {"type": "unrestricted"}


class EnvironmentUpdateBody(BaseModel):
    """`PUT /environments/{id}`."""

    version: int
    name: Text | None = None
    packages: Packages | None = None
    env_vars: Variables | None = None
    setup_script: Text | None = None
    networking: Networking | None = None


class Repository(BaseModel):  # messages of validation show this name, as other services do
    """An entry of `resources`: a GitHub repository to clone."""

    type: Literal["github_repository"]
    url: str
    mount_path: Text | None = None
    authorization_token: Text | None = None

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        if not _REPOSITORY.fullmatch(url):
            raise ValueError("Must be a valid https://github.com/<owner>/<repo> URL")
        return url.removesuffix(".git")

    @field_validator("mount_path")
    @classmethod
    def _check_mount_path(cls, path: str | None) -> str | None:
        if path is not None and not path.startswith("/"):
            raise ValueError("mount_path must be an absolute path")
        if path in ("/", "/home/sprite"):
            raise ValueError("mount_path must not be the Sprite root")
        return path

    @property
    def mounted(self) -> str:
        """Where the clone goes, the default filled in."""
        return self.mount_path or f"/workspace/{self.url.rsplit('/', 1)[1]}"


def _check_resources(resources: list[Repository]) -> list[Repository]:
    if len(resources) > _MAX_RESOURCES:
        raise ValueError(f"Maximum {_MAX_RESOURCES} resources per session")
    if len({resource.mounted for resource in resources}) < len(resources):
        raise ValueError("Duplicate mount_path in resources")
    return resources


LocalEnv = dict[str, Text] | None
"""The variables of the kernel that asks, for its CLI: this service's own field, never stored."""


class SessionCreateBody(BaseModel):
    """`POST /sessions`."""

    agent_id: str
    prompt: Text
    timeout: Timeout = 600
    environment_id: str | None = None
    resources: Annotated[list[Repository], AfterValidator(_check_resources)] = []
    secret_env_vars: Variables = {}
    local_env_vars: LocalEnv = None


class PromptBody(BaseModel):
    """`POST /sessions/{id}/prompt`."""

    prompt: Text
    timeout: Timeout = 600
    local_env_vars: LocalEnv = None
