"""Text for people: cleaning of untrusted text, cutting and counting.

What agents and services write is hostile text. Escape sequences can move the cursor, set a
terminal's title or hide a link; bidirectional overrides can make code read as what it is not.
Nothing of that is passed on. Characters that nobody sees can carry whole texts past a reader:
they are made visible, but for variation selectors and joiners where emoji or a script need them.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movement
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])"  # OSC, DCS, …, to their end if they have one
    r"(?:[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c))?"
    r"|\x1b[ -/]*[0-~]?"  # the other escapes, and a lone ESC
)
# What an emoji is made of: symbols, pictographs, skin tones, flags, the keycaps' digits.
_EMOJI = (
    r"#*0-9\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u2460-\u24ff\u25a0-\u27bf"
    r"\u2900-\u297f\u2b00-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
# Scripts that need the two joiners to be written: Arabic to Thaana, Indic, Myanmar, Khmer, Mongolian.
_JOINED = r"\u0600-\u0dff\u1000-\u109f\u1780-\u18af\ua800-\uabff\U00011000-\U000114ff"
# Marks above and below a letter: general, Hebrew, Arabic, Thai, Lao, and those for symbols.
_MARK = (
    r"[\u0300-\u034e\u0350-\u036f\u0483-\u0489\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    r"\u06d6-\u06ed\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1-\u0ebc\u0ec8-\u0ece\u1ab0-\u1aff"
    r"\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)
_MOST_MARKS = 4  # written languages stack three; more cover the lines above and below
_UNSAFE = (
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and newline
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional controls
    r"\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2060-\u2065\u206a-\u206f"  # unseen
    r"\u3164\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\ufe00-\ufe0d\U000e0000-\U000e0fff"  # variation selectors and tags: whole texts can hide there
    r"\u2028\u2029\ufeff\ud800-\udfff]"  # separators, byte-order mark, lone surrogates
    # only where they change what is seen: an emoji's presentation, and joiners
    rf"|[\ufe0e\ufe0f](?<![{_EMOJI}].)"
    rf"|\u200c(?<![{_JOINED}].)"
    rf"|\u200d(?<![{_JOINED}].)(?:(?<![{_EMOJI}].)(?<![{_EMOJI}]\ufe0f.)|(?![{_EMOJI}]))"
    rf"|{_MARK}(?<={_MARK}{{{_MOST_MARKS + 1}}}){_MARK}*"
)
_MARKS = re.compile(rf"{_MARK}+")
_PRINTABLE = bytes(range(0x20, 0x7F))


def is_plain(text: str) -> bool:
    """Check that `text` needs no cleaning: printable ASCII only, on one line."""
    # Twice as quick as `isprintable`, which asks for each character what Unicode says of it.
    return text.isascii() and not text.encode().translate(None, _PRINTABLE)


def clean(text: str) -> str:
    r"""Return `text` without escape sequences, with control and bidirectional characters visible.

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
    return made_visible(text)


def one_line(text: str, limit: int = 400) -> str:
    r"""Return `text` on one line of at most `limit` characters, safe to show anywhere.

    Escape sequences are dropped, other control characters made visible, blanks run together.
    Only the first `8 * limit` characters are looked at.

    Example:
        >>> one_line("a\n   \x1b[31mb")
        'a b'
        >>> one_line("a\n  b\tc", 4)
        'a b…'
    """
    if len(text) <= limit and is_plain(text) and "  " not in text and text == text.strip():
        return text  # as most are: very many of them are asked for at once
    near = text[: 8 * limit]
    flat = " ".join(ESCAPES.sub("", near).split()) + ("…" if len(near) < len(text) else "")
    return clip(made_visible(flat[: limit + 1]), limit)


def clip(text: str, limit: int) -> str:
    """Cut `text` to `limit` characters; a cut text ends with an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def counted(number: int, noun: str) -> str:
    """Return a number and its noun, with a plural s unless it is one.

    Example:
        >>> counted(1, "record"), counted(1200, "record")
        ('1 record', '1,200 records')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def failure_text(record: Mapping[str, Any]) -> str:
    """Return why a run failed, with the type of the error where its record has one, as Python does.

    Example:
        >>> failure_text({"error_message": "'x'", "error_detail": {"type": "KeyError"}})
        "KeyError: 'x'"
    """
    message, detail = str(record.get("error_message") or ""), record.get("error_detail")
    kind = str(detail.get("type") or "") if isinstance(detail, dict) else ""
    return message if message.startswith(kind) else f"{kind}: {message}".removesuffix(": ")


def last_written(line: str) -> str:
    """Return what a terminal shows of a line after its carriage returns overwrite text."""
    return line.rstrip("\r").rpartition("\r")[2]


def made_visible(text: str) -> str:
    """Return `text` with each character that could mislead a reader replaced by a sign for it."""
    return _unsafe().sub(_visible, text)


@cache
def _unsafe() -> re.Pattern[str]:
    """Return the pattern of such characters; it takes 2 ms to compile, and plain text needs none."""
    return re.compile(_UNSAFE)


def _visible(match: re.Match[str]) -> str:
    """Return the sign that stands for a match of `_UNSAFE`."""
    if _MARKS.fullmatch(match[0]):
        return f"⟨+{counted(len(match[0]), 'mark')}⟩"
    code = ord(match[0])
    if code < 0x20:  # noqa: PLR2004 - the C0 controls
        return chr(0x2400 + code)
    if code == 0x7F:  # noqa: PLR2004 - DEL
        return "␡"
    if 0xD800 <= code <= 0xDFFF:  # noqa: PLR2004 - half of a surrogate pair
        return "\N{REPLACEMENT CHARACTER}"
    return f"⟨U+{code:04X}⟩"
