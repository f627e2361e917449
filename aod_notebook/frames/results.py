"""The results and model_usage frames: how each turn ended, and what its models used."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from aod_notebook.frames._deliver import Framed, Report, finish
from aod_notebook.frames._native import Table
from aod_notebook.frames._signatures import derive_function
from aod_notebook.frames._transcript import Piece
from aod_notebook.frames.schema import SCHEMAS
from aod_notebook.frames.sources import Events, derived
from aod_notebook.transcripts import ModelUsage, Result, Usage

_RESULTS = SCHEMAS["results"]
_MODEL_USAGE = SCHEMAS["model_usage"]
_TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens")
_NO_USAGE = Usage()
_FROM_RESULT = (
    "subtype",
    "is_error",
    "num_turns",
    "duration_ms",
    "duration_api_ms",
    "cost_usd",
    "stop_reason",
    "terminal_reason",
    "api_error_status",
    "input_includes_cache",
)


class _TurnResult(NamedTuple):
    session_id: str | None
    turn: int | None
    result: Result


def results_of(
    pieces: Iterable[Piece],
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
) -> Framed:
    """Make the results frame of transcripts."""
    found = turn_results(pieces)
    usages = [row.result.usage or _NO_USAGE for row in found]
    values: dict[str, Any] = {
        "session_id": [row.session_id for row in found],
        "turn": [row.turn for row in found],
        "permission_denials": [row.result.denial_count for row in found],
        "result": [_words(row.result) for row in found],
    }
    values |= {name: [getattr(row.result, name) for row in found] for name in _FROM_RESULT}
    values |= {name: [getattr(usage, name) for usage in usages] for name in _TOKENS}
    table = Table(_RESULTS.select(columns, exclude))
    table.add(len(found), values)
    return finish(table, _RESULTS, Report())


def model_usage_of(
    pieces: Iterable[Piece],
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
) -> Framed:
    """Make the model_usage frame of transcripts."""
    found: list[tuple[_TurnResult, ModelUsage]] = [
        (row, used) for row in turn_results(pieces) for used in row.result.model_usage
    ]
    values: dict[str, Any] = {
        "session_id": [row.session_id for row, _ in found],
        "turn": [row.turn for row, _ in found],
    }
    for name in ("model", "cost_usd", "web_search_requests", "context_window"):
        values[name] = [getattr(used, name) for _, used in found]
    values |= {name: [getattr(used.usage, name) for _, used in found] for name in _TOKENS}
    table = Table(_MODEL_USAGE.select(columns, exclude))
    table.add(len(found), values)
    return finish(table, _MODEL_USAGE, Report())


def turn_results(pieces: Iterable[Piece]) -> list[_TurnResult]:
    """Find the result of each turn: its last result line is the one that counts."""
    found: dict[tuple[str | None, int | None], _TurnResult] = {}
    for piece in pieces:
        for entry in piece.entries:
            if entry.result is not None:
                row = _TurnResult(piece.session_id, piece.turn, entry.result)
                found[piece.session_id, piece.turn] = row
    return list(found.values())


@derive_function
def results_from_events(
    events: Events,
    *,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
) -> Framed:
    """Find how each turn ended in the agent's own words (CONTRACT A.13).

    Args:
        events: an events frame, `StreamEvent` objects, or bytes of SSE bodies.
        columns: only these columns.
        exclude: all columns but these.
        strict: False returns `(frame, problems)` and warns of nothing.

    Returns:
        The results frame: one row per turn, none for a turn whose agent died before it
        said how it ended. What a runtime does not tell is NA, never 0.
    """
    return derived(results_of, events, columns, exclude)


@derive_function
def model_usage_from_events(
    events: Events,
    *,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
) -> Framed:
    """Find what each model used in each turn (CONTRACT A.13).

    Args:
        events: an events frame, `StreamEvent` objects, or bytes of SSE bodies.
        columns: only these columns.
        exclude: all columns but these.
        strict: False returns `(frame, problems)` and warns of nothing.

    Returns:
        The model_usage frame; a runtime that does not name its models has one row per turn
        with `model` NA.
    """
    return derived(model_usage_of, events, columns, exclude)


def _words(result: Result) -> str | None:
    return result.text or "\n".join(result.errors) or None
