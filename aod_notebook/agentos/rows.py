"""The rows of the control plane's answers; each keeps its unknown fields."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

AgentStatus = Literal["active", "paused", "archived"]
AlertCondition = Literal["run_failed", "run_duration_exceeded", "error_rate_exceeded", "no_runs"]
Channel = Literal["email", "webhook"]
Decision = Literal["approved", "rejected"]
Frequency = Literal["daily", "weekly"]
Mime = Literal["text/plain", "text/markdown", "text/csv", "text/html", "application/json"]
Provider = Literal["anthropic", "openai"]
ReportStatus = Literal["generating", "ready", "failed"]
ReportType = Literal["run_summary", "agent_daily", "agent_weekly", "workspace_weekly", "on_demand"]
Role = Literal["admin", "member"]

Row = dict[str, Any]
"""A row of which the contract says nothing."""


class AgentRow(TypedDict, total=False):
    """A hosted agent; `agents.create` returns `agent_id`."""

    id: str
    agent_id: str
    name: str
    status: str


class RunRow(TypedDict, total=False):
    """A run, with its output and timing."""

    id: str
    run_id: str
    agent_id: str
    status: str
    output: Any
    error_message: str | None
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_creation_tokens: int | None
    created_at: str
    ended_at: str | None
    awaiting_input: dict[str, Any]
    awaiting_approval: dict[str, Any]
    session_id: str | None


class EventRow(TypedDict, total=False):
    """An event of a run, numbered by the service."""

    sequence_number: int
    type: str
    level: str
    payload: dict[str, Any]
    occurred_at: str
    span_id: str
    parent_span_id: str
    kind: str
    started_at: str
    ended_at: str
    duration_ms: int


class ApiKeyRow(TypedDict, total=False):
    """A key; the plaintext is in the answer to `create` only."""

    id: str
    name: str
    prefix: str
    agent_id: str
    revoked: bool
    last_used_at: str | None


class ApprovalRow(TypedDict, total=False):
    """A question to approve or reject."""

    id: str
    run_id: str
    agent_id: str
    status: str


class ConversationRow(TypedDict, total=False):
    """A stored conversation."""

    id: str
    agent_id: str


class FolderRow(TypedDict, total=False):
    """A folder of agents."""

    id: str
    name: str


class ReportRow(TypedDict, total=False):
    """A report; `get` adds `content_md`, `generate` returns `report_id`."""

    id: str
    report_id: str
    type: str
    status: str
    summary: str | None
    content_md: str


class EvalRunRow(TypedDict, total=False):
    """A run of an eval case."""

    eval_run_id: str
    status: str
    results: list[dict[str, Any]]


class WorkspaceRow(TypedDict, total=False):
    """A workspace; with a personal key, the role in it."""

    id: str
    slug: str
    role: str


class TokenUsage(TypedDict, total=False):
    """Token counts of a run or of one model call."""

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int
