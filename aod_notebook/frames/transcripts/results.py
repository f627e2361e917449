"""The results and model_usage frames: how each turn ended, and what its models used."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import pandas as pd
from msgspec.structs import replace

from aod_notebook.frames import prices
from aod_notebook.frames.exchange import Library, library
from aod_notebook.frames.native import Table
from aod_notebook.frames.report import Filled, Report, deliver, finish
from aod_notebook.frames.schema import SCHEMAS, TOKENS
from aod_notebook.frames.sources import Events, Gathered, Models, derived
from aod_notebook.frames.transcripts.pieces import Piece
from aod_notebook.transcripts import ModelUsage, Result, Spoken, Usage

_RESULTS = SCHEMAS["results"]
_MODEL_USAGE = SCHEMAS["model_usage"]
_NO_USAGE = Usage()
_FROM_RESULT = (
    "subtype",
    "is_error",
    "num_turns",
    "duration_ms",
    "duration_api_ms",
    "cost_usd",
    "ttft_ms",
    "stop_reason",
    "terminal_reason",
    "api_error_status",
    "input_includes_cache",
    "output_includes_reasoning",
)


class _TurnResult(NamedTuple):
    session_id: str | None
    turn: int | None
    result: Result
    at: int | None
    """When it was reported."""


def results_of(
    pieces: Iterable[Piece],
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
) -> Filled:
    """Make the results frame of transcripts."""
    table, report = Table(_RESULTS.select(columns, exclude)), Report()
    found = turn_results(pieces, report)
    usages = [row.result.usage or _NO_USAGE for row in found]
    values: dict[str, Any] = {
        "session_id": [row.session_id for row in found],
        "turn": [row.turn for row in found],
        "permission_denials": [row.result.denial_count for row in found],
        "result": [_words(row.result) for row in found],
    }
    values |= {name: [getattr(row.result, name) for row in found] for name in _FROM_RESULT}
    values |= {name: [getattr(usage, name) for usage in usages] for name in TOKENS}
    if _is_priced(table):
        costs = [_costs(row, report) for row in found]
        values |= _cost_values(values["cost_usd"], [_sum(of_models) for of_models in costs])
    table.add(len(found), values)
    return finish(table, _RESULTS, report, price_version=prices.version())


def model_usage_of(
    pieces: Iterable[Piece],
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
) -> Filled:
    """Make the model_usage frame of transcripts."""
    table, report = Table(_MODEL_USAGE.select(columns, exclude)), Report()
    turns = turn_results(pieces, report)
    found: list[tuple[_TurnResult, ModelUsage]] = [
        (row, used) for row in turns for used in row.result.model_usage
    ]
    values: dict[str, Any] = {
        "session_id": [row.session_id for row, _ in found],
        "turn": [row.turn for row, _ in found],
    }
    for name in ("model", "cost_usd", "web_search_requests", "context_window"):
        values[name] = [getattr(used, name) for _, used in found]
    values |= {name: [getattr(used.usage, name) for _, used in found] for name in TOKENS}
    if _is_priced(table):
        costs = [cost for row in turns for cost in _costs(row, report)]
        values |= _cost_values(values["cost_usd"], costs)
    table.add(len(found), values)
    return finish(table, _MODEL_USAGE, report, price_version=prices.version())


def turn_results(pieces: Iterable[Piece], report: Report | None = None) -> list[_TurnResult]:
    """Find the account of each turn: the one at its last result line.

    The report takes the turns of Claude that never reported how they ended.
    """
    found: dict[tuple[str | None, int | None], _TurnResult] = {}
    unreported: dict[tuple[str | None, int | None], None] = {}
    for piece in pieces:
        key = piece.session_id, piece.turn
        if not isinstance(piece.entries, Spoken):  # in which no turn ends
            for entry, at in zip(piece.entries, piece.times, strict=True):
                if entry.result is not None:
                    result = _named(entry.result, piece.model)
                    found[key] = _TurnResult(piece.session_id, piece.turn, result, at)
        if piece.runtime == "claude":
            unreported[key] = None
    if report is not None:
        for session_id, turn in [key for key in unreported if key not in found]:
            where = f"turn {turn}" if session_id is None else f"{session_id}, turn {turn}"
            report.once("a turn of Claude has no result line", where)
    return list(found.values())


def _named(result: Result, model: str | None) -> Result:
    """Put the agent's model where the runtime names none."""
    if model is None or all(used.model is not None for used in result.model_usage):
        return result
    named = tuple(
        replace(used, model=model) if used.model is None else used for used in result.model_usage
    )
    return replace(result, model_usage=named)


def _is_priced(table: Table) -> bool:
    return "computed_cost_usd" in table or "cost_source" in table


def _costs(row: _TurnResult, report: Report) -> list[float | None]:
    """Compute what each model of a turn cost; what has no price is reported once."""
    costs = []
    for used in row.result.model_usage:
        cost = None
        if used.model is None:
            if used.cost_usd is None:
                report.once("no model is named, so no cost is computed", row.session_id or "")
        else:
            searches = used.web_search_requests
            cost = prices.cost(used.model, used.usage, row.result, searches, row.at)
            is_counted = None not in (used.usage.input_tokens, used.usage.output_tokens)
            if cost is None and is_counted and prices.version() is not None:
                report.once("no price is known for a model", used.model)
            elif cost is None and is_counted and used.cost_usd is None:
                prices.notice()
        costs.append(cost)
    return costs


def _sum(costs: list[float | None]) -> float | None:
    """Add up the costs of a turn's models; unknown if one of them is."""
    known = [cost for cost in costs if cost is not None]
    return math.fsum(known) if known and len(known) == len(costs) else None


def _cost_values(reported: list[float | None], computed: list[float | None]) -> dict[str, Any]:
    sources = [
        "reported" if given is not None else None if made is None else "computed"
        for given, made in zip(reported, computed, strict=True)
    ]
    return {"computed_cost_usd": computed, "cost_source": sources}


def results_df(
    source: Any = None,
    *,
    client: Any = None,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    since: int | None = None,
    jobs: int = 8,
    progress: bool = False,
    to: Library = "pandas",
) -> pd.DataFrame:
    """Return how turns ended: one row per turn that reported it, with its tokens and cost.

    Arguments, errors and warnings are those of `events_df`.
    """
    library(to)
    gathered = Gathered(source, client=client, since=since, jobs=jobs, progress=progress)
    return deliver(gathered.read("results", results_of, columns, exclude), to)


def model_usage_df(
    source: Any = None,
    *,
    client: Any = None,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    since: int | None = None,
    jobs: int = 8,
    progress: bool = False,
    to: Library = "pandas",
) -> pd.DataFrame:
    """Return what models used: one row per model of a turn.

    Arguments, errors and warnings are those of `events_df`.
    """
    library(to)
    gathered = Gathered(source, client=client, since=since, jobs=jobs, progress=progress)
    return deliver(gathered.read("model_usage", model_usage_of, columns, exclude), to)


def results_from_events(
    events: Events,
    *,
    models: Models = None,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    to: Library = "pandas",
) -> pd.DataFrame:
    """Find how each turn ended in the agent's own words.

    Args:
        events: an events frame, `StreamEvent` objects, or bytes of SSE bodies.
        models: the model where the runtime names none (Codex, opencode): one for all, or a
            mapping or a frame from `session_id` to `model`.
        columns: only these columns.
        exclude: all columns but these.
        to: "pandas", "polars" or "arrow".

    Returns:
        The results frame: one row per turn, none for a turn of Claude that has no result line,
        which `df.attrs["problems"]` names. Tokens and cost are those of the turn alone, the
        sums of its `model_usage` rows. `computed_cost_usd` is what they come to by the prices
        that `df.attrs["price_version"]` names. What a runtime does not report is NA, never 0.
    """
    library(to)
    return deliver(derived(results_of, events, columns, exclude, models), to)


def model_usage_from_events(
    events: Events,
    *,
    models: Models = None,
    columns: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    to: Library = "pandas",
) -> pd.DataFrame:
    """Find what each model used in each turn.

    Args:
        events: an events frame, `StreamEvent` objects, or bytes of SSE bodies.
        models: the model where the runtime names none (Codex, opencode): one for all, or a
            mapping or a frame from `session_id` to `model`.
        columns: only these columns.
        exclude: all columns but these.
        to: "pandas", "polars" or "arrow".

    Returns:
        The model_usage frame; where the runtime does not name the model and `models` neither, it
        is NA, and so is its `computed_cost_usd`.
    """
    library(to)
    return deliver(derived(model_usage_of, events, columns, exclude, models), to)


def _words(result: Result) -> str | None:
    return result.text or "\n".join(result.errors) or None
