"""Values of the two services' wire that several rooms compare with; it imports none of ours.

The services may send values that are not listed here: readers let the unknown pass.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

RunStatus = Literal["running", "completed", "failed", "cancelled"]
TaskStatus = Literal["pending", "running", "completed", "failed", "skipped"]

AGENT_RUNTIMES: Final = ("claude", "codex", "gemini", "opencode")
"""The agent CLIs."""
LOCAL_RUNTIMES: Final = ("shell", "replay")
"""Runtimes of the embedded service that need no model."""
RUNTIMES: Final = (*AGENT_RUNTIMES, *LOCAL_RUNTIMES)
PROVIDERS: Final = ("anthropic", "openai")
"""Providers by which the older API names what runs an agent."""

ACTIVE_STATUSES: Final = ("pending", "running")
"""States of a session or a run that has work left."""
SESSION_ENDED: Final = ("completed", "failed", "terminated")
SESSION_STATUSES: Final = (*ACTIVE_STATUSES, *SESSION_ENDED)
TURN_STATUSES: Final = (*ACTIVE_STATUSES, "completed", "failed", "interrupted")
RUN_ENDED: Final = ("completed", "failed", "cancelled")
RUN_STATUSES: Final[tuple[str, ...]] = get_args(RunStatus)
RUN_WAITING: Final = ("awaiting_input", "awaiting_approval")
"""What a run waits for: the name of the state, of the event, and of the row's field."""
TASK_STATUSES: Final[tuple[str, ...]] = get_args(TaskStatus)

FINAL_EVENTS: Final = ("exit", "error", "terminated")
"""Types of a session's events that end a turn."""
TERMINAL_EVENTS: Final = (*FINAL_EVENTS, "stale")
"""Types that end a stream; a session continues after `stale`."""
EVENT_TYPES: Final = ("start", "stage", "turn_start", "output", *TERMINAL_EVENTS)

TOKEN_FIELDS: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_creation_tokens",
)
"""Counts of a run or a span, which never overlap: `input_tokens` has none of the cached."""
