"""The recorded session as a reader sees it: what was asked, done, changed, and what failed."""

import re

import pytest
from pages import READY_MS
from playwright.sync_api import expect
from views import SESSION

HOSTILE = r"""import json
from driven import Driven
from aod_notebook.viewers.stream import StreamViewer
d = Driven("claude", "claude")
d.prompts[1] = "<img src=x onerror=window.owned=1>"
words = '''# <script>window.owned=1</script>
[a](javascript:window.owned=1) [b](https://example.org) ![c](x" onerror="window.owned=1)
<img src=x onerror=window.owned=1> <svg onload=window.owned=1>
| <iframe src=javascript:parent.owned=1> | b |
|---|---|
| 1 | 2 |'''
def said(*blocks):
    message = {"type": "assistant", "message": {"id": "m", "content": list(blocks)}}
    d.line(json.dumps(message))
evil = "<img src=x onerror=window.owned=1>"
said({"type": "text", "text": words})
edit = {"file_path": evil, "old_string": evil, "new_string": f"{evil} more"}
said({"type": "tool_use", "id": "e", "name": "Edit", "input": edit})
todos = [{"content": evil, "status": "in_progress"}]
said({"type": "tool_use", "id": "t", "name": "TodoWrite", "input": {"todos": todos}})
v = StreamViewer(d, freeze=False)
v"""


WORK = r"""import json
from driven import Driven
from aod_notebook.viewers.stream import StreamViewer
d = Driven("claude", "claude")
def said(block, role="assistant"):
    d.line(json.dumps({"type": role, "message": {"id": "m", "role": role, "content": [block]}}))
def call(key, name, **given):
    said({"type": "tool_use", "id": key, "name": name, "input": given})
def returned(key, content):
    said({"type": "tool_result", "tool_use_id": key, "content": content}, "user")
def picture(kind, data):
    source = {"type": "base64", "media_type": kind, "data": data}
    return [{"type": "image", "source": source}]
call("a", "Bash", command="pytest -q")
v = StreamViewer(d, freeze=False)
v"""
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SVG = "PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciLz4="


@pytest.fixture
def session(opened):
    nb = opened(SESSION)
    nb.run_all()
    expect(nb.log).to_contain_text("All 10 tests pass", timeout=READY_MS)
    return nb


def test_the_title_is_what_was_asked(session):
    expect(session.viewer.locator(".aod-title")).to_have_text(
        "The report for March shows 30 nights instead of 31. Find out why and fix it."
    )
    expect(session.viewer.locator(".aod-id")).to_have_text("5f0c2f6e")


def test_next_error_goes_from_failure_to_failure(session):
    button = session.viewer.get_by_role("button", name="Next error 2")
    button.click()
    active = session.log.locator(".aod-active")
    expect(active).to_contain_text("python -m pytest -q tests/test_dates.py")
    expect(active).to_contain_text("exit code 1")
    session.log.press("e")
    expect(active).to_contain_text("python -m pytest -q")
    expect(active).not_to_contain_text("tests/test_dates.py")


def test_only_errors_hides_what_did_not_fail(session):
    session.tool("Only errors").click()
    expect(session.log.locator(".aod-is-text")).to_have_count(0)
    expect(session.log.locator(".aod-is-tool")).to_have_count(2)


def test_a_change_of_a_file_is_a_diff(session):
    session.viewer.get_by_role("searchbox").fill("innkeeper/dates.py")
    session.log.press("Home")
    for _ in range(60):
        if session.log.locator(".aod-del:visible", has_text="while day < end:").count():
            break
        session.log.press("PageDown")
    changed = session.log.locator(".aod-row", has_text="while day <= end:").first
    expect(changed.locator(".aod-del")).to_contain_text("while day < end:")
    expect(changed.locator(".aod-add u")).to_have_text("=")
    expect(changed.locator(".aod-plus")).to_have_text("+1")


def test_markdown_is_set_and_raw_shows_it_as_written(session):
    expect(session.log.locator(".aod-words li strong").first).to_have_text("innkeeper/dates.py")
    session.tool("Raw").click()
    expect(session.log.locator(".aod-words")).to_have_count(0)
    expect(session.log).to_contain_text("**innkeeper/dates.py**")


def test_a_folded_turn_says_what_is_in_it(session):
    session.viewer.get_by_role("button", name="Fold all").click()
    rows = session.log.locator(".aod-row")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("The report for March shows 30 nights")


def test_nothing_hostile_runs_in_markdown_diffs_or_lists(opened):
    nb = opened(HOSTILE)
    nb.run_all()
    expect(nb.log.locator(".aod-todo")).to_contain_text("onerror", timeout=READY_MS)
    assert nb.page.evaluate("window.owned") is None
    links = nb.log.locator("a").evaluate_all("all => all.map((each) => each.href)")
    assert links == ["https://example.org/"]
    assert nb.log.locator("img, iframe, script").count() == 0


def test_one_line_shows_the_activity_and_its_duration(opened):
    nb = opened(WORK, "returned('a', 'ok')", "call('b', 'Grep', pattern='x')")
    nb.run_cell(0)
    now = nb.viewer.locator(".aod-now")
    expect(now).to_contain_text("Bash: pytest -q", timeout=READY_MS)
    expect(now).to_have_text(re.compile(r"[1-9] s$"))
    nb.run_cell(1)
    expect(now).to_be_hidden()
    nb.run_cell(2)
    expect(now).to_contain_text("Grep: x")


def test_a_picture_of_a_tool_is_shown_and_what_may_run_scripts_is_not(opened):
    shown = f"call('b', 'Read', file_path='a.png'); returned('b', picture('image/png', '{DOT}'))"
    refused = (
        f"call('c', 'Read', file_path='a.svg'); returned('c', picture('image/svg+xml', '{SVG}'))"
    )
    nb = opened(WORK, f"{shown}\n{refused}\nd.end()")
    nb.run_all()
    expect(nb.log).to_contain_text("a.svg", timeout=READY_MS)
    nb.viewer.get_by_role("button", name="Fold all").click()
    nb.viewer.get_by_role("button", name="Unfold all").click()
    picture = nb.log.locator("img")
    expect(picture).to_have_count(1, timeout=READY_MS)
    assert picture.evaluate("each => each.decode().then(() => each.naturalWidth)") == 1
    assert picture.get_attribute("alt")


def test_the_way_to_errors_begins_at_the_first_and_goes_back(session):
    active = session.log.locator(".aod-active")
    session.log.press("e")
    expect(active).to_contain_text("tests/test_dates.py")
    session.log.press("e")
    expect(active).not_to_contain_text("tests/test_dates.py")
    session.log.press("Shift+E")
    expect(active).to_contain_text("tests/test_dates.py")
