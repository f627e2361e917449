"""The card of a store: how many sessions, what they did, what they cost and hold."""

from datetime import UTC, datetime
from typing import Any, Final

from aod_notebook.core import words
from aod_notebook.core.card import Card
from aod_notebook.core.text import counted
from aod_notebook.frames.rows import records
from aod_notebook.frames.schema import TOKENS
from aod_notebook.transcripts import Spent, Usage

MOST_READ: Final = 1_000
"""Of a store of more sessions a card counts sessions and files only, so that it shows at once."""
_DAY_S: Final = 86_400
_INCLUDES: Final = ("input_includes_cache", "output_includes_reasoning")

_Number = tuple[str, str, str]


def store_card(store: Any) -> Card:
    """Return the card of a `Store`, which shows itself by it."""
    count = len(store.session_ids)
    sizes = [file.stat() for file in store.path.rglob("*.parquet") if file.is_file()]
    held = sum(size.st_size for size in sizes)
    newest = max((size.st_mtime for size in sizes), default=None)
    numbers: list[_Number] = []
    if 0 < count <= MOST_READ:
        numbers += _of_sessions(store, count)
        numbers += _of_calls(store)
        numbers += _of_results(store)
    else:
        numbers.append((f"{count:,}", "session" if count == 1 else "sessions", ""))
    numbers.append((f"{held / 1e6:,.1f} MB", counted(len(sizes), "file"), ""))
    when = None if newest is None else datetime.fromtimestamp(newest, UTC)
    age = words.age(when)
    is_recent = age.endswith((" s", " min", " h"))
    return Card(
        f"Store {store.path}",
        f"updated {age}{' ago' if is_recent else ''}" if age else "",
        words.exact(when),
        numbers=numbers,
        next_steps=(
            'store.frame("sessions")',
            "frames.sessions_df(store, details=True)",
            "plots.overview(store)",
        ),
    )


def _of_sessions(store: Any, count: int) -> list[_Number]:
    sessions = store.frame("sessions", columns=["status", "created_at"])
    known = sessions["created_at"].dropna()
    days = 0 if known.empty else (known.max() - known.min()).total_seconds() / _DAY_S
    within = f", {round(days):,} days" if days >= 1.5 else ""  # noqa: PLR2004 - rounds to 2
    failed = int(sessions["status"].eq("failed").sum())
    numbers = [(f"{count:,}", f"{'session' if count == 1 else 'sessions'}{within}", "")]
    if failed:
        numbers.append((f"✗ {failed:,}", f"failed ({100 * failed / count:.0f} %)", "bad"))
    return numbers


def _of_calls(store: Any) -> list[_Number]:
    failed = store.frame("tool_calls", columns=["is_error"])["is_error"].fillna(value=False)
    if not len(failed):
        return []
    number = int(failed.sum())
    bad = f", {number:,} failed" if number else ""
    return [(f"{len(failed):,}", f"{'tool call' if len(failed) == 1 else 'tool calls'}{bad}", "")]


def _of_results(store: Any) -> list[_Number]:
    results = store.frame("results", columns=["session_id", "cost_usd", *TOKENS, *_INCLUDES])
    numbers = _tokens(records(results))
    costs = results.dropna(subset="cost_usd").groupby("session_id")["cost_usd"].sum()
    if len(costs):
        mean = float(costs.mean())
        numbers.append((words.dollars(float(costs.sum())), f"{words.dollars(mean)} a session", ""))
    return numbers


def _tokens(rows: list[dict[str, Any]]) -> list[_Number]:
    """Add up what was read and written; a runtime that reports no tokens adds nothing."""
    read = written = cached = 0
    for row in rows:
        spent = Spent(
            usage=Usage(**{name: row[name] for name in TOKENS}),
            **{name: row[name] for name in _INCLUDES},
        )
        read += spent.tokens_in or 0
        written += spent.tokens_out or 0
        cached += row["cache_read_tokens"] or 0
    if not read + written:
        return []
    part = f", {100 * cached / read:.0f} % cached" if read else ""
    return [(words.tokens(read + written), f"tokens{part}", "")]
