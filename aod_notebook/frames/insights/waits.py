"""Findings about waiting: for the model, the API, a permission, or nothing."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from aod_notebook.core.text import counted
from aod_notebook.frames.insights.session import Finding, Limits, Row, SessionRows


def slow_starts(session: SessionRows, limits: Limits) -> Iterator[Finding]:
    """Find turns that took long to their first token."""
    for result in session.results:
        first, turn = result.get("ttft_ms"), result["turn"]
        if first is not None and first >= limits.first_token_ms:
            text = f"The first token came after {first / 1000:.0f} s"
            orders = session.end_of(turn)
            yield Finding("slow_start", "info", turn, text, 1, orders, lost_s=first / 1000)


def idle_times(session: SessionRows, limits: Limits) -> Iterator[Finding]:
    """Find long silences inside a turn while no tool was running."""
    busy = [(c.called_at, c.returned_at) for c in session.calls if c.called_at and c.returned_at]
    timed = [row for row in session.rows if row.at is not None]
    for before, row in pairwise(timed):
        start, end = before.at or 0.0, row.at or 0.0
        if before.turn != row.turn or end - start < limits.idle_s:
            continue
        if any(called <= start + 1 and returned >= end - 1 for called, returned in busy):
            continue
        text = f"Nothing happened for {end - start:.0f} s, and no tool was running"
        orders = [before.order, row.order]
        yield Finding("idle", "info", row.turn, text, 1, orders, lost_s=end - start)


def denied_calls(session: SessionRows, limits: Limits) -> Iterator[Finding]:
    """Find turns in which calls were not permitted."""
    for result in session.results:
        count, turn = result.get("permission_denials"), result["turn"]
        if count is not None and count >= limits.denials:
            text = f"{counted(int(count), 'call')} {'was' if count == 1 else 'were'} not permitted"
            yield Finding("denied", "warn", turn, text, int(count), session.end_of(turn))


def api_retries(session: SessionRows, limits: Limits) -> Iterator[Finding]:
    """Find turns in which a request to the API was repeated many times."""
    by_turn: dict[int | None, list[Row]] = defaultdict(list)
    for row in session.rows:
        if row.subtype == "api_retry":
            by_turn[row.turn].append(row)
    for turn, rows in by_turn.items():
        if len(rows) >= limits.retries:
            times = [row.at for row in rows if row.at is not None]
            lost = max(times) - min(times) if len(times) > 1 else None
            text = f"Requests to the API were repeated {len(rows)} times"
            orders = [row.order for row in rows]
            yield Finding("api_retry", "info", turn, text, len(rows), orders, lost_s=lost)
