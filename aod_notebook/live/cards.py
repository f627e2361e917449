"""The cards of sessions and runs, from what is known here: no service is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aod_notebook.core import words
from aod_notebook.core.card import Card
from aod_notebook.core.errors import AodNotebookError
from aod_notebook.core.text import counted

if TYPE_CHECKING:
    from aod_notebook.core.card import Fact


ASK_S = 2.0
"""How long a service may take for the first prompt; after that the card is shown without it."""


def session_card(session: Any, status: str, client: Any) -> Card:
    """Return the card of a session.

    Args:
        session: the `LiveSession`, which shows itself by it.
        status: its state, as far as known here.
        client: is asked for the first prompt, once and not for long.
    """
    from aod_notebook.frames.followed import followed_pieces
    from aod_notebook.frames.sessions.details import of_pieces

    known = of_pieces(followed_pieces(session)[0])
    turns = {
        event.extra.get("turn") for event, _ in session.received() if event.type == "turn_start"
    }
    row = session.row
    took = None if row is None else (row.updated_at - row.created_at).total_seconds()
    spent = words.tokens(_all_tokens(known))
    facts: list[Fact] = [
        (session.runtime or "", "strong"),
        (words.model_name(known["model"] or session.model), ""),
        (counted(len(turns), "turn") if turns else "", ""),
        *_calls(known["tool_call_count"], known["failed_tool_call_count"]),
        (f"{spent} tokens" if spent else "", ""),
        (words.dollars(known["cost_usd"]), "strong"),
        (words.duration(took), ""),
    ]
    text = session.text.strip()
    last = text.rpartition("\n\n")[2] if text else ""
    steps = (".viewer()", ".trace()", ".turns", ".tool_calls", ".plot()", '.prompt("…")')
    return Card(
        _prompt(session, client) or f"Session {words.short_id(session.id)}",
        words.short_id(session.id),
        session.id,
        status,
        facts,
        words=last,
        next_steps=steps,
    )


def _calls(made: int, failed: int) -> list[Fact]:
    if not made:
        return []
    return [(counted(made, "tool call"), ""), (f"({failed:,} failed)" if failed else "", "bad")]


def _all_tokens(known: dict[str, Any]) -> int | None:
    """Return the tokens read and written; None if the runtime did not report it."""
    from aod_notebook.transcripts import Spent, Usage

    if known["input_includes_cache"] is None:
        return None
    spent = Spent(
        usage=Usage(**{name: known[name] for name in Usage.__struct_fields__}),
        input_includes_cache=known["input_includes_cache"],
        output_includes_reasoning=known["output_includes_reasoning"],
    )
    if spent.tokens_in is None or spent.tokens_out is None:
        return None
    return spent.tokens_in + spent.tokens_out


def _prompt(session: Any, client: Any) -> str:
    try:
        turns = client.with_options(max_retries=0, timeout=ASK_S).sessions.turns(session.id)
    except AodNotebookError:
        return ""
    return str(turns[0].prompt or "").strip() if turns else ""


def run_card(run: Any, status: str) -> Card:
    """Return the card of a `LiveRun`, as the service showed it last."""
    row = run.latest or {}
    tokens = row.get("total_tokens")
    took = row.get("duration_ms")
    waits = run.waits_for or {}
    events = len(run.received())
    facts: list[Fact] = [
        (counted(events, "event") if events else "", ""),
        (f"{words.tokens(tokens)} tokens" if isinstance(tokens, int) else "", ""),
        (words.dollars(row.get("cost_usd")), "strong"),
        (words.duration(took / 1000) if isinstance(took, (int, float)) else "", ""),
        (str(row.get("error_message") or ""), "bad"),
    ]
    steps = (".viewer()", ".trace()", ".events", ".spans", ".tasks", ".plot()")
    return Card(
        f"Run {words.short_id(run.id)}",
        words.short_id(run.id),
        run.id,
        status,
        facts,
        words=str(waits.get("question") or run.text.strip().rpartition("\n\n")[2]),
        next_steps=(*steps, '.reply("…")') if waits else steps,
    )
