"""Tables and cards in a real page: one line a row, wide and narrow, light and dark."""

import pytest
from pages import READY_MS
from playwright.sync_api import expect

CELLS = (
    "%load_ext aod_notebook\n%aod connect --local",
    "%%aod --runtime replay -o fix --quiet\nThe report for March shows 30 nights, not 31. Why?",
    "%%aod --runtime shell --no-raise --quiet\nfor f in *.csv; do wc -l $f; done; exit 3",
    "from aod_notebook import frames\nframes.sessions_df(details=True)",
    "fix.tool_calls",
    "fix",
    "from aod_notebook import frames\nstore = frames.collect([fix], into='kept')\nstore",
    "%aod doctor",
    "%aod sessions",
    "%%agentos --name nightly\nrun.emit('step.completed', {'rows': 31})",
    "%agentos runs",
    "import pandas as pd\npd.DataFrame(fix.tool_calls).head(2)",
)
SESSIONS, CALLS, CARD, STORE, DOCTOR, NEWEST, RUNS, PLAIN = 3, 4, 5, 6, 7, 8, 10, 11
SHOWN = (SESSIONS, CALLS, CARD, STORE, DOCTOR, NEWEST, RUNS)


def visible_heads(output):
    return output.locator("th").evaluate_all(
        "heads => heads.filter(h => h.offsetParent).map(h => h.textContent)"
    )


def row_heights(output):
    return output.locator("tbody tr").evaluate_all("rows => rows.map(r => r.offsetHeight)")


@pytest.mark.timeout(300)
def test_tables_and_cards_are_read_at_any_width_and_in_both_themes(opened, problems, shot):
    nb = opened(*CELLS)
    nb.run_all()
    expect(nb.output(DOCTOR).locator(".aod-out")).to_be_visible(timeout=READY_MS)
    expect(nb.output(PLAIN).locator("table")).to_be_visible(timeout=READY_MS)
    assert nb.output(PLAIN).locator(".aod-out").count() == 0  # pandas shows its own
    nb.command("application:toggle-left-area")
    try:
        for theme in ("Light", "Dark"):
            nb.set_theme(theme)
            for width in (1280, 600):
                nb.page.set_viewport_size({"width": width, "height": 1000})
                for number in SHOWN:
                    shot(nb.output(number), f"tables-{number}-{width}-{theme.lower()}")
                for number in (SESSIONS, CALLS):
                    assert max(row_heights(nb.output(number))) <= 30
                wide = visible_heads(nb.output(SESSIONS))
                assert wide[:2] == ["Status", "Prompt"]
                assert ("Model" in wide) == (width == 1280)
                assert ("Result" in visible_heads(nb.output(CALLS))) == (width == 1280)
            nb.page.set_viewport_size({"width": 1280, "height": 1000})
            assert problems(nb.page, ".aod-out") == []
    finally:
        nb.command("application:toggle-left-area")
        nb.page.set_viewport_size({"width": 1280, "height": 1000})
        nb.set_theme("Light")
