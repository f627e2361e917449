"""The trace in JupyterLab and Notebook 7: reading, keys, the way to the transcript, hostile text."""

import pytest
from playwright.sync_api import expect
from views import KINDS, WINDOW, resize

TRACE = "import traced\ns = traced.coding()\nv = traced.trace(s)\nv"
RUNNING = """import traced
s = traced.Timed()
s.prompts = {1: "Watch me"}
s.at(0, "turn_start", turn=1)
s.call(100, "a", command="sleep 60")
v = traced.trace(s)
v"""
HOSTILE = "import traced\ntraced.trace(traced.hostile())"
SPANS = "29"
"""All in the tree; the page has those in sight."""
WIDTHS = {1280: "wide", 600: "narrow"}


@pytest.fixture
def shown(opened):
    def show(*cells, kind="lab"):
        nb = opened(*cells, kind=kind)
        nb.run_cell(0)
        expect(nb.page.locator(".aod-trace .aod-tr[data-row]").first).to_be_visible()
        return nb

    return show


def rows(nb):
    return nb.page.locator(".aod-trace .aod-tr[data-row]")


def row(nb, text):
    return rows(nb).filter(has_text=text).first


def log(nb):
    return nb.page.locator(".aod-trace > .aod-log")


@pytest.mark.parametrize("kind", KINDS)
def test_a_click_shows_input_and_output_and_the_button_goes_to_the_row(shown, shot, kind):
    nb = shown(TRACE, kind=kind)
    expect(nb.page.locator(".aod-trace .aod-title")).to_contain_text("The report for March")
    row(nb, "python -m pytest -q tests/test_dates.py").click()
    pane = nb.page.locator(".aod-pane")
    expect(pane).to_contain_text("Run the date tests, expecting one failure")
    expect(pane).to_contain_text("1 failed, 2 passed")
    shot(nb.page.locator(".aod-trace"), f"trace-1280-light-{kind}")
    pane.get_by_role("button", name="Show in transcript").click()
    active = nb.page.locator(".aod-below .aod-row.aod-active")
    expect(active).to_contain_text("python -m pytest -q tests/test_dates.py")
    expect(active).to_be_visible()
    shot(nb.page.locator(".aod-trace"), f"trace-to-transcript-{kind}")


def test_keys_walk_fold_open_and_find_errors(shown):
    nb = shown(TRACE)
    log(nb).focus()
    nb.page.keyboard.press("Home")
    expect(row(nb, "Turn 1")).to_have_attribute("aria-selected", "true")
    expect(rows(nb).first).to_have_attribute("aria-setsize", SPANS)
    nb.page.keyboard.press("ArrowLeft")
    expect(row(nb, "Turn 1")).to_have_attribute("aria-expanded", "false")
    expect(rows(nb)).to_have_count(1)
    nb.page.keyboard.press("ArrowRight")
    expect(rows(nb).first).to_have_attribute("aria-setsize", SPANS)
    nb.page.keyboard.press("ArrowDown")
    expect(row(nb, "Message 1")).to_have_attribute("aria-selected", "true")
    nb.page.keyboard.press("e")
    expect(nb.page.locator(".aod-pane .aod-failure")).to_have_text("✗ exit code 1")
    nb.page.keyboard.press("Escape")
    expect(nb.page.locator(".aod-pane")).to_be_hidden()
    nb.page.keyboard.press("t")
    expect(nb.page.locator(".aod-below .aod-row.aod-active")).to_contain_text("pytest")


def test_search_shows_hits_and_what_they_are_in(shown):
    nb = shown(TRACE)
    search = nb.page.get_by_role("searchbox", name="Search the spans")
    search.fill("timedelta")
    expect(rows(nb)).to_have_count(
        5
    )  # the hit, its message, its task, that one's message, the turn
    expect(nb.page.locator(".aod-trace .aod-hit").first).to_have_text("timedelta")
    search.press("Escape")
    nb.page.get_by_role("button", name="Only errors").click()
    expect(rows(nb).filter(has=nb.page.locator(".aod-fail"))).to_have_count(2)


def test_the_axis_zooms_and_comes_back(shown):
    nb = shown(TRACE)
    width = "bar => bar.getBoundingClientRect().width"
    bar = rows(nb).nth(1).locator(".aod-bar")
    before = bar.evaluate(width)
    log(nb).press("+")
    log(nb).press("<")
    nb.page.wait_for_function(
        "w => document.querySelectorAll('.aod-trace .aod-bar')[1].getBoundingClientRect().width > 1.2 * w",
        arg=before,
    )
    log(nb).press("0")
    nb.page.wait_for_function(
        "w => Math.abs(document.querySelectorAll('.aod-trace .aod-bar')[1].getBoundingClientRect().width - w) < 1",
        arg=before,
    )


def test_a_running_call_grows_until_its_result_comes(shown):
    nb = shown(RUNNING, 's.back(110, "a", "Exit code 3", is_error=True)')
    expect(nb.page.locator(".aod-trace .aod-chip")).to_have_text("running")
    expect(row(nb, "sleep 60").locator(".aod-running")).to_be_visible()
    expect(nb.page.locator(".aod-trace .aod-now")).to_contain_text("Bash sleep 60")
    nb.run_cell(1)
    expect(row(nb, "sleep 60").locator(".aod-fail")).to_be_visible()
    expect(row(nb, "sleep 60").locator(".aod-time")).to_have_text("10 s")


def test_hostile_names_and_values_run_nothing(shown):
    nb = shown(HOSTILE)
    rows(nb).last.click()
    expect(nb.page.locator(".aod-pane .aod-out.aod-err")).to_contain_text("<script>")
    nb.page.locator(".aod-pane").get_by_role("button", name="Show in transcript").click()
    expect(nb.page.locator(".aod-below .aod-row.aod-active")).to_be_visible()
    assert nb.page.evaluate("window.ran") is None
    assert nb.page.locator(".aod-trace img, .aod-trace script").count() == 0
    assert "\u202e" not in nb.page.locator(".aod-trace").inner_text()


@pytest.mark.parametrize("theme", ["Light", "Dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_at_any_width_in_either_theme(shown, shot, problems, theme, width):
    nb = shown(TRACE)
    nb.set_theme(theme)
    try:
        row(nb, "python -m pytest -q tests/test_dates.py").click()
        expect(nb.page.locator(".aod-pane")).to_contain_text("1 failed, 2 passed")
        resize(nb, ".aod-trace", width)
        nb.page.mouse.move(0, 0)
        shot(nb.page.locator(".aod-trace"), f"trace-{width}-{theme.lower()}")
        assert problems(nb.page, ".aod-trace") == []
    finally:
        nb.page.set_viewport_size(WINDOW)
        nb.set_theme("Light")


def test_what_is_saved_needs_no_kernel(shown):
    nb = shown(TRACE)
    nb.page.wait_for_function("() => document.querySelector('[class^=aod-live-] > .aod-trace')")
    nb.save()
    saved = nb.server.root.joinpath(nb.path.name).read_text(encoding="utf-8")
    assert "vnd.jupyter.widget-view" not in saved
    assert "<details" in saved


def test_of_30000_spans_the_page_has_those_in_sight(shown):
    nb = shown("import traced\nv = traced.trace(traced.spans(30_000))\nv")
    nb.page.wait_for_function(
        "() => document.querySelector('.aod-trace').viewer.store.records.length === 30_001",
        timeout=120_000,
    )
    expect(nb.page.locator(".aod-trace .aod-facts")).to_contain_text("30,001 spans")
    nb.page.get_by_role("button", name="Unfold all").click()
    log(nb).focus()
    nb.page.keyboard.press("End")
    nb.page.wait_for_function(
        "() => document.querySelector('.aod-trace').viewer.list.keys.length === 30_001"
    )
    assert rows(nb).count() < 100
    depths = nb.page.evaluate(
        """() => {
          const { store } = document.querySelector(".aod-trace").viewer;
          return store.order.every((n) => store.records[n][0] < 0
            || store.depths[n] === store.depths[store.records[n][0]] + 1);
        }"""
    )
    assert depths


def test_a_page_that_is_loaded_again_has_all_spans(shown):
    nb = shown(TRACE)
    nb.page.wait_for_function("() => document.querySelector('[class^=aod-live-] > .aod-trace')")
    nb.save()
    nb.reload()
    expect(rows(nb).first).to_have_attribute("aria-setsize", SPANS, timeout=60_000)
    row(nb, "python -m pytest -q tests/test_dates.py").click()
    expect(nb.page.locator(".aod-pane")).to_contain_text("1 failed, 2 passed")


LOAD = "%load_ext aod_notebook"
REPORTED = """%%agentos --name nightly
with run.start_span("fetch"):
    run.emit("step.done", {"text": "31 nights"})"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_watched_run_is_its_trace_with_the_transcript_a_click_away(opened, kind, shot):
    nb = opened(LOAD, REPORTED, "%agentos watch last", kind=kind)
    nb.run_all()
    shown = nb.output(2).locator(".aod-trace")
    expect(shown.locator(".aod-tr[data-row]").first).to_contain_text("Run ")
    row(nb, "fetch").click()
    shown.locator(".aod-pane").get_by_role("button", name="Show in transcript").click()
    expect(shown.locator(".aod-below .aod-row.aod-active")).to_contain_text("fetch")
    shot(shown, f"watched-run-{kind}")
    nb.wait_until(lambda: "fetch" in saved_text(nb))


def saved_text(nb):
    """Save the notebook; return the text that its last output has without a kernel."""
    nb.save()
    return nb.server.saved(nb.path).cells[2].outputs[-1].data["text/plain"]


def test_a_watched_run_that_asks_is_answered_below_its_trace(opened):
    invoke = 'q = {"replay": {"pauses": [{"ask": "Which one?"}]}}\n%agentos invoke --input q --quiet -o r'
    nb = opened(LOAD, invoke, "%agentos watch r", "print(r.wait().output['answers'])")
    nb.run_all()
    below = nb.output(2).locator(".aod-viewer")
    below.get_by_role("textbox").fill("the second")
    below.get_by_role("button", name="Answer").click()
    expect(nb.output(2)).to_contain_text("the second")
    nb.run_cell(3)
    expect(nb.output(3)).to_contain_text("['the second']")
