"""The side-by-side view: what it says, that it stays safe, small and readable without colours."""

import json
import re
from html.parser import HTMLParser

import pytest

from aod_notebook.live import compare
from aod_notebook.viewers.compare.facts import MINUS

ALLOWED = {
    *("div", "span", "b", "pre", "details", "summary"),
    *("table", "colgroup", "col", "thead", "tbody", "tr", "th", "td"),
}


class Tags(HTMLParser):
    """Collects every tag, attribute and text of a page."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.texts = set(), set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.texts.append(data)


def parsed(comparison):
    tags = Tags()
    tags.feed(comparison._repr_html_())
    return tags


def body(*calls, words="Done.", cost=0.5):
    """The stream of a session of Claude that makes these calls."""
    lines = []
    for number, (tool, given, is_error) in enumerate(calls):
        use = {"type": "tool_use", "id": f"t{number}", "name": tool, "input": given}
        lines.append({"type": "assistant", "message": {"id": f"m{number}", "content": [use]}})
        answer = {"type": "tool_result", "tool_use_id": f"t{number}", "content": "x"}
        lines.append({"type": "user", "message": {"content": [{**answer, "is_error": is_error}]}})
    said = {"type": "text", "text": words}
    lines.append({"type": "assistant", "message": {"id": "last", "content": [said]}})
    lines.append({"type": "result", "subtype": "success", "total_cost_usd": cost})
    events = (
        {"type": "output", "id": at, "stream": "stdout", "turn": 1, "data": json.dumps(line) + "\n"}
        for at, line in enumerate(lines, 1)
    )
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def bash(command, *, failed=False):
    return "Bash", {"command": command}, failed


def edit(old, new):
    return "Edit", {"file_path": "a.py", "old_string": old, "new_string": new}, False


PAYLOADS = [
    "<script>alert(1)</script>",
    "</pre></div><iframe src=javascript:alert(1)>",
    '"><svg onload=alert(1)>',
    "\x1b]8;;javascript:alert(1)\x07click",
    "<style>*{display:none}</style>",
    "' onmouseover='alert(1)",
]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_output_never_becomes_markup(payload):
    calls = bash(payload), (payload, {payload: payload, "file_path": payload}, True)
    edited = "Edit", {"file_path": payload, "old_string": payload, "new_string": payload * 2}, False
    shown = compare(body(*calls, words=payload), body(edited, *calls, words=payload))
    tags = parsed(shown)
    assert tags.tags <= ALLOWED
    assert tags.attributes <= {"class", "style", "open", "title", "scope"}


@pytest.mark.parametrize("sign", ["\x1b", "\u202e", "\x00"])
def test_no_control_character_is_passed_on(sign):
    shown = compare(body(bash(f"a{sign}b"), words=f"c{sign}d"), body(bash(f"e{sign}f")))
    assert sign not in shown._repr_html_()
    assert sign not in repr(shown)


def test_nothing_is_coloured_but_edges_and_grounds():
    shown = compare(body(bash("ls"), edit("x", "y")), body(bash("ls"), edit("x", "z")))
    styles = ";".join(re.findall(r'style="([^"]*)"', shown._repr_html_()))
    names = {part.partition(":")[0] for part in styles.split(";")}
    assert "color" not in names
    assert not re.search(r"var\(|url\(|position", styles)


def test_where_they_part_stands_above_the_first_step_that_differs():
    shown = compare(body(bash("ls"), bash("cat a")), body(bash("ls"), bash("cat b")))
    text = " ".join(parsed(shown).texts)
    assert text.index("1 same step") < text.index("First difference · step 2") < text.index("cat a")
    assert "◆ First difference · step 2 · A continues with Bash, B continues with Bash" in repr(
        shown
    )
    assert "  ≠ Bash cat a | Bash cat b" in repr(shown)


def test_the_same_sessions_have_no_difference():
    shown = compare(body(bash("ls")), body(bash("ls")))
    assert "First difference" not in shown._repr_html_() + repr(shown)
    assert "Steps · 1 same" in repr(shown)


def test_a_step_that_ended_otherwise_is_not_folded():
    shown = compare(body(bash("pytest", failed=True)), body(bash("pytest")))
    assert "= Bash pytest ✗ | Bash pytest" in repr(shown)
    assert "same step ·" not in shown._repr_html_()


def test_equal_steps_of_one_side_are_one_row():
    shown = compare(body(bash("ls")), body(bash("ls"), *[bash("pytest", failed=True)] * 4))
    assert "  + Bash pytest · 4 times ✗" in repr(shown)
    assert "· 4 times" in shown._repr_html_()


def test_lines_of_changed_edits_are_open():
    shown = compare(body(edit("old", "new\n")), body(edit("old", "other")))._repr_html_()
    assert f"{MINUS} old</div>" in shown
    assert "+ new</div>" in shown
    assert shown.count("<details open") == 2


def test_better_and_worse_are_shown_in_words():
    text = repr(compare(body(cost=0.5), body(cost=0.2)))
    assert f"{MINUS}$0.30, 60\u202f% cheaper" in text
    assert "+$0.30, 150\u202f% more" in repr(compare(body(cost=0.2), body(cost=0.5)))


def test_unknown_facts_are_left_out():
    text = repr(compare(body(), body(bash("ls"))))
    assert "Tools" in text
    for unknown in ("Time", "Status", "Prompt", "Model", "None", "nan", "<NA>"):
        assert unknown not in text


def test_a_cost_of_one_side_is_compared_with_nothing():
    text = repr(compare(body(cost=0.5), body(cost=None)))
    assert re.search(r"Cost +\$0\.50$", text, re.MULTILINE)


def test_huge_sessions_stay_small_and_say_what_is_missing():
    sides = [body(*(edit("x" * 3000, f"{side}{n}") for n in range(1500))) for side in "ab"]
    shown = compare(*sides)
    assert len(shown._repr_html_()) < 800_000
    assert "1,200 more rows are in .df" in shown._repr_html_()
    assert "1,200 more rows are in .df" in repr(shown)


def test_a_comparison_holds_its_frames():
    shown = compare(body(bash("ls")), body(edit("x", "y")))
    assert shown.first_difference == 1
    assert shown.df.attrs["schema"] == "aod.comparison/1"
    assert shown.totals["tool_call_count"].tolist() == [1, 1]
    assert shown.edits["file"].tolist() == ["a.py"]
