"""The lines of a comparison's tables: totals of both sides, and the files that they edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aod_notebook.core.text import counted, one_line
from aod_notebook.core.words import GLYPHS, dollars, duration, model_name, state_word, tokens
from aod_notebook.frames.compare import Compared, state_of
from aod_notebook.frames.rows import records

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MINUS: Final = "\N{MINUS SIGN}"

_LITTLE: Final = 0.05
"""A smaller share of a difference in tokens, cost or time is neither better nor worse."""


class Fact(NamedTuple):
    """A line of a table: its name, both sides, how B differs from A; `tone` is better or worse."""

    name: str
    a: str
    b: str
    delta: str = ""
    tone: str = ""
    is_code: bool = False


def facts(found: Compared) -> list[Fact]:
    """Return what is known of both sides; a fact that is unknown of both is left out."""
    a, b = found.a.totals, found.b.totals
    rows = [
        _status(a, b),
        _plain("Model", a, b, lambda totals: model_name(totals["model"])),
        _prompt(found),
        _plain("Turns", a, b, lambda totals: _number(totals["turn_count"])),
        _tools(a, b),
        _amount("Tokens in", a, b, "tokens_in", _tokens_in),
        _amount("Tokens out", a, b, "tokens_out", lambda totals: tokens(totals["tokens_out"])),
        _cost(a, b),
        _time(a, b),
    ]
    return [row for row in rows if row.a or row.b]


def states_line(found: Compared) -> str:
    """Return how many steps are the same, and how many differ.

    Example:
        >>> from aod_notebook.frames.compare import compared
        >>> states_line(compared(b"", b""))
        'none'
    """
    states = [state_of(pair) for pair in found.pairs]
    names = {"same": "same", "changed": "differ", "only_a": "only in A", "only_b": "only in B"}
    counts = [f"{states.count(s):,} {name}" for s, name in names.items() if s in states]
    return ", ".join(counts) or "none"


def edit_facts(found: Compared) -> tuple[list[Fact], str]:
    """Return a line per edited file, and how many there are in a few words."""
    rows = []
    alike = 0
    for row in records(found.edits()):
        alike += row["same"]
        sides = [_edited(row, side) for side in "ab"]
        only = "only A" if not row["edits_b"] else "only B" if not row["edits_a"] else "differs"
        delta = "same change" if row["same"] else only
        rows.append(Fact(one_line(row["file"], 200), sides[0], sides[1], delta, is_code=True))
    return rows, f"{counted(len(rows), 'file')}, {alike:,} edited alike"


def _edited(row: dict[str, Any], side: str) -> str:
    number = row[f"edits_{side}"]
    added, removed = row[f"added_lines_{side}"], row[f"removed_lines_{side}"]
    if not number:
        return "not touched"
    return (
        " ".join(
            filter(
                None, (lines_changed(added, removed), f"in {number} edits" if number > 1 else "")
            )
        )
        or "edited"
    )


def lines_changed(added: int | None, removed: int | None) -> str:
    """Return how many lines an edit adds and removes; empty if that is unknown."""
    return "" if added is None or removed is None else f"+{added} {MINUS}{removed}"


def _fact(name: str, sides: Sequence[str], delta: str = "", tone: str = "") -> Fact:
    return Fact(name, sides[0], sides[1], delta, tone)


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _plain(
    name: str, a: dict[str, Any], b: dict[str, Any], text: Callable[[dict[str, Any]], str]
) -> Fact:
    sides = text(a), text(b)
    return _fact(name, sides, "differs" if all(sides) and sides[0] != sides[1] else "")


def _status(a: dict[str, Any], b: dict[str, Any]) -> Fact:
    texts = [
        f"{GLYPHS.get(str(one['status']), '')} {state_word(one['status'])}".strip()
        for one in (a, b)
    ]
    failed = [one["status"] == "failed" for one in (a, b)]
    if failed[0] == failed[1]:
        return _fact("Status", texts, "differs" if all(texts) and texts[0] != texts[1] else "")
    if failed[1]:
        return _fact("Status", texts, "✗ B failed", "worse")
    return _fact("Status", texts, "A failed", "better")


def _prompt(found: Compared) -> Fact:
    a, b = found.a.prompts, found.b.prompts
    if a is not None and a == b:
        return Fact("Prompt", "the same", "the same")
    texts = [one_line(side.totals["prompt"] or "", 200) for side in (found.a, found.b)]
    return _fact("Prompt", texts, "differs" if all(texts) else "")


def _tools(a: dict[str, Any], b: dict[str, Any]) -> Fact:
    counts = [one["failed_tool_call_count"] for one in (a, b)]
    texts = [
        f"{one['tool_call_count']:,}" + (f" ({failed:,} failed)" if failed else "")
        for one, failed in zip((a, b), counts, strict=True)
    ]
    more = counts[1] - counts[0]
    if not more:
        return _fact("Tools", texts)
    return _fact(
        "Tools", texts, f"{abs(more):,} {'more' if more > 0 else 'fewer'} failed", _tone(more)
    )


def _tokens_in(totals: dict[str, Any]) -> str:
    cached = totals["cache_read_tokens"]
    return tokens(totals["tokens_in"]) + (f" ({tokens(cached)} cached)" if cached else "")


def _amount(
    name: str, a: dict[str, Any], b: dict[str, Any], key: str, text: Callable[[dict[str, Any]], str]
) -> Fact:
    share = _share(a[key], b[key])
    if share is None:
        return Fact(name, text(a), text(b))
    return Fact(name, text(a), text(b), _percent(share), _tone(share, _LITTLE))


def _cost(a: dict[str, Any], b: dict[str, Any]) -> Fact:
    texts = [
        dollars(one["cost_usd"]) + (" computed" if one["cost_source"] == "computed" else "")
        for one in (a, b)
    ]
    return _compared(
        "Cost", texts, a["cost_usd"], b["cost_usd"], text=dollars, nouns=("cheaper", "more")
    )


def _time(a: dict[str, Any], b: dict[str, Any]) -> Fact:
    texts = [duration(one["duration_s"]) for one in (a, b)]
    return _compared(
        "Time", texts, a["duration_s"], b["duration_s"], text=duration, nouns=("faster", "slower")
    )


def _compared(
    name: str,
    texts: list[str],
    a: float | None,
    b: float | None,
    *,
    text: Callable[[float], str],
    nouns: tuple[str, str],
) -> Fact:
    share = _share(a, b)
    if share is None or a is None or b is None or not round(100 * share):
        return _fact(name, texts)
    sign = MINUS if b < a else "+"
    difference = f"{sign}{text(abs(b - a))}, {abs(share):.0%}".replace("%", "\u202f%")
    return _fact(name, texts, f"{difference} {nouns[b > a]}", _tone(share, _LITTLE))


def _share(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None or not a else (b - a) / a


def _percent(share: float) -> str:
    whole = round(100 * share)
    return "" if not whole else f"{MINUS if whole < 0 else '+'}{abs(whole):,}\u202f%"


def _tone(difference: float, least: float = 0) -> str:
    if abs(difference) <= least:
        return ""
    return "worse" if difference > 0 else "better"
