"""Two sessions side by side in JupyterLab: while one of them runs, and once both have ended."""

from playwright.sync_api import expect

LOAD = "%load_ext aod_notebook"
DONE = "%%aod --runtime shell --quiet -o one\necho first"
RUNNING = (
    "%%aod --runtime shell --background --quiet -o two\n"
    "while [ ! -e go ]; do sleep 0.1; done; echo second"
)
COMPARE = "%aod compare one two"
LET_GO = """import threading, time
from aod_notebook import live
def release():
    time.sleep(4)
    two.stop()
threading.Thread(target=release).start()"""


def test_a_comparison_follows_a_session_that_runs(opened, shot):
    nb = opened(LOAD, DONE, RUNNING, LET_GO, COMPARE)
    nb.run_all()
    output = nb.cell(4).locator(".jp-OutputArea")
    expect(output).to_contain_text("Running", timeout=60_000)
    expect(output).to_contain_text("Stopped", timeout=60_000)
    expect(output).not_to_contain_text("Running")
    shot(nb.page, "compare-live")
