import itertools
import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import pandas as pd
import pytest

from aod_notebook.core.errors import AodNotebookError
from aod_notebook.viewers.static import MAX_BYTES, Transcript, render_html

ALLOWED = {"a", "code", "div", "span", "b", "pre", "details", "summary"}


class Tags(HTMLParser):
    """Collects every tag, attribute and text of a page."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.texts, self.links = set(), set(), [], []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data):
        self.texts.append(data)


def event(type_, **extra):
    return SimpleNamespace(type=type_, id=1, extra=extra)


def script(*lines):
    output = [event("output", stream="stdout", data=f"{line}\n", turn=1) for line in lines]
    return [event("turn_start", turn=1), *output, event("exit", code=0)]


def parsed(html):
    tags = Tags()
    tags.feed(html)
    return tags


@pytest.mark.parametrize(
    "payload",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "</pre></div><iframe src=javascript:alert(1)>",
        '"><svg onload=alert(1)>',
        "\x1b]8;;javascript:alert(1)\x07click",
        "<style>*{display:none}</style>",
        'https://example.org/"onmouseover="alert(1)',
        "javascript://example.org/%0aalert(1)",
        "\x1b[31;1mred<script>alert(1)</script>\x1b[0m",
    ],
)
def test_output_never_becomes_markup(payload):
    title = f"shell {payload}"
    tags = parsed(render_html(script(payload), title, "shell"))
    assert tags.tags <= ALLOWED
    assert tags.attributes <= {"class", "style", "open", "href", "target", "rel"}
    assert all(url.startswith(("http://", "https://")) for url in tags.links)


def test_the_text_is_all_there():
    tags = parsed(render_html(script("a < b & c", "second"), "shell", "shell"))
    assert "a < b & c" in "".join(tags.texts)


def test_only_long_transcripts_are_laid_out_part_by_part():
    part = "content-visibility:auto;contain-intrinsic-size:auto "
    short = render_html(script(*[f"line {number}" for number in range(100)]), "shell", "shell")
    long = render_html(script(*[f"line {number}" for number in range(800)]), "shell", "shell")
    assert part not in short
    assert 2 <= long.count(part) <= 20
    texts = "".join(parsed(long).texts)
    assert all(f"line {number}" in texts for number in range(800))


def test_a_huge_session_stays_within_the_budget_and_says_what_is_missing():
    lines = [f"line {number} {'x' * 90}" for number in range(50_000)]
    html = render_html(script(*lines), "shell", "shell")
    assert len(html.encode()) < 1.1 * MAX_BYTES
    assert "line 0 " in html
    assert "line 49999 " in html
    assert "rows in the middle are not shown here; .events has them all." in html


@pytest.mark.parametrize("character", ['"', "😀", "\x00", "&", "x"])
def test_the_budget_is_one_of_bytes_whatever_the_text(character):
    lines = [character * 4_000] * 500
    assert len(render_html(script(*lines), "shell", "shell").encode()) < 1.1 * MAX_BYTES


def call_and_result(number, command, answer):
    call = {
        "type": "tool_use",
        "id": f"call-{number}",
        "name": "Bash",
        "input": {"command": command},
    }
    result = {"type": "tool_result", "tool_use_id": f"call-{number}", "content": answer}
    for speaker, block in (("assistant", call), ("user", result)):
        yield json.dumps({"type": speaker, "message": {"content": [block]}})


def test_calls_with_their_results_stay_within_the_budget():
    calls = [call_and_result(number, f"command {number}", "found") for number in range(900)]
    html = render_html(script(*itertools.chain(*calls)), "agent", "claude")
    assert "rows in the middle are not shown here" in html
    assert len(html.encode()) < 1.02 * MAX_BYTES


def test_a_page_is_the_same_whether_or_not_it_was_made_before():
    calls = [call_and_result(number, f"command {number}", "found") for number in range(30)]
    events = script(*itertools.chain(*calls))
    growing, whole = Transcript("agent", "claude"), Transcript("agent", "claude")
    for each in events:
        growing.add([each])
        growing.html(5)
    whole.add(events)
    for most in (5, 20, 2_000):
        assert growing.html(most) == whole.html(most)


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "\x00\x00"])
def test_a_result_stands_below_its_call_whatever_they_say(text):
    html = render_html(script(*call_and_result(1, f"{text}first", f"{text}second")), "a", "claude")
    texts = "".join(parsed(html).texts)
    assert "\x00" not in html
    assert texts.count("second") == 1
    assert texts.index("first") < texts.index("second") < texts.index("Exit code 0")


def test_one_huge_line_makes_no_huge_plain_text():
    transcript = Transcript("shell", "shell")
    transcript.add(script("y" * 10_000_000))
    assert len(transcript.plain()) < 1_000


def test_an_interrupt_between_two_events_loses_none():
    def interrupted():
        yield from script("one")[:2]
        raise KeyboardInterrupt

    transcript = Transcript("shell", "shell")
    with pytest.raises(KeyboardInterrupt):
        transcript.add(interrupted())
    assert (transcript.taken, [row.text for row in transcript.rows]) == (2, ["", "one"])


def test_one_huge_line_is_clipped_and_says_so():
    html = render_html(script("y" * 10_000_000), "shell", "shell")
    assert len(html) < MAX_BYTES
    assert "\n[9,996,000 more characters: .events has them]" in html


def test_a_failed_stage_is_open_to_the_eye():
    events = [
        event("stage", stage="create_sprite", state="done", duration_ms=1),
        event("stage", stage="install_runtime", state="failed", message="install the CLI"),
        event("error", message="Session failed"),
    ]
    html = render_html(events, "claude", "claude")
    assert "install the CLI" in html
    assert re.search(r"<details[^>]* open>", html)


def test_plain_text_ends_with_the_last_rows():
    transcript = Transcript("shell · 1", "shell")
    transcript.add(script(*map(str, range(100))))
    lines = transcript.plain().splitlines()
    assert lines[0] == "shell · 1 · completed · 1 turn"
    assert lines[-2:] == ["99", "── Exit code 0"]
    assert len(lines) == 21


def test_addresses_are_links_without_a_referrer():
    html = render_html(script("see https://example.org/a?b=1&c=2."), "shell", "shell")
    assert (
        '<a href="https://example.org/a?b=1&amp;c=2" target="_blank" rel="noopener noreferrer">'
        "https://example.org/a?b=1&amp;c=2</a>."
    ) in html


def test_the_colours_of_a_terminal_are_kept():
    html = render_html(script("\x1b[1;32mok\x1b[0m 3 passed"), "shell", "shell")
    assert '<span style="color:#2b8a4f;font-weight:bold">ok</span> 3 passed' in html


def test_no_text_stands_where_a_page_would_set_mathematics():
    call = {"type": "tool_use", "id": "t", "name": "$x$", "input": {"command": "\\(y\\)"}}
    line = {"type": "assistant", "message": {"content": [call]}}
    events = script("$a$ and $b$")
    events.insert(1, event("output", stream="stdout", data=json.dumps(line) + "\n", turn=1))
    html = render_html(events, "$title$")
    outside = re.sub(r"<(pre|code)\b.*?</\1>", "", html, flags=re.DOTALL)
    assert "$" not in outside
    assert "\\(" not in outside


def test_two_hundred_lines_of_output_are_one_element():
    html = render_html(script(*[f"line {n}" for n in range(500)]), "shell", "shell")
    assert html.count("<pre") == 3


def test_colours_stay_in_their_places_in_a_run_of_output():
    html = render_html(script("plain", "\x1b[31mred\x1b[0m", "x" * 9000, "\x1b[1mbold\x1b[0m"), "t")
    assert '<span style="color:#d0443c">red</span>\n' in html
    assert '<span style="font-weight:bold">bold</span>' in html


def test_paragraphs_stand_apart():
    transcript = Transcript("run")
    said = "It is the range.\n\n", "All 10 tests pass.\n\n"
    transcript.add(SimpleNamespace(type="chunk", extra={"text": text}) for text in said)
    assert "It is the range.\n\nAll 10 tests pass." in transcript.plain()
    assert transcript.html().count("padding:6px 0 6px 9px") == 2


def test_a_table_of_events_is_refused_in_a_line():
    table = pd.DataFrame({"type": ["output"], "data": ["x"]})
    with pytest.raises(AodNotebookError, match=r"This DataFrame holds no events .*to_html\(\)\."):
        render_html(table, "t")
