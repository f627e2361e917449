"""The board in JupyterLab and Notebook 7: reading, sorting, filters, selection, what opens below."""

import pytest
from playwright.sync_api import expect
from views import KINDS, WINDOW, resize, wait_until_focused

BOARD = "import traced\nb = traced.board(traced.rows(300), title='nightly-triage')\nb"
FOLLOWED = """import traced
a, z = traced.coding(), traced.coding()
z.id = "0a1b2c3d-7a41-4c0e-9d53-2b8a61c1d7e4"
b = traced.board([a, z])
b"""
RUNNING = "import traced\nss = traced.running(6)\nb = traced.board(ss)\nb"
HOSTILE = "import traced\ntraced.board([traced.hostile()])"
HOSTILE_ROWS = """import traced
rows = traced.rows(4)
for name in ("status", "agent", "model"):
    rows[name] = [f"{traced.HOSTILE}{n % 2}" for n in range(4)]
traced.board(rows)"""
STORED = """import traced, stored
from aod_notebook import frames
store = stored.store("sessions", 300)
b = frames.board(store)
b"""
AGENTS = ".aod-board .aod-br[data-row] > span:nth-child(4)"
FILLED = """async bar => {
    await Promise.all(bar.getAnimations({subtree: true}).map(each => each.finished));
    const last = [...bar.children].filter(each => each.offsetWidth).at(-1);
    const [whole, part] = [bar, last].map(each => each.getBoundingClientRect());
    return (part.right - whole.left) / whole.width;
}"""
"""The part of a progress bar that is filled."""
WIDTHS = {1280: "wide", 600: "narrow"}


@pytest.fixture
def shown(opened):
    def show(*cells, kind="lab"):
        nb = opened(*cells, kind=kind)
        nb.run_cell(0)
        expect(rows(nb).first).to_be_visible(timeout=60_000)
        return nb

    return show


def rows(nb):
    return nb.page.locator(".aod-board .aod-br[data-row]")


def column(nb, name):
    return nb.page.locator(".aod-board .aod-sort", has_text=name)


def texts(nb, kind):
    return nb.page.locator(f".aod-board .aod-br[data-row] > .{kind}").all_inner_texts()


def costs(nb):
    shown = nb.page.locator(".aod-board .aod-br[data-row] > .aod-r").all_inner_texts()
    return [float(text[1:]) for text in shown if text.startswith("$")]


def search(nb, text):
    nb.page.get_by_role("searchbox", name="Search and filter the rows").fill(text)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_sorted_filtered_searched_and_selected(shown, shot, kind):
    nb = shown(BOARD, "print(len(b.selected), b.selected[0] in b.ids)", kind=kind)
    found = nb.page.locator(".aod-board .aod-found")
    expect(found).to_have_text("300 of 300")
    column(nb, "Cost").click()
    nb.wait_until(lambda: costs(nb) == sorted(costs(nb), reverse=True))
    search(nb, "status:failed cost:>0.1 CSV")
    expect(found).not_to_have_text("300 of 300")
    nb.wait_until(lambda: set(texts(nb, "aod-st")) == {"Failed"})
    assert all("CSV" in text for text in texts(nb, "aod-pt"))
    search(nb, "")
    expect(found).to_have_text("300 of 300")
    for place in (1, 3):
        rows(nb).nth(place).get_by_role("checkbox").click()
    expect(nb.page.locator(".aod-selbar")).to_contain_text("2 selected")
    nb.page.mouse.move(0, 0)
    shot(nb.page.locator(".aod-board"), f"board-1280-light-{kind}")
    nb.run_cell(1)
    expect(nb.output(1)).to_contain_text("2 True")


def chip(nb, name):
    return nb.page.locator(".aod-chips").get_by_role("button", name=name)


def test_chips_choose_rows_by_status_agent_and_model_and_toggle_off(shown, shot):
    nb = shown(BOARD)
    found = nb.page.locator(".aod-board .aod-found")
    lite = chip(nb, "fixer-lite")
    expect(lite).to_have_text("fixer-lite 100")
    lite.focus()
    nb.page.keyboard.press("Enter")
    expect(found).to_have_text("100 of 300")
    wait_until_focused(nb, lite)
    expect(lite).to_have_attribute("aria-pressed", "true")
    assert set(nb.page.locator(AGENTS).all_inner_texts()) == {"fixer-lite"}
    chip(nb, "Failed").click()
    chip(nb, "Stopped").click()  # one or the other of a field, and both fields
    nb.wait_until(lambda: set(texts(nb, "aod-st")) == {"Failed", "Stopped"})
    shot(nb.page.locator(".aod-board"), "board-chips")
    chip(nb, "Stopped").click()
    nb.wait_until(lambda: set(texts(nb, "aod-st")) == {"Failed"})
    search(nb, "CSV")
    chip(nb, "Clear").click()
    expect(found).to_have_text("300 of 300")
    expect(chip(nb, "Clear")).to_be_hidden()


def test_the_focus_stays_where_it_is_when_the_output_is_drawn_again(shown):
    nb = shown(BOARD)
    lite = chip(nb, "fixer-lite")
    lite.focus()
    nb.page.evaluate(
        """() => {
          window.place = document.querySelector('.aod-board').parentElement;
          window.place.replaceWith(window.place.cloneNode(false));
        }"""
    )
    nb.page.wait_for_function("() => !window.place.firstElementChild")
    wait_until_focused(nb, lite)


def test_chips_count_rows_as_they_change(shown):
    nb = shown(
        RUNNING, "ss[2].status, ss[2].is_final = 'completed', True\nss[2].at(90, 'exit', code=0)"
    )
    expect(nb.page.locator(".aod-chips")).to_be_hidden()
    nb.run_cell(1)
    expect(chip(nb, "Running")).to_have_text("Running 5")
    expect(chip(nb, "Completed")).to_have_text("Completed 1")


def test_a_click_opens_the_transcript_and_the_trace_below(shown, shot):
    nb = shown(FOLLOWED)
    rows(nb).first.locator(".aod-pt").click()
    below = nb.page.locator(".aod-below")
    expect(below.locator(".aod-title")).to_contain_text("The report for March")
    expect(below.get_by_role("tree", name="Transcript")).to_be_visible()
    nb.page.locator(".aod-peek").get_by_role("button", name="Trace").click()
    expect(below.locator(".aod-tr[data-row]").first).to_be_visible()
    shot(nb.page.locator(".aod-board"), "board-with-trace")
    nb.page.locator(".aod-peek").get_by_role("button", name="Close").click()
    expect(below).to_be_hidden()


def test_two_selected_sessions_are_compared(shown, shot):
    nb = shown(STORED)
    for place in (0, 1):
        rows(nb).nth(place).get_by_role("checkbox").click()
    nb.page.locator(".aod-selbar").get_by_role("button", name="Compare").click()
    expect(nb.page.locator(".aod-below")).to_contain_text("only in", timeout=60_000)
    shot(nb.page.locator(".aod-board"), "board-compare")


def test_keys_walk_open_and_select(shown):
    nb = shown(FOLLOWED)
    nb.page.locator(".aod-board > .aod-log").focus()
    nb.page.keyboard.press("ArrowDown")
    expect(rows(nb).first).to_have_class("aod-br aod-active")
    nb.page.keyboard.press(" ")
    expect(rows(nb).first).to_have_attribute("aria-selected", "true")
    nb.page.keyboard.press("Enter")
    expect(nb.page.locator(".aod-below").get_by_role("tree")).to_be_visible()
    nb.page.keyboard.press("Escape")
    expect(nb.page.locator(".aod-below")).to_be_hidden()


def test_rows_update_by_themselves(shown):
    nb = shown(RUNNING, "ss[2].call(70, 'a', command='make test')")
    nb.run_cell(1)
    expect(rows(nb).nth(2)).to_contain_text("Bash: make test")
    expect(rows(nb).nth(2).locator(".aod-tools-cell")).to_have_text("1")


def test_hostile_names_and_values_run_nothing(shown):
    nb = shown(HOSTILE)
    expect(rows(nb).first).to_contain_text("<img src=x")
    rows(nb).first.locator(".aod-pt").click()
    expect(nb.page.locator(".aod-below").get_by_role("tree")).to_be_visible()
    assert nb.page.evaluate("window.ran") is None
    assert nb.page.locator(".aod-board img, .aod-board script").count() == 0
    assert "\u202e" not in nb.page.locator(".aod-board").inner_text()


def test_chips_of_hostile_names_choose_rows_and_run_nothing(shown):
    nb = shown(HOSTILE_ROWS)
    for chosen in nb.page.locator(".aod-fchip").all()[::2]:  # one of each field
        chosen.click()
    expect(nb.page.locator(".aod-fchip[data-field=agent]").first).to_contain_text("<img src=x")
    expect(nb.page.locator(".aod-board .aod-found")).to_have_text("2 of 4")
    assert nb.page.evaluate("window.ran") is None
    assert nb.page.locator(".aod-board img, .aod-board script").count() == 0
    assert "\u202e" not in nb.page.locator(".aod-chips").inner_text()


def test_three_actions_lead_from_which_tool_fails_most_to_its_failed_call(shown, shot):
    """Of 300 sessions: the tool's button, a row, and nothing more than a look."""
    nb = shown(STORED)
    worst = nb.page.locator(".aod-failing .aod-button").first
    expect(worst).to_contain_text("Bash")
    worst.click()  # 1: the sessions in which it failed, the worst of them first
    expect(nb.page.locator(".aod-board .aod-found")).to_have_text("100 of 300")
    rows(nb).first.locator(".aod-pt").click()  # 2: the transcript, at the failed call
    call = nb.page.locator(".aod-below .aod-row.aod-active")
    expect(call).to_contain_text("Bash")
    expect(call).to_contain_text("exit code 1")
    expect(call).to_be_visible()
    shot(nb.page.locator(".aod-board"), "board-to-failed-call")
    nb.page.locator(".aod-below .aod-next").click()  # 3: the next one
    expect(nb.page.locator(".aod-below .aod-row.aod-active")).to_contain_text("✗")


@pytest.mark.timeout(300)
def test_a_batch_shows_itself_as_a_board_while_it_runs(opened, shot):
    nb = opened(
        "%load_ext aod_notebook\n%aod connect --local",
        "import pandas as pd\nfrom aod_notebook import live\n"
        "done = live.batch(pd.DataFrame({'n': range(6)}), 'sleep 1; echo number {{n}}', runtime='shell', jobs=2)\n"
        "len(done)",
    )
    nb.run_all()
    expect(nb.page.locator(".aod-board .aod-progress")).to_be_visible(timeout=120_000)
    expect(nb.page.get_by_role("button", name="Stop all")).to_be_visible()
    expect(nb.page.locator(".aod-batch b")).to_have_text("6 of 6", timeout=120_000)
    expect(nb.page.locator(".aod-board .aod-chip")).to_have_text("completed")
    expect(nb.page.get_by_role("button", name="Stop all")).to_be_hidden()
    expect(nb.page.locator(".aod-boardhead > .aod-pairs")).to_contain_text("median")
    expect(nb.page.locator(".aod-boardhead > .aod-pairs")).to_contain_text("took")
    assert nb.page.locator(".aod-progress").evaluate(FILLED) == pytest.approx(1, abs=0.001)
    expect(rows(nb)).to_have_count(6)
    expect(rows(nb).first).to_contain_text("number 0")
    expect(nb.output(1)).to_contain_text("6")
    rows(nb).first.locator(".aod-pt").click()
    expect(nb.page.locator(".aod-below .aod-log")).to_contain_text("number 0")
    shot(nb.page.locator(".aod-board"), "board-of-a-batch")


@pytest.mark.timeout(300)
def test_stop_all_ends_a_batch(opened):
    nb = opened(
        "%load_ext aod_notebook\n%aod connect --local",
        "import pandas as pd\nfrom aod_notebook import live\n"
        "live.batch(pd.DataFrame({'n': range(4)}), 'sleep 600; echo {{n}}', runtime='shell', jobs=2)",
    )
    nb.run_all()
    expect(nb.page.locator(".aod-boardhead > .aod-pairs")).to_contain_text(
        "2 running", timeout=120_000
    )
    nb.page.get_by_role("button", name="Stop all").click()
    expect(nb.page.locator(".aod-board .aod-chip")).to_have_text("stopped", timeout=60_000)
    expect(nb.output(1)).to_contain_text("2 were terminated")


@pytest.mark.timeout(300)
def test_selected_sessions_are_run_again(opened, shot):
    nb = opened(
        "%load_ext aod_notebook\n%aod connect --local",
        "%%aod --runtime shell --quiet\necho once more",
        "from aod_notebook import frames\nb = frames.board()\nb",
        "print([each.wait().text for each in b.started])",
    )
    for cell in range(3):
        nb.run_cell(cell)
    expect(rows(nb).first).to_contain_text("echo once more", timeout=120_000)
    rows(nb).first.get_by_role("checkbox").click()
    again = nb.page.locator(".aod-selbar").get_by_role("button", name="Run again")
    shot(nb.page.locator(".aod-board"), "board-run-again")
    again.focus()
    nb.page.keyboard.press("Enter")
    expect(nb.page.locator(".aod-board .aod-note")).to_contain_text("Started 1 session")
    expect(nb.page.locator(".aod-selbar")).to_be_hidden()
    nb.run_cell(3)
    expect(nb.output(3)).to_contain_text("['once more']")


@pytest.mark.timeout(300)
def test_the_command_shows_the_newest_sessions_as_a_board_and_gives_the_table(opened):
    nb = opened(
        "%load_ext aod_notebook\n%aod connect --local",
        "%%aod --runtime shell --quiet\necho from the board",
        "%aod sessions",
        "t = _\nt.head(1)",
    )
    nb.run_all()
    expect(rows(nb).first).to_contain_text("echo from the board", timeout=120_000)
    expect(nb.output(3).locator("table")).to_be_visible()
    rows(nb).first.locator(".aod-pt").click()
    expect(nb.page.locator(".aod-below .aod-log")).to_contain_text("from the board")


@pytest.mark.parametrize("theme", ["Light", "Dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_at_any_width_in_either_theme(shown, shot, problems, theme, width):
    nb = shown(BOARD)
    nb.set_theme(theme)
    try:
        resize(nb, ".aod-board", width)
        for place in (1, 3):
            rows(nb).nth(place).get_by_role("checkbox").click()
        chip(nb, "fixer-lite").click()
        nb.page.mouse.move(0, 0)
        shot(nb.page.locator(".aod-board"), f"board-{width}-{theme.lower()}")
        assert problems(nb.page, ".aod-board") == []
    finally:
        nb.page.set_viewport_size(WINDOW)
        nb.set_theme("Light")
