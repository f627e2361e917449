"""A card with the facts and next steps of one object, as HTML and as text."""

from __future__ import annotations

import html
from dataclasses import dataclass, field

from aod_notebook.core.look import styled
from aod_notebook.core.text import one_line
from aod_notebook.core.words import GLYPHS, STATE_TONES, state_word

Fact = tuple[str, str]
"""A few words, and their tone: "", `bad` or `strong`."""

_BOX = "padding:8px 12px 12px;border:1px solid rgba(128,128,128,0.35);border-radius:8px;text-align:left"
_TITLE = "font-size:14px;font-weight:600;line-height:20px;overflow-wrap:break-word"
_ID = "font-family:var(--jp-code-font-family,ui-monospace,monospace);font-size:12px;float:right;padding-left:12px"
_LINE = "margin-top:4px;font-size:12px;line-height:20px"
_TITLE_CHARS = 160
_WORDS_CHARS = 300


@dataclass(frozen=True)
class Card:
    """The contents of a card; unknown facts are left out.

    Attributes:
        title: what it is.
        name: its id, or where it is, in small.
        state: how it is, if it has a state.
        facts: what is known of it, a few words each.
        numbers: large numbers, each with what it counts.
        words: its latest message.
        next_steps: what can be done with it, as code.
    """

    title: str
    name: str = ""
    whole_name: str = ""
    state: str = ""
    facts: list[Fact] = field(default_factory=list)
    numbers: list[tuple[str, str, str]] = field(default_factory=list)
    words: str = ""
    next_steps: tuple[str, ...] = ()

    def html(self) -> str:
        """Return the card as markup; all of it is escaped."""
        facts = " ".join(_fact(*fact) for fact in self.facts if fact[0])
        numbers = "".join(
            '<div style="display:inline-block;margin:8px 32px 0 0">'
            f'<b class="{f"aod-{tone}" if tone else ""}" style="font-size:16px">{_safe(number)}</b>'
            f'<div class="aod-quiet" style="font-size:12px">{_safe(what)}</div></div>'
            for number, what, tone in self.numbers
        )
        steps = " ".join(f"<code>{html.escape(step)}</code>" for step in self.next_steps)
        words = one_line(self.words, _WORDS_CHARS)
        parts = [
            f'<span class="aod-quiet" style="{_ID}" title="{_safe(self.whole_name)}">'
            f"{_safe(self.name)}</span>"
            if self.name
            else "",
            f'<div style="{_TITLE}">{self._chip()}{_safe(one_line(self.title, _TITLE_CHARS))}</div>',
            f'<div class="aod-quiet" style="{_LINE}">{facts}</div>' if facts else "",
            numbers,
            f'<div style="margin-top:8px">“{_safe(words)}”</div>' if words else "",
            f'<div class="aod-quiet" style="margin-top:12px;font-size:12px">{steps}</div>',
        ]
        return styled(f'<div style="{_BOX}">{"".join(parts)}</div>')

    def text(self) -> str:
        """Return the card as a few lines of text."""
        sign = GLYPHS.get(self.state, "")
        state = f"{sign} {state_word(self.state)}".strip()
        facts = [one_line(words, 200) for words, _ in self.facts if words]
        facts += [one_line(f"{number} {what}", 200) for number, what, _ in self.numbers]
        words = one_line(self.words, 100)
        lines = [
            "  ".join(filter(None, (state, one_line(self.title, 72), one_line(self.name, 40)))),
            " · ".join(facts),
            f"“{words}”" if words else "",
        ]
        return "\n".join(filter(None, lines))

    def _chip(self) -> str:
        if not self.state:
            return ""
        sign = GLYPHS.get(self.state, "")
        tone = STATE_TONES.get(sign, "quiet")
        word = html.escape(f"{sign} {state_word(self.state)}".strip())
        return (
            f'<span class="aod-{tone}" style="font-size:12px;margin-right:8px;padding:2px 8px;white-space:nowrap;'
            f'border-radius:10px;background-color:rgba(128,128,128,0.14)">{word}</span>'
        )


def _fact(words: str, tone: str) -> str:
    named = f' class="aod-{tone}"' if tone else ""
    return f'<span{named} style="margin-right:8px">{_safe(words)}</span>'


def _safe(text: str) -> str:
    return html.escape(one_line(text, 1000))
