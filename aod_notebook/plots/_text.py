"""Texts of figures: hostile labels made safe to draw, and numbers with their units."""

from __future__ import annotations

import functools
import re
from typing import Any, Final

from aod_notebook.core.text import ESCAPES

PLAIN: Final[dict[str, Any]] = {"parse_math": False, "usetex": False}
"""How a text of the data is drawn: `$` begins no formula in it, and nothing goes to TeX."""

_LONGEST = 4096
"""What comes after so many characters is not looked at."""
_TOFU = "\N{WHITE SQUARE}"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-", re.IGNORECASE)
_ID_CHARS = 24
_MINUTE, _HOUR = 60, 3600
_CENT = 0.01


def shown(text: object, limit: int) -> str:
    r"""Return a text of the data on one line of at most `limit` characters, safe to draw.

    Escape sequences are dropped; what cannot be seen, or is not in the font, becomes a box.
    Of a path the end is kept, of any other text the beginning. A missing text is "".

    Example:
        >>> shown("a\x1b[31m red\n word\u202e", 40)
        'a red word□'
        >>> shown("/workspace/tests/test_dates.py", 20)
        '…tests/test_dates.py'
    """
    if not isinstance(text, str):
        return ""
    flat = " ".join(ESCAPES.sub("", text[:_LONGEST]).split())
    if len(flat) > limit:
        is_path = flat.startswith(("/", "~", "./")) and " " not in flat
        flat = "…" + flat[len(flat) + 1 - limit :] if is_path else flat[: limit - 1] + "…"
    known = _drawable()
    return "".join(c if c.isprintable() and ord(c) in known else _TOFU for c in flat)


def short(name: object) -> str:
    """Return the id of a session or run as it is shown: of a UUID the beginning.

    Example:
        >>> short("2bc7f561-935d-44ed-92d0-4a435721ed3f"), short("nightly-7")
        ('2bc7f561', 'nightly-7')
    """
    text = shown(name, _ID_CHARS)
    return text[:8] if _UUID.match(text) else text


def times(name: str, number: int) -> str:
    """Return a label that says how often something was there, after its name."""
    return f"{name or '?'}  \N{MULTIPLICATION SIGN}{number:,}"


def count(number: float) -> str:
    """Return a count in a few characters.

    Example:
        >>> count(950), count(12_345), count(190_054), count(2_500_000)
        ('950', '12.3k', '190k', '2.5M')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            scaled = number / size
            return f"{scaled:.0f}{letter}" if scaled >= 100 else f"{scaled:.3g}{letter}"  # noqa: PLR2004
    return f"{number:.3g}"


def dollars(amount: float) -> str:
    """Return an amount in USD; a small one with more digits.

    Example:
        >>> dollars(0.00431), dollars(0.169), dollars(1234.5)
        ('$0.0043', '$0.17', '$1,234.50')
    """
    return f"${amount:.2g}" if 0 < abs(amount) < 10 * _CENT else f"${amount:,.2f}"


def time_unit(span: float) -> tuple[float, str]:
    """Return the unit for an axis of so many seconds: its size in seconds, and its name.

    Example:
        >>> time_unit(40), time_unit(1200)
        ((1.0, 'seconds'), (60.0, 'minutes'))
    """
    if span < 1:
        return 0.001, "milliseconds"
    if span < 5 * _MINUTE:
        return 1.0, "seconds"
    return (_MINUTE * 1.0, "minutes") if span < 3 * _HOUR else (_HOUR * 1.0, "hours")


def _drawable() -> frozenset[int]:
    """Return the characters that the fonts in use can draw."""
    from matplotlib.font_manager import FontProperties, findfont

    families = FontProperties().get_family()
    return _glyphs(tuple(findfont(FontProperties(family=[name])) for name in families))


@functools.cache
def _glyphs(paths: tuple[str, ...]) -> frozenset[int]:
    from matplotlib.font_manager import get_font

    return frozenset(code for path in paths for code in get_font(path).get_charmap())
