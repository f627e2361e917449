"""The output of turns after the end of a recording, in the format of the recording."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aod_notebook.local.runtimes.recordings import RecordedLine, RecordedSession

if TYPE_CHECKING:
    from aod_notebook.local.runtimes.base import AgentTurn

_NOTHING = {"input_tokens": 0, "output_tokens": 0}


def after_the_end(recording: RecordedSession, turn: AgentTurn) -> list[RecordedLine]:
    """Return the lines of a turn that the recording does not have."""
    text = (
        f"This is a replay: the recording '{recording.name}' has {len(recording.turns)} turn(s), "
        f"and this is turn {turn.number}. No model was asked."
    )
    make = {"codex": _codex, "gemini": _gemini, "opencode": _opencode}.get(
        recording.runtime or "", _claude
    )
    return [RecordedLine(json.dumps(value) + "\n") for value in make(text, turn)]


def _claude(text: str, turn: AgentTurn) -> list[dict[str, Any]]:
    message = {
        "id": f"replay-{turn.session_id}-{turn.number}",
        "role": "assistant",
        "model": "replay",
        "content": [{"type": "text", "text": text}],
        "usage": _NOTHING,
        "stop_reason": "end_turn",
    }
    values: list[dict[str, Any]] = [
        {"type": "system", "subtype": "init", "model": "replay", "tools": [], "mcp_servers": []},
        {"type": "assistant", "message": message, "parent_tool_use_id": None},
        {
            "type": "result",
            "subtype": "success",
            "is_error": False,
            "duration_ms": 0,
            "duration_api_ms": 0,
            "num_turns": 1,
            "result": text,
            "total_cost_usd": 0.0,
            "usage": _NOTHING,
            "permission_denials": [],
        },
    ]
    return [value | {"session_id": turn.session_id} for value in values]


def _codex(text: str, turn: AgentTurn) -> list[dict[str, Any]]:
    del turn  # the lines of codex name no session but in the first one
    return [
        {"type": "turn.started"},
        {"type": "item.completed", "item": {"id": "item_0", "type": "agent_message", "text": text}},
    ]


def _gemini(text: str, turn: AgentTurn) -> list[dict[str, Any]]:
    return [
        {"type": "init", "session_id": turn.session_id, "model": "replay"},
        {"type": "message", "role": "assistant", "content": text, "delta": True},
        {"type": "result", "status": "success"},
    ]


def _opencode(text: str, turn: AgentTurn) -> list[dict[str, Any]]:
    part = {"type": "text", "sessionID": turn.session_id, "text": text}
    return [{"type": "text", "sessionID": turn.session_id, "part": part}]
