"""An exported bundle, opened from its files in a browser that is offline."""

import json

import pytest
from playwright.sync_api import expect

from aod_notebook.aod import StreamEvent
from aod_notebook.core.redactor import Redactor
from aod_notebook.viewers.bundle import Shown, write_bundle

EVIL = (
    "<script>window.owned=1</script><img src=x onerror=window.owned=1>"
    "\"'><svg onload=window.owned=1></textarea></pre><iframe src=javascript:parent.owned=1>"
    "<img src=https://example.invalid/x.png> \\(x^2\\) \u202e"
)


def events(text, code):
    message = {"id": "m", "role": "assistant", "content": [{"type": "text", "text": text}]}
    line = json.dumps({"type": "assistant", "message": message}) + "\n"
    return [
        StreamEvent("turn_start", 1, {"turn": 1}),
        StreamEvent("output", 1, {"stream": "stdout", "data": line, "turn": 1}),
        StreamEvent("output", 2, {"stream": "stderr", "data": f"{text}\n", "turn": 1}),
        StreamEvent("exit", 3, {"code": code}),
    ]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """Write three sessions; every name and value of one of them is hostile."""
    folder = tmp_path_factory.mktemp("bundle")
    sessions = [
        Shown(
            id="aaaa-1", events=events("The nights are counted.", 0), prompts={1: "Count nights"},
            status="completed", agent="claude", model="opus", cost_usd=0.17,
        ),
        Shown(
            id="bbbb-2", events=events("It broke.", 1), prompts={1: "Fix the invoice"},
            status="failed", agent="codex", model="gpt",
        ),
        Shown(
            id=f"cccc-{EVIL}", events=events(EVIL, 0), prompts={1: EVIL},
            status=EVIL, agent=EVIL, model=EVIL, runtime="claude",
        ),
    ]  # fmt: skip
    return write_bundle(folder, sessions, Redactor())


@pytest.fixture
def opened(browser):
    """A window that is offline and notes each request, and what a page complains of."""
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
    made = context.new_page()
    made.seen, made.said = [], []
    made.on("request", lambda request: made.seen.append(request.url))
    made.on("console", lambda message: made.said.append(message.text))
    made.on("dialog", lambda dialog: made.said.append(dialog.message))
    yield made
    context.close()


def rows(page):
    return page.locator("#rows > tr:visible")


def test_search_and_filters_find_sessions(bundle, opened):
    opened.goto(bundle[0].as_uri())
    expect(rows(opened)).to_have_count(3)
    opened.keyboard.press("/")
    opened.keyboard.type("counted nights")  # of the agent's words and of the prompt
    expect(rows(opened)).to_have_count(1)
    expect(rows(opened)).to_contain_text("Count nights")
    expect(opened.locator("#count")).to_have_text("1 of 3")
    opened.keyboard.press("Escape")
    expect(rows(opened)).to_have_count(3)
    opened.locator("#status").select_option("failed")
    expect(rows(opened)).to_contain_text("Fix the invoice")
    opened.locator("#agent").select_option("claude")
    expect(rows(opened)).to_have_count(0)
    expect(opened.locator("#none")).to_be_visible()


def test_a_row_opens_its_page_which_leads_back(bundle, opened):
    opened.goto(bundle[0].as_uri())
    opened.get_by_role("link", name="Fix the invoice").click()
    expect(opened.locator("main")).to_contain_text("It broke.")
    opened.get_by_role("link", name="All sessions").click()
    expect(rows(opened)).to_have_count(3)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("number", [0, 1, 3])
def test_axe_finds_nothing_serious(bundle, opened, problems, number, scheme):
    opened.emulate_media(color_scheme=scheme)
    opened.goto(bundle[number].as_uri())
    assert problems(opened, "body") == []


def test_no_page_asks_for_anything(bundle, opened):
    for path in bundle:
        opened.goto(path.as_uri())
    own = {path.as_uri() for path in bundle}
    assert [url for url in opened.seen if url not in own] == []


@pytest.mark.parametrize("number", [0, 3])
def test_hostile_names_and_values_run_nothing(bundle, opened, number):
    opened.goto(bundle[number].as_uri())
    opened.wait_for_load_state()
    assert opened.evaluate("window.owned") is None
    assert opened.locator("main img, main svg, main iframe, main script").count() == 0
    assert opened.said == []
    assert "\u202e" not in opened.locator("main").inner_text()


@pytest.mark.parametrize("width", [1280, 600])
@pytest.mark.parametrize("number", [0, 1])
def test_nothing_is_wider_than_the_window(bundle, opened, width, number):
    opened.set_viewport_size({"width": width, "height": 900})
    opened.goto(bundle[number].as_uri())
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
