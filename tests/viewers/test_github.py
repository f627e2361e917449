"""What is left of the static form where GitHub shows it: by its published rules, without styles."""

import re
from html import unescape
from pathlib import Path

import bleach
import pytest

import aod_notebook
from aod_notebook.aod import StreamEvent
from aod_notebook.viewers.static import Transcript

# html-pipeline's SanitizationFilter, by which GitHub cleans what people write
ELEMENTS = (
    "h1 h2 h3 h4 h5 h6 h7 h8 br b i strong em a pre code img tt div ins del sup sub p picture ol ul "
    "table thead tbody tfoot blockquote dl dt dd kbd q samp var hr ruby rt rp li tr td th s strike "
    "summary details caption figure figcaption abbr bdo cite dfn mark small source span time wbr"
)
ATTRIBUTES = "abbr align alt aria-hidden aria-label colspan height open rowspan start title width"
BLOCKS = "div|p|li|pre|summary|details|tr|h[1-6]|ul|ol|blockquote"


def is_kept(tag, name, value):
    if (tag, name) == ("img", "src"):
        return value.startswith(("http:", "https:"))  # no data
    return name in ATTRIBUTES.split() or (tag, name) == ("a", "href")


def on_github(html):
    protocols = {"http", "https", "mailto"}
    return bleach.clean(html, ELEMENTS.split(), is_kept, protocols=protocols, strip=True)


def lines_of(html):
    """Return the text as a page without styles sets it, line by line."""
    pieces = re.split(r"(<pre>.*?</pre>)", html, flags=re.DOTALL)
    text = "".join(
        piece if piece.startswith("<pre>") else re.sub(r"\s+", " ", piece) for piece in pieces
    )
    text = re.sub(rf"</?(?:{BLOCKS})\b[^>]*>", "\n", text)
    text = unescape(re.sub(r"<[^>]*>", "", text))
    return [
        line.strip().replace("\N{NO-BREAK SPACE}", " ")
        for line in text.splitlines()
        if line.strip()
    ]


@pytest.fixture(scope="module")
def html():
    recording = Path(aod_notebook.__file__).parent / "local" / "recordings" / "claude-coding.jsonl"
    prompts = {1: "Fix the report.\nMarch has 31 nights."}
    transcript = Transcript("x", "claude", prompts=prompts, id="5f0c2f6e", again="%aod attach 5f0c")
    data = {"stream": "stdout", "data": recording.read_text(encoding="utf-8"), "turn": 1}
    begun = StreamEvent("turn_start", 1, {"turn": 1})
    transcript.add([begun, StreamEvent("output", 2, data), StreamEvent("exit", 3, {"code": 0})])
    return on_github(transcript.html())


def test_it_can_be_read_line_by_line_without_styles(html):
    lines = lines_of(html)
    assert lines[0] == "✓ Completed Fix the report."
    assert "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}  Fix the report." in lines
    assert "March has 31 nights." in lines
    assert "\N{MINUS SIGN} while day < end:" in [re.sub(r" +", " ", line) for line in lines]
    assert "☑ Run the whole test suite" in [re.sub(r" +", " ", line) for line in lines]
    assert any(line.startswith("Bash") and "exit code 1" in line for line in lines)
    assert lines[-1] == "Reopen the live view: %aod attach 5f0c"


def test_nothing_but_the_look_is_lost(html):
    assert "style=" not in html
    assert html.count("<details") > 10
    assert "<details open" in html or '<details open=""' in html
