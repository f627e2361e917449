"""Text for people: the one cleaner of what comes from elsewhere, and what is cut and counted.

What agents and services write is hostile text. Escape sequences can move the cursor, set a
terminal's title or hide a link; bidirectional overrides can make code read as what it is not.
Nothing of that is passed on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ESCAPES",
    "UNSAFE",
    "clean",
    "clip",
    "counted",
    "failure_text",
    "is_plain",
    "last_written",
    "one_line",
    "visible",
]

ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movement
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])"  # OSC, DCS, …, to their end if they have one
    r"(?:[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c))?"
    r"|\x1b[ -/]*[0-~]?"  # the other escapes, and a lone ESC
)
UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and newline
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional controls
    r"\u00ad\u115f\u1160\u180e\u200b\u2060-\u2065\u206a-\u206f\u3164\uffa0\ufff9-\ufffb"  # unseen
    r"\U000e0000-\U000e007f"  # tags: whole texts that nobody sees
    r"\u2028\u2029\ufeff\ud800-\udfff]"  # separators, byte-order mark, lone surrogates
)
_PRINTABLE = bytes(range(0x20, 0x7F))


def is_plain(text: str) -> bool:
    """Tell whether there is nothing to clean in `text`: printable ASCII only, on one line."""
    # Twice as quick as `isprintable`, which asks for each character what Unicode says of it.
    return text.isascii() and not text.encode().translate(None, _PRINTABLE)


def clean(text: str) -> str:
    r"""Give `text` without escape sequences, with control and bidirectional characters visible.

    Newlines and tabs stay; a carriage return overwrites its line, as on a terminal. Linear in the
    length of `text`; never raises.

    Example:
        >>> clean("\x1b[31mred\x1b[0m 10%\r20%\n\u202egnp.exe\x00")
        '20%\n⟨U+202E⟩gnp.exe␀'
    """
    if is_plain(text):
        return text
    text = ESCAPES.sub("", text)
    if "\r" in text:
        text = "\n".join(last_written(line) for line in text.split("\n"))
    return UNSAFE.sub(visible, text)


def one_line(text: str, limit: int = 400) -> str:
    r"""Give `text` on one line of at most `limit` characters, safe to show anywhere.

    Escape sequences are dropped, other control characters made visible, blanks run together.
    Only the first `8 * limit` characters are looked at.

    Example:
        >>> one_line("a\n   \x1b[31mb")
        'a b'
        >>> one_line("a\n  b\tc", 4)
        'a b…'
    """
    near = text[: 8 * limit]
    flat = " ".join(ESCAPES.sub("", near).split()) + ("…" if len(near) < len(text) else "")
    return clip(UNSAFE.sub(visible, flat[: limit + 1]), limit)


def clip(text: str, limit: int) -> str:
    """Cut `text` to `limit` characters; a cut text ends with an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def counted(number: int, noun: str) -> str:
    """Give a number and its noun, which takes an s where it is not one.

    Example:
        >>> counted(1, "record"), counted(1200, "record")
        ('1 record', '1,200 records')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def failure_text(record: Mapping[str, Any]) -> str:
    """Give why a run failed, with the type of the error where its record has one, as Python does.

    Example:
        >>> failure_text({"error_message": "'x'", "error_detail": {"type": "KeyError"}})
        "KeyError: 'x'"
    """
    message, detail = str(record.get("error_message") or ""), record.get("error_detail")
    kind = str(detail.get("type") or "") if isinstance(detail, dict) else ""
    return message if message.startswith(kind) else f"{kind}: {message}".removesuffix(": ")


def last_written(line: str) -> str:
    """Give what a terminal shows of a line in which carriage returns write over what was there."""
    return line.rstrip("\r").rpartition("\r")[2]


def visible(match: re.Match[str]) -> str:
    """Give the sign that stands for a character of `UNSAFE`."""
    code = ord(match[0])
    if code < 0x20:  # noqa: PLR2004 - the C0 controls
        return chr(0x2400 + code)
    if code == 0x7F:  # noqa: PLR2004 - DEL
        return "␡"
    if 0xD800 <= code <= 0xDFFF:  # noqa: PLR2004 - half of a surrogate pair
        return "\N{REPLACEMENT CHARACTER}"
    return f"⟨U+{code:04X}⟩"
