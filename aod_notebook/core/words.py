"""Short words for people: durations, ages, counts of tokens, amounts, ids and states.

What tables, cards and figures show of a number; the number itself stays in the DataFrame. Unknown
values are "".
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from aod_notebook.core.text import one_line

GLYPHS: Final = {
    "completed": "✓", "ok": "✓", "done": "✓", "success": "✓",
    "failed": "✗", "error": "✗", "problem": "✗", "bad": "✗",
    "running": "●", "pending": "○", "queued": "○",
    "terminated": "■", "cancelled": "■", "interrupted": "■", "stopped": "■",
    "awaiting_input": "?", "awaiting_approval": "?", "note": "!", "warn": "!",
}  # fmt: skip
"""The sign of a state, so that colour is never the only difference."""

STATE_TONES: Final = {"✓": "good", "✗": "bad", "■": "warn", "!": "warn", "?": "wait", "●": "run"}
"""The tone of a sign; a page colours it."""

_WORDS: Final = {
    "terminated": "Stopped",
    "cancelled": "Stopped",
    "interrupted": "Stopped",
    "pending": "Starting",
    "awaiting_input": "Waiting for you",
    "awaiting_approval": "Waiting for you",
}
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_ID_CHARS = 24
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_SHORTEST_S = 0.05
_CENT = 0.01


def duration(seconds: float | None) -> str:
    """Return a duration as it is written in tables; a negative one is unknown.

    Example:
        >>> [duration(s) for s in (0.01, 0.42, 9.2, 74, 128, 7500)]
        ['<0.1 s', '0.4 s', '9.2 s', '74 s', '2 min 08', '2 h 05']
    """
    if seconds is None or not 0 <= seconds < float("inf"):
        return ""
    if seconds < _SHORTEST_S:
        return "<0.1 s"
    if seconds < 9.95:  # noqa: PLR2004 - rounds to 10
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 100:  # noqa: PLR2004 - two digits are read at a glance
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02}"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02}"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def age(moment: datetime | None, now: datetime | None = None) -> str:
    """Return how long ago something was; what is older than two days is dated.

    Example:
        >>> now = datetime(2026, 11, 28, 14, 0, tzinfo=UTC)
        >>> age(now.replace(minute=0, hour=11), now), age(now.replace(day=27, hour=9), now)
        ('3 h', 'yesterday')
        >>> age(now.replace(day=12), now), age(now.replace(year=2024), now)
        ('12 Nov', '28 Nov 2024')
    """
    if moment is None:
        return ""
    now = now or datetime.now(UTC)
    seconds = (now - moment).total_seconds()
    for size, limit, unit in ((1, _MINUTE, "s"), (_MINUTE, _HOUR, "min"), (_HOUR, _DAY, "h")):
        if seconds < limit:
            return f"{max(0, int(seconds // size))} {unit}"
    if seconds < 2 * _DAY:
        return "yesterday"
    year = "" if moment.year == now.year else f" {moment.year}"
    return f"{moment.day} {moment:%b}{year}"


def exact(moment: datetime | None) -> str:
    """Return a moment to the second, with its zone."""
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def tokens(number: float | None) -> str:
    """Return a count in a few characters.

    Example:
        >>> [tokens(n) for n in (950, 8951, 236_310, 61_240_000)]
        ['950', '9.0k', '236k', '61.2M']
    """
    if number is None:
        return ""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size * 0.9995:
            scaled = number / size
            is_short = letter != "k" or scaled < 9.95  # noqa: PLR2004 - rounds to 10
            return f"{scaled:.1f}{letter}" if is_short else f"{scaled:.0f}{letter}"
    return f"{number:.0f}"


def dollars(amount: float | None) -> str:
    """Return an amount in USD; one below a cent with two significant digits.

    Example:
        >>> dollars(0.0079), dollars(0.169), dollars(1234.5), dollars(None)
        ('$0.0079', '$0.17', '$1,234.50', '')
    """
    if amount is None:
        return ""
    return f"${amount:.2g}" if 0 < abs(amount) < _CENT else f"${amount:,.2f}"


def short_id(name: object) -> str:
    """Return an id as it is shown: of a UUID the first eight characters.

    Example:
        >>> short_id("2bc7f561-935d-44ed-92d0-4a435721ed3f"), short_id("nightly-7")
        ('2bc7f561', 'nightly-7')
    """
    text = one_line(str(name or ""), 2 * _ID_CHARS)
    return text[:8] if _UUID.fullmatch(text) else one_line(text, _ID_CHARS)


def model_name(model: object) -> str:
    """Return a model's name without its provider.

    Example:
        >>> model_name("anthropic/claude-sonnet-4-6"), model_name(None)
        ('claude-sonnet-4-6', '')
    """
    return one_line(str(model or "").rpartition("/")[2], 60)


def state_word(state: object) -> str:
    """Return a state as a word with a capital.

    Example:
        >>> state_word("terminated"), state_word("completed"), state_word("on_hold")
        ('Stopped', 'Completed', 'On hold')
    """
    text = one_line(str(state or ""), 40).replace("_", " ")
    return _WORDS.get(str(state), text[:1].upper() + text[1:])
