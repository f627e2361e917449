"""What a turn used, shared out among the calls that its messages made."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import pandas as pd

from aod_notebook.frames import prices
from aod_notebook.frames.logs.rows import COUNTS
from aod_notebook.frames.schema import TOKENS
from aod_notebook.transcripts import Usage
from aod_notebook.transcripts._json import as_dict, as_str, loads
from aod_notebook.transcripts.files import touched

SHARED: Final = ("tool", "file", "subagent")
"""The columns that tell the shares apart."""
NO_TOOL, NO_FILE, MAIN, SUBAGENT = "(no tool)", "(no file)", "(main)", "(subagent)"
MESSAGE_COLUMNS: Final = (
    *("session_id", "turn", "message_id", "parent_tool_use_id", "model"),
    *TOKENS,
)
_Key = tuple[Any, Any, Any]


class _MessageUsage(NamedTuple):
    message_id: str
    parent: str | None
    tokens: list[int]


class _Call(NamedTuple):
    tool: str
    files: list[str]


def shared(used: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return rows of model_usage, each split among the calls of its messages.

    Claude Code's logs count each message. Where these counts do not come to what the turn used
    (other CLIs, history that a fork copied), a row stays whole and `tool` and `file` are NA: for
    which call it was is not known.

    Args:
        used: rows with `session_id`, `turn`, `model`, tokens and `cost_usd`.
        tables: the tables of the sessions, with `messages`.

    Returns:
        The same columns and `tool`, `file`, `subagent`; sums of tokens and cost stay the same.
    """
    messages, calls = _messages(tables["messages"]), _calls(tables["tool_calls"])
    kinds = _kinds(tables["tool_calls"])
    parents = tables["sessions"].reindex(columns=["session_id", "parent_session_id"])
    children = set(parents.dropna(subset=["parent_session_id"])["session_id"])
    rows: list[dict[Any, Any]] = []
    for row in used.to_dict("records"):
        counted = messages[row["session_id"], row["turn"], row["model"]]
        sums = [sum(column) for column in zip(*(one.tokens for one in counted), strict=True)]
        if not counted or sums != _tokens(row):
            is_child = row["session_id"] in children
            rows.append({**row, "subagent": SUBAGENT if is_child else None})
            continue
        parts = [part for one in counted for part in _parts(row["session_id"], one, calls, kinds)]
        rows += _priced(row, parts)
    made = pd.DataFrame(rows, columns=[*used.columns, *SHARED])
    return made.astype({**used.dtypes.to_dict(), **dict.fromkeys(SHARED, "str")})


def _messages(messages: pd.DataFrame) -> dict[_Key, list[_MessageUsage]]:
    """Return the counted messages of each session, turn and model."""
    found: dict[_Key, list[_MessageUsage]] = defaultdict(list)
    counted = messages.dropna(subset=["message_id", "input_tokens"])
    for row in counted.to_dict("records"):
        parent = None if pd.isna(row["parent_tool_use_id"]) else row["parent_tool_use_id"]
        key = row["session_id"], row["turn"], row["model"]
        found[key].append(_MessageUsage(row["message_id"], parent, _tokens(row)))
    return found


def _tokens(row: dict[Any, Any]) -> list[int]:
    return [0 if pd.isna(row[name]) else int(row[name]) for name in TOKENS]


def _calls(calls: pd.DataFrame) -> dict[tuple[str, str], list[_Call]]:
    """Return the calls of each message of a session."""
    found: dict[tuple[str, str], list[_Call]] = defaultdict(list)
    names = ("session_id", "message_id", "tool", "input")
    known = calls.dropna(subset=["message_id", "tool"])
    for session, message, tool, given in zip(*(known[name] for name in names), strict=True):
        files = [touch.path for touch in touched(tool, loads(given) if _is_text(given) else None)]
        found[session, message].append(_Call(str(tool), files))
    return found


def _kinds(calls: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Return the kind of subagent that each call starts, where it names one."""
    names = ("session_id", "tool_use_id", "input")
    found = {}
    for session, call, given in zip(*(calls[name] for name in names), strict=True):
        if _is_text(given) and '"subagent_type"' in given:
            kind = as_str(as_dict(loads(given)).get("subagent_type"))
            found[session, call] = kind or SUBAGENT
    return found


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _parts(
    session: str,
    message: _MessageUsage,
    calls: dict[tuple[str, str], list[_Call]],
    kinds: dict[tuple[str, str], str],
) -> list[dict[str, Any]]:
    """Split a message evenly among its calls and their files."""
    pairs = [
        (call.tool, file)
        for call in calls.get((session, message.message_id), [_Call(NO_TOOL, [])])
        for file in call.files or [NO_FILE]
    ]
    parent = message.parent
    subagent = MAIN if parent is None else kinds.get((session, parent), SUBAGENT)
    parts: list[dict[str, Any]] = [
        {"tool": tool, "file": file, "subagent": subagent} for tool, file in pairs
    ]
    for name, count in zip(TOKENS, message.tokens, strict=True):
        each, rest = divmod(count, len(parts))
        for number, part in enumerate(parts):
            part[name] = each + (number < rest)
    return parts


def _priced(row: dict[Any, Any], parts: Sequence[dict[str, Any]]) -> list[dict[Any, Any]]:
    """Share the cost of a row by what the tokens of each part cost."""
    usages = [Usage(**{name: part[name] for name in TOKENS}) for part in parts]
    at = None if pd.isna(row["started_at"]) else int(row["started_at"].timestamp() * 1_000_000)
    counts = COUNTS["claude"]
    costs = [prices.cost(str(row["model"]), usage, counts, None, at) for usage in usages]
    weights = [one or 0.0 for one in costs]
    if not sum(weights):  # without a price all tokens count alike
        weights = [float(sum(part[name] for name in TOKENS[:4])) or 1e-9 for part in parts]
    total = sum(weights)
    cost = None if pd.isna(row["cost_usd"]) else row["cost_usd"]
    return [
        {**row, **part, "cost_usd": None if cost is None else cost * weight / total}
        for part, weight in zip(parts, weights, strict=True)
    ]
