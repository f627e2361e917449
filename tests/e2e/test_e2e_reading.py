"""Reading in the stream viewer: scrolling, selecting, folding, filtering, searching, copying."""

import os

import pytest
from playwright.sync_api import expect
from views import (
    KINDS,
    LINES,
    REPLAY,
    VIEW,
    scroll_up,
    settled_scroll_top,
    wait_until_at_end,
    wait_until_focused,
)

TWO_KINDS = VIEW.replace(
    'd.line(*[f"line {i}" for i in range(300)])',
    "for i in range(300): d.line('o' * 150); d.line('e' * 150, stream='stderr')",
)
STAGES = VIEW.replace(
    "d = Driven()",
    "d = Driven()\nfor i in range(60): d.event('stage', stage=f'stage {i}', state='done')\n"
    "d.event('turn_start', turn=2)",
).replace("range(300)", "range(9)")
CALLS = """import json
def use(key, tool, parent=None):
    block = {"type": "tool_use", "id": key, "name": tool, "input": {"command": key}}
    line = {"type": "assistant", "parent_tool_use_id": parent, "message": {"content": [block]}}
    d.line(json.dumps(line))
""" + VIEW.replace("Driven()", "Driven(runtime='claude')").replace(
    "d.next_turn", "lambda key: use(key, 'Bash', 'a')"
)
TOP_ROW = """log => {
  const { keys, heights } = log.closest(".aod-viewer").viewer.list;
  return keys[heights.at(log.scrollTop)];
}"""


def active_row(nb):
    return nb.viewer.evaluate("root => root.viewer.active")


def send(nb, text):
    """Let the session go on by a prompt: no cell has to run while the view has the focus."""
    box = nb.viewer.get_by_role("textbox", name="Next prompt")
    box.fill(text)
    box.press("Enter")


@pytest.fixture
def go(server):
    """The pipe for which a cell waits with `wait_for`; `go.write_text("now")` lets it go on."""
    path = server.root / "go"
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return path


def wait_for(path):
    return f"open({str(path)!r}).read()"


def drag(nb, row, down):
    """Press the mouse at the beginning of a row and move it, for a selection."""
    place = nb.log.locator(".aod-row", has_text=row).bounding_box()
    nb.page.mouse.move(place["x"] + 14, place["y"] + 10)
    nb.page.mouse.down()
    nb.page.mouse.move(place["x"] + 200, place["y"] + down, steps=4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_view_follows_the_tail_until_the_reader_scrolls_up(opened, shot, kind):
    nb = opened(VIEW, "d.line(*['more'] * 50)", kind=kind)
    nb.run_cell(0)
    nb.wait_for_rows(LINES)
    expect(nb.log).to_contain_text("line 299")
    wait_until_at_end(nb)
    scroll_up(nb, 1000)
    before = settled_scroll_top(nb)
    nb.run_cell(1)
    button = nb.viewer.get_by_role("button", name="50 new lines")
    expect(button).to_be_visible()
    assert abs(settled_scroll_top(nb) - before) < 2
    shot(nb.page, f"new-lines-{kind}")
    button.click()
    expect(button).to_be_hidden()
    expect(nb.log.locator(".aod-row").last).to_have_text("more")
    wait_until_at_end(nb)


def test_place_and_focus_stay_when_the_kept_html_is_brought_up_to_date(opened, go):
    nb = opened(VIEW, f"d.line(*['more'] * 50)\n{wait_for(go)}\nv.refresh()")
    nb.run_cell(0)
    nb.wait_for_rows(LINES)
    nb.page.wait_for_function("() => document.querySelector('[class^=aod-live-] > .aod-viewer')")
    scroll_up(nb, 1000)
    before = settled_scroll_top(nb)
    box = nb.viewer.get_by_role("textbox", name="Next prompt")
    nb.page.evaluate("() => { window.place = document.querySelector('[class^=aod-live-]'); }")
    nb.run_cell(1)
    nb.wait_for_rows(LINES + 50)
    box.fill("half a sen")
    go.write_text("now")
    nb.page.wait_for_function("() => !window.place.isConnected")
    wait_until_focused(nb, box)
    nb.page.keyboard.type("tence")
    expect(box).to_have_value("half a sentence")
    assert abs(settled_scroll_top(nb) - before) < 2
    nb.viewer.get_by_role("button", name="50 new lines").click()
    wait_until_at_end(nb)


@pytest.fixture
def selected(opened, go):
    """A view in which some rows are selected, as it has noted; `go` refreshes its output."""
    nb = opened(VIEW, f"{wait_for(go)}\nv.refresh()")
    nb.run_cell(0)
    nb.wait_for_rows(LINES)
    nb.page.wait_for_function("() => document.querySelector('[class^=aod-live-] > .aod-viewer')")
    wait_until_at_end(nb)
    nb.run_cell(1)
    drag(nb, "line 290", 50)
    nb.page.mouse.up()
    nb.page.wait_for_function("() => document.querySelector('.aod-viewer').viewer.selected")
    nb.page.evaluate("() => { window.place = document.querySelector('[class^=aod-live-]'); }")
    return nb


def test_text_stays_selected_when_the_kept_html_is_brought_up_to_date(selected, go):
    before = selected.page.evaluate("getSelection().toString()")
    assert "line 291" in before
    go.write_text("now")
    selected.page.wait_for_function("() => !window.place.isConnected")
    selected.page.wait_for_function("text => getSelection().toString() === text", arg=before)


def test_a_prompt_in_progress_survives_a_selection_of_rows(selected, go):
    box = selected.viewer.get_by_role("textbox", name="Next prompt")
    box.click()
    selected.page.keyboard.type("half a sen")
    go.write_text("now")
    selected.page.wait_for_function("() => !window.place.isConnected")
    wait_until_focused(selected, box)
    selected.page.keyboard.type("tence")
    expect(box).to_have_value("half a sentence")


def test_the_row_at_the_top_stays_when_a_filter_goes_or_the_width_changes(opened):
    nb = opened(TWO_KINDS)
    nb.run_all()
    nb.wait_for_rows(601)
    output = nb.viewer.get_by_role("button", name="Output")
    output.click()
    expect(nb.log.locator(".aod-is-output")).to_have_count(0)
    wait_until_at_end(nb)
    scroll_up(nb, 1000)
    settled_scroll_top(nb)
    before = nb.log.evaluate(TOP_ROW)
    output.click()
    settled_scroll_top(nb)
    assert nb.log.evaluate(TOP_ROW) == before
    nb.page.set_viewport_size({"width": 700, "height": 1000})
    settled_scroll_top(nb)
    assert nb.log.evaluate(TOP_ROW) == before
    nb.page.set_viewport_size({"width": 1280, "height": 1000})


def test_the_row_at_the_top_stays_when_the_output_is_collapsed_and_shown_again(opened):
    nb = opened(VIEW)
    nb.run_all()
    nb.wait_for_rows(LINES)
    wait_until_at_end(nb)
    scroll_up(nb, 1000)
    settled_scroll_top(nb)
    before = nb.log.evaluate(TOP_ROW)
    nb.command("notebook:hide-cell-outputs", wait=True)
    expect(nb.log).to_be_hidden()
    nb.command("notebook:show-cell-outputs", wait=True)
    expect(nb.log).to_be_visible()
    top = f"({TOP_ROW})(document.querySelector('.aod-log'))"
    nb.page.wait_for_function(f"row => {top} === row", arg=before)


def test_the_end_of_a_long_line_that_is_being_written_is_in_sight(opened):
    nb = opened(VIEW, "d.event('output', stream='stdout', data='word\\t' * 390, turn=1)")
    nb.page.set_viewport_size({"width": 700, "height": 1000})
    nb.run_all()
    nb.wait_for_rows(LINES)
    half = nb.log.locator(".aod-half")
    expect(half).to_contain_text("word")
    assert half.evaluate("half => half.offsetHeight > half.parentElement.clientHeight")
    wait_until_at_end(nb)
    nb.page.set_viewport_size({"width": 1280, "height": 1000})


def test_text_stays_selected_while_rows_come(opened):
    nb = opened(VIEW, "d.line(*['more'] * 500)")
    nb.run_cell(0)
    nb.wait_for_rows(LINES)
    nb.page.wait_for_function("() => document.querySelector('[class^=aod-live-] > .aod-viewer')")
    wait_until_at_end(nb)
    drag(nb, "line 290", 50)
    nb.run_cell(1)
    nb.wait_for_rows(LINES + 500)
    expect(nb.viewer.get_by_role("button", name="500 new lines")).to_be_visible()
    nb.page.mouse.up()
    assert "line 291" in nb.page.evaluate("getSelection().toString()")


def test_only_the_rows_in_sight_are_in_the_page(opened):
    nb = opened(VIEW, "d.flood(20_000)")
    nb.run_all()
    nb.wait_for_rows(LINES + 20_000)
    assert nb.viewer.locator(".aod-row").count() < 80
    nb.log.focus()
    nb.page.keyboard.press("Home")
    expect(nb.log).to_contain_text("Turn 1")
    nb.page.keyboard.press("End")
    expect(nb.log).to_contain_text("00019999")


def test_rows_are_drawn_after_the_view_was_hidden_for_a_moment(opened):
    """As by a change of the theme: no observer tells of a moment shorter than a frame."""
    nb = opened(VIEW)
    nb.run_all()
    nb.wait_for_rows(LINES)
    expect(nb.log).to_contain_text("line 299")
    nb.viewer.evaluate(
        """root => {
          requestAnimationFrame(() => root.style.setProperty("display", "none"));
          root.viewer.redraw(300);
          requestAnimationFrame(() => root.style.removeProperty("display"));
        }"""
    )
    expect(nb.log).to_contain_text("line 299")


def test_keys_continue_from_the_followed_tail(opened):
    nb = opened(VIEW)
    nb.run_all()
    nb.wait_for_rows(LINES)
    wait_until_at_end(nb)
    nb.log.press("End")
    nb.page.wait_for_function("() => document.querySelector('.aod-viewer').viewer.active >= 0")
    send(nb, "\n".join(["more"] * 60))
    nb.wait_for_rows(LINES + 62)  # one is the last state of the first turn
    wait_until_at_end(nb)
    nb.log.focus()
    nb.page.keyboard.press("ArrowUp")
    assert active_row(nb) == LINES + 60


def test_keys_continue_from_the_place_of_a_filtered_row(opened):
    nb = opened(TWO_KINDS)
    nb.run_all()
    nb.wait_for_rows(601)
    nb.log.focus()
    nb.page.keyboard.press("ArrowUp")
    nb.page.keyboard.press("ArrowUp")
    assert active_row(nb) == 599
    nb.viewer.get_by_role("button", name="Output").click()
    nb.log.focus()
    nb.page.keyboard.press("ArrowUp")
    assert active_row(nb) == 598


@pytest.mark.parametrize("kind", KINDS)
def test_groups_fold_by_mouse_and_by_key(opened, kind):
    nb = opened(REPLAY, kind=kind)
    nb.run_cell(0)
    nb.wait_for_rows(20)
    tool = nb.log.locator(".aod-is-tool", has_text="Bash").last
    number = int(tool.get_attribute("data-row"))
    row = nb.log.locator(f"[data-row='{number}']")
    below = nb.log.locator(f"[data-row='{number + 1}']")
    expect(below).to_be_visible()
    row.locator(".aod-fold").click()
    expect(below).to_have_count(0)
    expect(row).to_have_attribute("aria-expanded", "false")
    nb.log.focus()
    nb.page.keyboard.press("ArrowRight")
    expect(below).to_be_visible()
    nb.page.keyboard.press("ArrowLeft")
    expect(below).to_have_count(0)


def test_a_row_folds_what_comes_below_it_later(opened):
    nb = opened(CALLS, "use('a', 'Task')")
    nb.run_all()
    nb.wait_for_rows(LINES + 1)
    send(nb, "b")
    task = nb.log.locator(".aod-is-tool", has_text="Task")
    expect(task).to_have_attribute("aria-expanded", "true")
    task.locator(".aod-fold").click()
    expect(task).to_contain_text("1 row folded")
    send(nb, "c")
    expect(task).to_contain_text("2 rows folded")


def test_what_is_unfolded_at_the_tail_stays_in_sight(opened):
    nb = opened(STAGES)
    nb.run_all()
    nb.wait_for_rows(70)
    stages = nb.log.locator(".aod-is-stages")
    expect(stages).to_contain_text("folded")
    stages.locator(".aod-fold").click()
    expect(nb.log).to_contain_text("stage 3 done")
    expect(stages).to_be_in_viewport()


@pytest.mark.parametrize("kind", KINDS)
def test_filters_hide_kinds_and_search_finds_rows(opened, shot, kind):
    nb = opened(REPLAY, kind=kind)
    nb.run_cell(0)
    nb.wait_for_rows(20)
    nb.log.focus()
    nb.page.keyboard.press("Home")
    expect(nb.log.locator(".aod-is-tool").first).to_be_visible()
    tools = nb.viewer.get_by_role("button", name="Tools")
    tools.click()
    expect(nb.log.locator(".aod-is-tool, .aod-is-tool-result")).to_have_count(0)
    expect(tools).to_have_attribute("aria-pressed", "false")
    tools.click()
    search = nb.viewer.get_by_role("searchbox")
    search.fill("MARCH")
    expect(nb.viewer.locator(".aod-found")).to_have_text("4 hits")
    search.press("Enter")
    expect(nb.viewer.locator(".aod-found")).to_have_text("1 of 4 hits")
    expect(nb.log.locator(".aod-hit").first).to_have_text("March")
    shot(nb.viewer, f"viewer-{kind}")
    search.press("Escape")
    expect(nb.log.locator(".aod-hit")).to_have_count(0)


def test_a_search_marks_its_hits_in_all_rows_in_sight(opened):
    nb = opened(VIEW)
    nb.run_all()
    nb.wait_for_rows(LINES)
    nb.viewer.get_by_role("searchbox").fill("line 29")
    expect(nb.viewer.locator(".aod-found")).to_have_text("11 hits")
    expect(nb.log.locator(".aod-hit")).to_have_count(10)


def test_a_search_goes_back_from_the_last_hit(opened):
    nb = opened(VIEW)
    nb.run_all()
    nb.wait_for_rows(LINES)
    search = nb.viewer.get_by_role("searchbox")
    search.fill("line 29")
    search.press("Shift+Enter")
    expect(nb.viewer.locator(".aod-found")).to_have_text("11 of 11 hits")
    search.press("Enter")
    expect(nb.viewer.locator(".aod-found")).to_have_text("1 of 11 hits")


def test_long_rows_are_cut_and_shown_whole_on_request(opened):
    nb = opened(VIEW, "d.line('y' * 30_000 + 'END')")
    nb.run_all()
    nb.wait_for_rows(LINES + 1)
    more = nb.log.get_by_role("button", name="show 28,003 more characters")
    expect(more).to_be_visible()
    more.click()
    expect(nb.log).to_contain_text("yyyEND")


def test_search_shows_a_hit_in_the_part_of_a_row_that_was_cut_off(opened):
    nb = opened(VIEW, "d.line('a ' * 5_000 + 'needle ' + 'b ' * 300, 'end')")
    nb.run_all()
    nb.wait_for_rows(LINES + 2)
    expect(nb.log).to_contain_text("show 8")
    search = nb.viewer.get_by_role("searchbox")
    search.fill("needle")
    expect(nb.viewer.locator(".aod-found")).to_have_text("1 hit")
    search.press("Enter")
    expect(nb.log.locator(".aod-hit")).to_be_in_viewport()


def test_rows_are_copied_as_text(opened):
    nb = opened(VIEW)
    nb.run_cell(0)
    nb.wait_for_rows(LINES)
    nb.viewer.get_by_role("button", name="Copy").click()
    expect(nb.viewer.locator(".aod-note")).to_have_text("Copied: 301 rows")
    copied = nb.page.evaluate("navigator.clipboard.readText()").splitlines()
    assert copied == ["Turn 1", *[f"line {i}" for i in range(300)]]


def test_copying_many_rows_does_not_freeze_the_page(opened):
    nb = opened(VIEW, "d.line(*[f'{n:079}' for n in range(60_000)])")
    nb.run_all()
    nb.wait_for_rows(LINES + 60_000)
    button = nb.viewer.get_by_role("button", name="Copy")
    button.click()  # a page may copy for a while after a real one
    expect(nb.viewer.locator(".aod-note")).to_have_text("Copied: 60,301 rows")
    took = "button => { const began = performance.now(); button.click(); return performance.now() - began; }"
    assert button.evaluate(took) < 1000
    assert len(nb.page.evaluate("navigator.clipboard.readText()")) > 60_000 * 80


def test_long_lines_wrap_or_not(opened):
    nb = opened(VIEW, "d.line('w ' * 500)")
    nb.run_all()
    nb.wait_for_rows(LINES + 1)
    wide = "log => log.scrollWidth > log.clientWidth + 5"
    assert not nb.log.evaluate(wide)
    nb.tool("Wrap").click()
    nb.page.wait_for_function(f"() => ({wide})(document.querySelector('.aod-log'))")
