"""Styles of parts of a text: terminal colours and Markdown."""

from __future__ import annotations

import itertools
import re

from aod_notebook.core.text import ESCAPES, clean, last_written, made_visible

_COLOURS = re.compile(r"(?:\x1b\[|\x9b)([0-9;]*)m")
_MARKDOWN = re.compile(r"`|\*\*|^#", re.MULTILINE)
_HEADING = re.compile(r"#{1,6} ")
_SPAN = re.compile(r"`[^`]+`|\*\*[^*]+\*\*")
_STYLE_BASE = 0xD800
"""Styles pass through cleaning as lone surrogates, which no cleaned text holds."""
_STYLE_SIGNS = re.compile(r"([\ud800-\ud9ff])")
_SURROGATES = re.compile(r"[\ud800-\udfff]")

BOLD, DIM, ITALIC, UNDERLINE, CODE = 32, 64, 128, 256, 512
COLOUR_MASK = 31
"""A style is a colour (1 to 16 in the terminal's order, 0 for none) and these flags."""
MOST_MARKS = 6_000
"""Of a text with more marks the rest is shown plain."""
_FLAGS = {1: BOLD, 2: DIM, 3: ITALIC, 4: UNDERLINE}
_FLAGS_OFF = {22: BOLD | DIM, 23: ITALIC, 24: UNDERLINE}


def styled(text: str) -> tuple[str, tuple[int, ...]]:
    r"""Return `text` cleaned, and which parts of it a terminal would colour.

    The sixteen colours of a terminal, bold, dim, italic and underlined are kept; backgrounds,
    inverse, hidden and blinking text and all other escapes are not.

    Returns:
        The clean text, and its marks: `start, end, style` of each part, one after the other.

    Example:
        >>> styled("\x1b[31mred\x1b[0m plain")
        ('red plain', (0, 3, 2))
    """
    if not _COLOURS.search(text):
        return clean(text), ()
    style = 0

    def sign(match: re.Match[str]) -> str:
        nonlocal style
        style = _style_after(style, match[1])
        return chr(_STYLE_BASE + style)

    text = _COLOURS.sub(sign, _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text))
    text = ESCAPES.sub("", text)
    if "\r" in text:
        text = "\n".join(last_written(line) for line in text.split("\n"))
    parts, length, style = list[str](), 0, 0
    marks: list[int] = []
    for piece in _STYLE_SIGNS.split(text):
        if _STYLE_SIGNS.match(piece):
            style = ord(piece) - _STYLE_BASE
            continue
        shown = made_visible(piece)
        if shown and style and len(marks) < MOST_MARKS:
            marks += [length, length + len(shown), style]
        parts.append(shown)
        length += len(shown)
    return "".join(parts), tuple(marks)


def prose(text: str) -> tuple[str, tuple[int, ...]]:
    r"""Return `text` cleaned, and how its Markdown is set off: code, bold words, headings.

    Every character stays, so that what is copied and searched is what the agent wrote.

    Returns:
        The clean text and its marks, as of `styled`.

    Example:
        >>> prose("**No**: `x`")
        ('**No**: `x`', (0, 2, 64, 2, 4, 32, 4, 6, 64, 8, 9, 64, 9, 10, 512, 10, 11, 64))
    """
    text, at, is_code = clean(text), 0, False
    marks: list[int] = []
    if not _MARKDOWN.search(text):
        return text, ()
    for line in text.split("\n"):
        if len(marks) > MOST_MARKS:
            break
        end = at + len(line)
        if line.lstrip().startswith("```"):
            is_code = not is_code
            marks += [at, end, DIM]
        elif is_code and line:
            marks += [at, end, CODE]
        elif _HEADING.match(line):
            marks += [at, end, BOLD]
        else:
            for found in itertools.islice(_SPAN.finditer(line), MOST_MARKS // 9):
                width, style = (1, CODE) if found[0][0] == "`" else (2, BOLD)
                first, last = at + found.start(), at + found.end()
                marks += [first, first + width, DIM, first + width, last - width, style]
                marks += [last - width, last, DIM]
        at = end + 1
    return text, tuple(marks)


def _style_after(style: int, parameters: str) -> int:
    """Return the style that a colour sequence leads to; what is not on the list changes nothing."""
    codes = iter([int(code[:4] or 0) for code in parameters.split(";")])
    for code in codes:
        if code == 0:
            style = 0
        elif code in _FLAGS:
            style |= _FLAGS[code]
        elif code in _FLAGS_OFF:
            style &= ~_FLAGS_OFF[code]
        elif code == 39:  # noqa: PLR2004 - the default colour
            style &= ~COLOUR_MASK
        elif code in (38, 48):  # a colour of the large palettes: only the first sixteen are kept
            size = {5: 1, 2: 3}.get(next(codes, 0), 0)  # a number, or red, green and blue
            numbers = list(itertools.islice(codes, size))
            if code == 38 and len(numbers) == 1 and numbers[0] < 16:  # noqa: PLR2004
                style = style & ~COLOUR_MASK | numbers[0] + 1
        elif 30 <= code <= 37:  # noqa: PLR2004 - the eight colours
            style = style & ~COLOUR_MASK | code - 29
        elif 90 <= code <= 97:  # noqa: PLR2004 - the eight bright colours
            style = style & ~COLOUR_MASK | code - 81
    return style
