"""The one cleaner: makes an agent's text safe to show in a page, a terminal or a notebook.

Agent output is hostile text. Escape sequences can move the cursor, set a terminal's title or hide
a link; bidirectional overrides can make code read as what it is not. Nothing of that is passed on.
"""

from __future__ import annotations

import re

from aod_notebook.transcripts.summary import one_line as one_line_of

__all__ = ["clean", "clip", "one_line"]

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movement
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])(?:[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c))?"  # OSC, DCS, …
    r"|\x1b[ -/]*[0-~]?"  # the other escapes, and a lone ESC
)
_UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and newline
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional controls
    r"\u2028\u2029\ufeff\ud800-\udfff]"  # separators, byte-order mark, lone surrogates
)


def clean(text: str) -> str:
    r"""Give `text` without escape sequences, with control and bidirectional characters visible.

    Newlines and tabs stay; a carriage return overwrites its line, as on a terminal. Linear in the
    length of `text`; never raises.

    Example:
        >>> clean("\x1b[31mred\x1b[0m 10%\r20%\n\u202egnp.exe\x00")
        '20%\n⟨U+202E⟩gnp.exe␀'
    """
    if text.isascii() and text.isprintable():
        return text
    text = _ESCAPES.sub("", text)
    if "\r" in text:
        text = "\n".join(_last_written(line) for line in text.split("\n"))
    return _UNSAFE.sub(_visible, text)


def one_line(text: str, limit: int) -> str:
    r"""Give `text` cleaned, its white space folded to single spaces, cut to `limit` characters.

    Example:
        >>> one_line("a\n  b\tc", 4)
        'a b…'
    """
    return one_line_of(clean(text[: 8 * limit]), limit)


def clip(text: str, limit: int) -> str:
    """Cut `text` to `limit` characters; a cut text ends with an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _last_written(line: str) -> str:
    """Give what a terminal shows of a line in which carriage returns write over what was there."""
    return line.rstrip("\r").rpartition("\r")[2]


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:  # noqa: PLR2004 - the C0 controls
        return chr(0x2400 + code)
    if code == 0x7F:  # noqa: PLR2004 - DEL
        return "␡"
    if 0xD800 <= code <= 0xDFFF:  # noqa: PLR2004 - half of a surrogate pair
        return "\N{REPLACEMENT CHARACTER}"
    return f"⟨U+{code:04X}⟩"
