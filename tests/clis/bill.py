"""What a session's tables say was used, in the terms of the scripted model's ledger."""

from dataclasses import dataclass

import pandas as pd
import pytest

from aod_notebook.testing import Counts, total

SONNET = (3.0, 15.0, 0.3, 3.75, 6.0)
HAIKU = (1.0, 5.0, 0.1, 1.25, 2.0)
"""Dollars a million: input, output, cache read, written for 5 minutes, written for an hour."""
SEARCH = 0.01
"""Dollars a search of the web."""
TASK = "Count the files"
"""What subagents of the tests are asked for."""
CUT_TEXT = "This is the beginning"
"""What comes of an answer that is cut."""


@dataclass
class Bill:
    """Token counts; None is what the CLI does not report."""

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int | None
    cache_creation_1h_tokens: int | None
    reasoning_tokens: int | None


def from_table(table, flags=None):
    """Add up a results or model_usage frame; `flags` is the results frame that explains it."""
    flags = table if flags is None else flags
    sums = {name: table[name].sum(min_count=1) for name in Bill.__annotations__ if name in table}
    known = {name: None if pd.isna(found) else int(found) for name, found in sums.items()}
    if flags["input_includes_cache"].any():
        known["input_tokens"] -= known["cache_read_tokens"] + (known["cache_creation_tokens"] or 0)
    if not flags["output_includes_reasoning"].fillna(value=True).all():
        known["output_tokens"] += known["reasoning_tokens"] or 0
    return Bill(**known)


def from_ledger(rows, like):
    """Add up ledger rows, as far as the table `like` reports them."""
    counts = total(rows)
    return Bill(**{
        name: None if like is not None and getattr(like, name) is None else getattr(counts, name)
        for name in Bill.__annotations__
    })  # fmt: skip


def cost(rows):
    """Return what Anthropic would bill for ledger rows, in dollars."""
    return sum(_cost(row) for row in rows)


def _cost(row: Counts):
    fresh, output, read, short, long = HAIKU if "haiku" in row.model else SONNET
    return (
        fresh * row.input_tokens
        + output * row.output_tokens
        + read * row.cache_read_tokens
        + short * (row.cache_creation_tokens - row.cache_creation_1h_tokens)
        + long * row.cache_creation_1h_tokens
    ) / 1_000_000


def reported(version, row):
    """Check whether the CLI reports the request: titles and some subagents are in no output."""
    if row.status == 200 and not row.is_finished:
        return version == "claude"
    if version == "opencode":
        return not row.is_side and TASK not in row.prompt
    return version != "codex" or TASK not in row.prompt


def estimate(version, rows):
    """Return the output tokens that the CLI estimates: Claude does for an answer that was cut.

    It takes a token for four characters of what had come, in place of the placeholder 1.
    """
    cut = [row for row in rows if row.status == 200 and not row.is_finished]
    return len(cut) * (len(CUT_TEXT) // 4 - 1) if version == "claude" else 0


def compare(version, session, ledger):
    """Compare the tables of a session with the ledger; return the row of the shown table."""
    rows = [row for row in ledger if reported(version, row)]
    results, models = session.results, session.models
    served = from_ledger(rows, from_table(models, results) if len(models) else None)
    served.output_tokens += estimate(version, rows)
    if len(models):
        assert from_table(models, results) == served
        assert from_table(results) == served
    else:
        assert served.input_tokens == served.output_tokens == 0
    if version.startswith("claude") and len(results):
        searched = sum(row.web_searches for row in rows) * SEARCH
        expected = cost(rows) + estimate(version, rows) * SONNET[1] / 1e6 + searched
        assert results["cost_usd"].sum() == pytest.approx(expected, abs=1e-9)
    return {"unreported requests": len(ledger) - len(rows), **summary(session, ledger, served)}


def summary(session, ledger, served=None):
    """Return what is shown of a session."""
    results, calls = session.results, session.calls
    assert calls["duration_s"].dropna().ge(0).all()
    return {
        "requests": len(ledger),
        "input": served and served.input_tokens,
        "output": served and served.output_tokens,
        "cache read": served and served.cache_read_tokens,
        "cache written": served and served.cache_creation_tokens,
        "cost": None if results["cost_usd"].isna().all() else float(results["cost_usd"].sum()),
        "calls": len(calls),
        "failed calls": int(calls["is_error"].fillna(value=False).astype(bool).sum()),
        "status": session.final.status,
        "exit": session.final.exit_code,
        "error": bool(results["is_error"].fillna(value=False).any()),
    }
