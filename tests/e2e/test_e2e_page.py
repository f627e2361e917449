"""The page of the stream viewer: it has what the kernel has, answers, and is usable by all."""

import json
import sys

import pytest
from pages import NOTEBOOK, READY_MS, NotebookPage
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import expect
from views import KINDS, LINES, REPLAY, VIEW, focus, wait_until_focused

RUN = r"""from driven import Driven
from aod_notebook.viewers.stream import StreamViewer
d = Driven("run · 8c1f", None)
d.event("start", run_id="8c1f")
d.event("task", id="t", name="nightly report", status="running", input={"month": "March"})
d.record("llm.request", model="claude-sonnet-4-6", prompt="How many nights has March?\nAnswer with a number.")
d.event("chunk", text="March should have 31 nights. ")
d.event("chunk", text="I'll look into the report before I say so.")
d.record("tool.called", tool="search", input={"query": "nights in March"})
d.record("tool.returned", tool="search", output={"hits": ["report.py:14", "invoice.py:21"], "took_ms": 12})
d.record("tool.called", tool="sql", input={"statement": "select count(*) from nights"})
d.record("tool.failed", tool="sql", error="no such table: nights")
d.span("retrieve bookings", "retrieval", query="March", documents=31)
d.span("claude-sonnet-4-6", "llm", response="31", input_tokens=1203, output_tokens=7)
d.record("cache.miss", "warn", key="nights/2026-03")
d.record("step.failed", "error", message="the table is called stays")
d.event("task", id="t", name="nightly report", status="completed", output={"nights": 31})
def answer(key, text):
    d.event("answer", request_id=key, response=text)
def decide(key, approved):
    d.event("decision", approval_id=key, decision="approved" if approved else "rejected")
    d.event("chunk", text="The report is sent.")
v = StreamViewer(d, freeze=False, stop=lambda: d.end(1), answer=answer, decide=decide)
v"""
HOSTILE = r"""from driven import Driven
from aod_notebook.viewers.stream import StreamViewer
import json
d = Driven("<img src=x onerror=window.owned=1>", "claude")
texts = [
    "<script>window.owned=1</script>", "<img src=x onerror='window.owned=1'>",
    "</pre></div><iframe src=javascript:parent.owned=1>", '"><svg onload=window.owned=1>',
    "\x1b]8;;javascript:window.owned=1\x07click\x1b]8;;\x07", "javascript:window.owned=1//https://",
    "a\u202egnp.exe", "nul\x00\x07bell", "half \ud83d pair", "bar 10%\rbar 99%", "\u2028sep",
    "\x1b[31;1mred\x1b[0m \x1b[2J\x1b[H", "https://example.org/'onmouseover='window.owned=1",
    "\\(x^2\\) and $y$",
]
d.line(*texts)
block = {"type": "tool_use", "id": "t", "name": texts[0], "input": {"command": texts[1]}}
d.line(json.dumps({"type": "assistant", "message": {"content": [block]}}))
d.event("stage", stage=texts[1], state="failed", message=texts[0])
d.line("m" * 1_000_000, "n" * 10_000_000)
for i in range(50_000):
    d.event("stage", stage=f"stage {i}", state="done", duration_ms=1)
d.line("the last line")
v = StreamViewer(d, freeze=False)
v"""


def hash_of(rows):
    return hash(json.dumps(rows))


PACED = "%%aod --view --runtime shell --no-raise\nwhile echo tick; do sleep 0.3; done"
FIRST_PAINT = """() => {
  const found = (view, name) => {
    const it = view.querySelector(name);
    return [it.closest("[hidden]") !== null, it.disabled];
  };
  let seen = null;
  new MutationObserver(() => {
    const view = document.querySelector(".aod-viewer");
    if (!view) return;
    if (view !== seen) {
      seen = view;
      const controls = [found(view, ".aod-stop"), found(view, ".aod-send")];
      window.firstPaint = [performance.now(), ...controls];
      window.enabledAt = null;
    }
    if (!view.querySelector(".aod-stop").disabled) window.enabledAt ??= performance.now();
  }).observe(document.body, { attributes: true, childList: true, subtree: true });
}"""
"""Keeps of the first moment of each view when it was, and of each control whether it is hidden and
whether it is disabled; later, when Stop was enabled."""

KERNEL_ROWS = """from aod_notebook.viewers.wire import KINDS, WIRE_CHARS
import json
rows = [[KINDS[r.kind], r.text[:WIRE_CHARS], r.title, r.is_error + 2 * r.is_minor, r.depth]
        for r in v.feed.transcript.rows]
open("kernel-rows.json", "w").write(json.dumps(rows))"""


@pytest.fixture
def same_rows(server):
    """Whether page and kernel keep the same rows, by the last cell of a notebook."""

    def check(nb, cell):
        target = server.root / "kernel-rows.json"
        target.unlink(missing_ok=True)
        nb.run_cell(cell)
        nb.wait_until(lambda: target.exists() and target.read_text().endswith("]"))
        return hash_of(json.loads(target.read_text())) == hash_of(nb.rows())

    return check


def test_a_burst_beside_a_cell_that_floods_print_loses_no_row(opened, same_rows):
    flood = "for i in range(20_000): print(i)"
    nb = opened(VIEW, f"d.flood_in_thread(20_000)\n{flood}", KERNEL_ROWS)
    nb.run_cell(0)
    nb.wait_for_rows(LINES)
    nb.run_cell(1)
    nb.wait_for_rows(LINES + 20_000)
    expect(nb.output(1)).to_contain_text("19999")
    assert same_rows(nb, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_reload_in_mid_stream_loses_no_row(opened, same_rows, kind):
    nb = opened(VIEW, "d.flood_in_thread(2_000, 500)", KERNEL_ROWS, kind=kind)
    nb.run_cell(0)
    nb.wait_for_rows(LINES)
    nb.run_cell(1)
    nb.wait_for_rows(LINES + 200)
    nb.save()
    nb.reload()
    nb.wait_for_rows(LINES + 2_000)
    nb.wait_until_idle()
    assert same_rows(nb, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_two_tabs_keep_the_same_rows(opened, page, server, same_rows, kind):
    nb = opened(VIEW, "d.flood_in_thread(1_000, 500)", KERNEL_ROWS, kind=kind)
    nb.run_cell(0)
    nb.wait_for_rows(LINES)
    nb.save()
    second = NotebookPage(page, server, kind).open(nb.path)
    second.wait_for_rows(LINES)
    nb.run_cell(1)
    nb.wait_for_rows(LINES + 1_000)
    second.wait_for_rows(LINES + 1_000)
    assert nb.rows() == second.rows()
    assert same_rows(nb, 2)


def test_a_tab_closed_in_mid_stream_shows_all_when_opened_again(opened, context):
    nb = opened(VIEW, "d.flood_in_thread(1_000, 500)")
    nb.run_cell(0)
    nb.wait_for_rows(LINES)
    nb.run_cell(1)
    nb.wait_for_rows(LINES + 100)
    nb.save()
    nb.page.close(run_before_unload=False)
    nb.page = context.new_page()
    nb.open(nb.path)
    nb.wait_for_rows(LINES + 1_000)
    assert nb.rows()[-1][1].startswith("00000999")


def test_the_stop_button_and_the_prompt_box_work_from_an_idle_kernel(opened):
    nb = opened(VIEW.replace("d.end(1)", "d.end()"))
    nb.run_cell(0)
    nb.wait_for_rows(LINES)
    nb.viewer.get_by_role("button", name="Stop").click()
    expect(nb.viewer.locator(".aod-chip")).to_have_text("completed")
    box = nb.viewer.get_by_role("textbox", name="Next prompt")
    box.fill("go on")
    box.press("Enter")
    expect(nb.log).to_contain_text("prompt: go on")
    expect(nb.viewer.locator(".aod-chip")).to_have_text("running")


def test_the_prompt_box_goes_when_the_session_takes_no_prompt_but_keeps_a_text(opened):
    nb = opened(VIEW, "d.next_turn('more')", "d.end(1)")
    nb.run_cell(0)
    nb.wait_for_rows(LINES)
    box = nb.viewer.get_by_role("textbox", name="Next prompt")
    expect(box).to_be_visible()
    nb.viewer.get_by_role("button", name="Stop").click()
    expect(box).to_be_hidden()
    nb.run_cell(1)
    box.fill("half a thought")
    nb.run_cell(2)
    expect(nb.viewer.locator(".aod-chip")).to_have_text("failed")
    expect(box).to_have_value("half a thought")
    expect(box).not_to_be_editable()


def test_a_view_of_a_dead_kernel_keeps_its_rows_and_says_that_it_ran(opened_alone, shot):
    nb = opened_alone(VIEW, "import os\nos.kill(os.getpid(), 9)")
    nb.run_cell(0)
    nb.wait_for_rows(LINES)
    chip = nb.viewer.locator(".aod-chip")
    expect(chip).to_have_attribute("data-status", "running")
    nb.run_cell(1)
    expect(nb.viewer.locator(".aod-facts")).to_contain_text("no news from the kernel")
    expect(chip).to_have_text("was running")
    expect(chip).to_have_attribute("data-status", "")
    expect(nb.viewer.get_by_role("button", name="Stop")).to_be_disabled()
    expect(nb.log).to_contain_text("line 299")
    nb.page.get_by_role("button", name="Ok", exact=True).click()
    shot(nb.viewer, "kernel-died")


def test_after_a_restart_of_the_kernel_the_box_keeps_its_text_and_says_what_to_do(opened_alone):
    nb = opened_alone(VIEW)
    nb.run_cell(0)
    nb.wait_for_rows(LINES)
    box = nb.viewer.get_by_role("textbox", name="Next prompt")
    box.fill("a long prompt")
    nb.page.evaluate(f"{NOTEBOOK}.sessionContext.session.kernel.restart()")
    expect(nb.viewer.locator(".aod-note")).to_contain_text("The kernel has gone", timeout=READY_MS)
    expect(nb.viewer.locator(".aod-note")).to_contain_text("The text in the box stays.")
    expect(box).to_have_value("a long prompt")
    for name in ("Stop", "Send"):
        expect(nb.viewer.get_by_role("button", name=name)).to_be_disabled()
    nb.wait_until_idle()
    expect(box).to_have_value("a long prompt")


@pytest.mark.parametrize(
    "kernels",
    [2, pytest.param(200, marks=[pytest.mark.faults, pytest.mark.timeout(7200)])],
    ids=["2 kernels", "200 kernels"],
)
def test_stop_and_prompt_box_are_in_the_first_paint_of_each_fresh_kernel(opened_alone, kernels):
    nb = opened_alone("%load_ext aod_notebook", PACED)
    nb.page.evaluate(FIRST_PAINT)
    waited, failures = [], []
    for number in range(kernels):
        try:
            nb.restart_and_run_all()
            stop = nb.viewer.get_by_role("button", name="Stop")
            expect(stop).to_be_enabled(timeout=READY_MS)
            expect(nb.viewer.get_by_role("textbox", name="Next prompt")).to_be_visible()
            began, *controls = nb.page.evaluate("window.firstPaint")
            waited.append(nb.page.evaluate("window.enabledAt") - began)
            assert controls == [[False, True], [False, True]]
            stop.click()
            expect(nb.output(1)).to_contain_text("terminated", ignore_case=True)
        except (AssertionError, PlaywrightError) as failure:
            failures.append((number, str(failure)))
    waited.sort()
    sys.stdout.write(
        f"{kernels} fresh kernels, {len(failures)} failures; controls enabled after the first "
        f"paint: median {waited[len(waited) // 2]:.0f} ms, longest {waited[-1]:.0f} ms\n"
    )
    assert not failures


def test_questions_are_answered_in_the_page(opened):
    nb = opened(
        VIEW,
        "v.ask('q1', 'May I delete <b>it</b>?', lambda a: d.line(f'answer: {a}'), ('Yes', 'No'))\n"
        "v.ask('q2', 'Which one?', lambda a: d.line(f'chosen: {a}'))",
    )
    nb.run_all()
    nb.viewer.get_by_role("button", name="Yes").click()
    expect(nb.log).to_contain_text("answer: Yes")
    nb.viewer.get_by_role("textbox", name="Your answer").fill("the second")
    nb.viewer.get_by_role("button", name="Answer").click()
    expect(nb.log).to_contain_text("chosen: the second")
    expect(nb.viewer.locator(".aod-question")).to_have_count(0)


def test_half_an_answer_stays_when_another_question_comes(opened):
    nb = opened(VIEW, "v.ask('q1', 'Which one?', print)", "v.ask('q2', 'And then?', print)")
    nb.run_cell(0)
    nb.run_cell(1)
    box = nb.viewer.get_by_role("textbox", name="Your answer")
    box.fill("half of what")
    nb.run_cell(2)
    expect(box).to_have_count(2)
    expect(box.first).to_have_value("half of what")


def test_a_view_that_is_in_two_outputs_is_frozen_for_good(opened):
    nb = opened(VIEW.replace("freeze=False, ", ""), "v.show();", "d.end()")
    places = nb.page.locator("[class^=aod-live-]")
    nb.run_cell(0)
    expect(places.locator(".aod-viewer")).to_have_count(1)
    nb.run_cell(1)
    expect(places.locator(".aod-viewer")).to_have_count(2)
    nb.run_cell(2)
    expect(nb.viewer).to_have_count(0)
    expect(places).to_have_count(0)
    expect(nb.output(0)).to_contain_text("Completed", ignore_case=True)


def test_a_run_is_shown_and_what_it_waits_for_is_answered_in_the_page(opened, problems, shot):
    nb = opened(
        RUN,
        "d.event('awaiting_input', request_id='q', question='Which year?', options=['2025', '2026'])\n"
        "d.event('awaiting_approval', approval_id='a', request={'action': 'send the report'})",
        "from IPython.display import HTML; HTML(v.feed.html())",
    )
    nb.run_all()
    expect(nb.viewer.locator(".aod-question")).to_have_count(2)
    expect(nb.viewer.locator(".aod-chip")).to_have_text("awaiting approval")
    expect(nb.output(2)).to_contain_text("stays")
    shot(nb.viewer, "run-light")
    assert problems(nb.page, ".aod-viewer") == []
    nb.set_theme("Dark")
    expect(nb.log.get_by_text("retrieve bookings")).to_be_in_viewport()
    shot(nb.viewer, "run-dark")
    assert problems(nb.page, ".aod-viewer") == []
    shot(nb.output(2), "run-static-dark")
    nb.set_theme("Light")
    shot(nb.output(2), "run-static-light")
    nb.viewer.get_by_role("button", name="2026").click()
    expect(nb.log).to_contain_text("Answer 2026")
    nb.viewer.get_by_role("button", name="Approve").click()
    expect(nb.log).to_contain_text("The report is sent.")
    expect(nb.viewer.locator(".aod-question")).to_have_count(0)
    expect(nb.viewer.locator(".aod-chip")).to_have_text("running")


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_axe_finds_nothing_serious(opened, problems, shot, theme):
    nb = opened(
        REPLAY,
        "d.line('\\x1b[31mred \\x1b[32mgreen \\x1b[33myellow \\x1b[34mblue \\x1b[35mmagenta"
        " \\x1b[36mcyan\\x1b[0m https://example.org', )\nd.line('to stderr', stream='stderr')\n"
        "v.ask('q', 'May I?', print, ('Yes', 'No'))",
        "from IPython.display import HTML; HTML(v.feed.html())",
    )
    nb.set_theme(theme)
    nb.run_all()
    expect(nb.output(2)).to_contain_text("March", timeout=READY_MS)
    expect(nb.log).to_contain_text("to stderr")
    nb.viewer.scroll_into_view_if_needed()
    shot(nb.viewer, f"viewer-{theme.lower()}")
    shot(nb.page, f"page-{theme.lower()}")
    assert problems(nb.page, ".aod-viewer") == []
    nb.viewer.get_by_role("searchbox").fill("march")
    nb.viewer.get_by_role("searchbox").press("Enter")
    shot(nb.viewer, f"search-{theme.lower()}")
    assert problems(nb.page, ".aod-viewer") == []
    nb.output(2).evaluate("output => { output.id = 'static'; }")
    nb.page.set_viewport_size({"width": 1280, "height": 2600})
    nb.output(2).scroll_into_view_if_needed()
    shot(nb.output(2), f"static-{theme.lower()}")
    nb.page.set_viewport_size({"width": 1280, "height": 1000})
    assert problems(nb.page, "#static") == []
    nb.set_theme("Light")


FOCUSED = """() => {
  const { classList, innerText, className } = document.activeElement;
  return classList.contains("aod-log") ? "the rows" : innerText || className;
}"""


@pytest.mark.parametrize("kind", KINDS)
def test_everything_can_be_reached_by_keyboard_in_both_directions(opened, kind):
    nb = opened(
        REPLAY, "v.ask('q', 'May I?', lambda a: d.line(f'answer: {a}'), ('Yes', 'No'))", kind=kind
    )
    nb.page.set_viewport_size({"width": 1600, "height": 1000})  # all tools are in sight
    nb.run_all()
    nb.wait_for_rows(20)
    expect(nb.viewer.get_by_role("button", name="Yes")).to_be_visible()
    expect(nb.viewer.get_by_role("button", name="Details")).to_be_visible()
    focus(nb.viewer.get_by_role("button", name="Stop"))
    stops = [
        "aod-search", "Next error 2", "Words", "Thinking", "Tools", "Details", "Only errors",
        "Fold all", "Raw", "Wrap", "Copy",
    ]  # fmt: skip
    seen = [nb.page.evaluate(FOCUSED)]
    for _ in range(16):
        nb.page.keyboard.press("Tab")
        seen.append(nb.page.evaluate(FOCUSED))
    assert seen == ["Stop", *stops, "the rows", "Yes", "No", "aod-input", "Send"]
    for expected in reversed(seen[:-1]):
        nb.page.keyboard.press("Shift+Tab")
        assert nb.page.evaluate(FOCUSED) == expected
    nb.page.set_viewport_size({"width": 1280, "height": 1000})


@pytest.mark.parametrize("kind", KINDS)
def test_buttons_and_rows_work_by_keyboard(opened, kind):
    nb = opened(
        REPLAY, "v.ask('q', 'May I?', lambda a: d.line(f'answer: {a}'), ('Yes', 'No'))", kind=kind
    )
    nb.run_all()
    nb.wait_for_rows(20)
    tools = nb.viewer.get_by_role("button", name="Tools")
    tools.focus()
    nb.page.keyboard.press("Space")
    expect(tools).to_have_attribute("aria-pressed", "false")
    nb.page.keyboard.press("Enter")
    expect(tools).to_have_attribute("aria-pressed", "true")
    nb.log.focus()
    nb.page.keyboard.press("Home")
    active = nb.log.get_attribute("aria-activedescendant")
    expect(nb.log.locator(f"[id='{active}']")).to_contain_text("Turn 1")
    nb.page.keyboard.press("/")
    wait_until_focused(nb, nb.viewer.get_by_role("searchbox"))
    focus(nb.viewer.get_by_role("button", name="Yes"))
    nb.page.keyboard.press("Enter")
    expect(nb.viewer.locator(".aod-question")).to_have_count(0)
    focus(nb.viewer.get_by_role("button", name="Stop"))
    nb.page.keyboard.press("Enter")
    expect(nb.viewer.locator(".aod-chip")).to_have_text("failed")
    assert nb.page.evaluate("document.querySelectorAll('.jp-Notebook .jp-Cell').length") == 2


def test_hostile_text_is_only_text_and_freezes_nothing(opened, shot):
    nb = opened(HOSTILE, "from IPython.display import HTML; HTML(v.feed.html())")
    nb.page.evaluate(
        """() => {
          window.longest = 0;
          new PerformanceObserver((list) => {
            for (const e of list.getEntries()) window.longest = Math.max(window.longest, e.duration);
          }).observe({ type: "longtask" });
        }"""
    )
    nb.run_cell(0)
    nb.wait_for_rows(50_000)
    expect(nb.log).to_contain_text("the last line")
    nb.log.focus()
    for key in ("Home", "PageDown", "PageDown", "End", "Home"):
        nb.page.keyboard.press(key)
    shot(nb.viewer, "hostile")
    longest = nb.page.evaluate("window.longest")
    nb.run_cell(1)
    expect(nb.output(1)).to_contain_text("the last line", timeout=READY_MS)
    assert nb.page.evaluate("window.owned") is None
    expect(nb.viewer.locator("script, img, iframe, svg:not(.aod-icon)")).to_have_count(0)
    hrefs = nb.viewer.locator("a").evaluate_all("all => all.map(a => a.href)")
    assert all(href.startswith("https://example.org/") for href in hrefs)
    assert longest < 200
