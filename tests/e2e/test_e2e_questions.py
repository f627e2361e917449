"""Five questions of a reader, each answered on the screen after two actions at the most."""

import pytest
from pages import READY_MS
from playwright.sync_api import expect
from views import SESSION

END = "d.end()"
FIVE = """import traced
rows = traced.rows(5)
rows["status"] = ["completed", "completed", "completed", "failed", "completed"]
rows["failed_tool_call_count"] = [0, 1, 0, 9, 2]
rows["cost_usd"] = [0.08, 0.11, 0.05, 1.94, 0.13]
b = traced.board(rows, title="five sessions")
b"""


@pytest.fixture
def read(opened):
    """Open the recorded session, which has ended, at its beginning."""
    nb = opened(SESSION, END)
    nb.run_all()
    chip = nb.viewer.locator(".aod-chip")
    expect(chip).to_have_text("completed", timeout=READY_MS)
    nb.log.press("Home")
    expect(nb.log).to_contain_text("March has 31 nights")
    nb.viewer.evaluate("viewer => viewer.scrollIntoView()")
    return nb


def in_sight(where, text):
    """Expect a text in the window, wherever the page has scrolled to."""
    expect(where.get_by_text(text).first).to_be_in_viewport()


def test_what_was_asked_stands_above_all(read, shot):
    shot(read.page, "question-asked")
    in_sight(read.viewer.locator(".aod-head"), "The report for March shows 30 nights instead of 31")


def test_what_it_cost_stands_beside_the_question(read, shot):
    shot(read.page, "question-cost")
    in_sight(read.viewer.locator(".aod-head"), "$0.17")


def test_the_call_that_failed_first_is_one_click_away(read, shot):
    read.viewer.get_by_role("button", name="Next error").click()
    in_sight(read.log, "assert datetime.date(2026, 3, 30) == datetime.date(2026, 3, 31)")
    shot(read.page, "question-failed")


def test_what_changed_in_a_file_is_found_by_its_name(read, shot):
    box = read.viewer.get_by_role("searchbox")
    box.fill("edit innkeeper/dates")
    box.press("Enter")
    in_sight(read.log, "while day <= end:")
    expect(read.log.locator("[aria-selected=true]")).to_contain_text("+1")
    shot(read.page, "question-changed")


def test_the_worst_of_five_sessions_is_one_click_away(opened, shot):
    nb = opened(FIVE)
    nb.run_all()
    rows = nb.page.locator(".aod-board .aod-br[data-row]")
    expect(rows).to_have_count(5, timeout=READY_MS)
    nb.page.locator(".aod-board .aod-sort", has_text="Status").click()
    expect(rows.first).to_contain_text("Failed")
    for text in ("Add type hints", "✗9", "$1.94"):
        in_sight(rows.first, text)
    shot(nb.page, "question-worst")
