"""Findings about the cost of the context and its cache."""

from collections.abc import Iterator

from aod_notebook.frames.insights.session import Finding, Limits, Row, SessionRows


def growing_context(session: SessionRows, limits: Limits) -> Iterator[Finding]:
    """Find sessions with a context that became many times as large as it began."""
    sizes = [(row, row.context) for row in session.rows if row.parent is None]
    known = [(row, size) for row, size in sizes if size]
    if not known:
        return
    first, begun = known[0]
    largest, size = max(known, key=lambda pair: pair[1])
    if size >= limits.context_tokens and size >= begun * limits.context_growth:
        text = f"The context grew from {begun:,} to {size:,} tokens"
        orders = [first.order, largest.order]
        yield Finding("context_growth", "warn", largest.turn, text, 1, orders, tokens=size)


def compactions(session: SessionRows, _: Limits) -> Iterator[Finding]:
    """Find the places where a full context was summarised."""
    for row in session.rows:
        if row.subtype == "compact_boundary" or row.line_type == "compacted":
            text = "The context was full and was summarised"
            yield Finding("compaction", "info", row.turn, text, 1, [row.order])


def cold_caches(session: SessionRows, limits: Limits) -> Iterator[Finding]:
    """Find requests that had to write the context to the cache again after a pause."""
    before: Row | None = None
    for row in session.rows:
        if row.at is None or row.parent is not None or row.context is None:
            continue
        written = row.usage.cache_creation_tokens or 0
        if before is not None and before.at is not None:
            pause = row.at - before.at
            if pause > limits.pause_s and written >= limits.cold_tokens:
                text = f"After a pause of {pause / 60:.0f} min {written:,} tokens were cached again"
                orders = [before.order, row.order]
                yield Finding(
                    "cold_cache", "warn", row.turn, text, 1, orders, tokens=written, lost_s=pause
                )
        before = row
