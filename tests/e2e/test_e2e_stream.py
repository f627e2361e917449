"""The stream viewer in real front ends, over real sessions of the embedded service."""

import re

import pytest
from pages import READY_MS
from playwright.sync_api import expect

LOAD = "%load_ext aod_notebook"
STATIC = {"text/html", "text/plain"}
KINDS = ["lab", "notebook"]
GATED = """%%aod --view --runtime shell -o s --no-raise
echo begun; while [ ! -e go ]; do sleep 0.1; done; echo gone on"""


def saved(nb):
    """Save the notebook; give the data of the second cell's last output."""
    nb.save()
    return nb.server.saved(nb.path).cells[1].outputs[-1].data


def wait_until_kept(nb, text):
    """Wait until the saved output shows a text without a kernel."""
    nb.wait_until(lambda: text in (data := saved(nb))["text/plain"] and set(data) == STATIC)


@pytest.fixture
def open_gates(server):
    """Let the scripts of `GATED` go on."""

    def touch():
        for workspace in server.home.glob("service/sessions/*/workspace"):
            (workspace / "go").touch()

    return touch


@pytest.mark.parametrize("kind", KINDS)
def test_rows_come_while_the_cell_runs_and_static_html_stays(opened, kind, shot):
    nb = opened(
        LOAD,
        "%%aod --view --runtime shell\nfor i in $(seq 1 20); do echo line $i; sleep 0.1; done",
        kind=kind,
    )
    nb.run_all()
    expect(nb.log).to_contain_text("line 3", timeout=READY_MS)
    expect(nb.viewer.locator(".aod-chip")).to_have_text("running")
    shot(nb.page, f"running-{kind}")
    expect(nb.viewer).to_have_count(0, timeout=READY_MS)
    expect(nb.output(1)).to_contain_text("Completed", ignore_case=True)
    expect(nb.output(1)).to_contain_text("line 20")
    shot(nb.page, f"static-{kind}")


@pytest.mark.parametrize("kind", KINDS)
def test_the_stop_button_terminates_the_session(opened, kind):
    nb = opened(LOAD, GATED, "print(s.status)", kind=kind)
    nb.run_all()
    expect(nb.log).to_contain_text("begun", timeout=READY_MS)
    nb.viewer.get_by_role("button", name="Stop").click()
    expect(nb.output(2)).to_contain_text("terminated", ignore_case=True, timeout=READY_MS)
    expect(nb.viewer).to_have_count(0)
    expect(nb.output(1)).to_contain_text("terminated", ignore_case=True)


@pytest.mark.parametrize("kind", KINDS)
def test_the_next_prompt_runs_in_the_same_cell(opened, kind, open_gates):
    nb = opened(LOAD, GATED, "print(len(s.turns))", kind=kind)
    nb.run_all()
    expect(nb.log).to_contain_text("begun", timeout=READY_MS)
    box = nb.viewer.get_by_role("textbox", name="Next prompt")
    box.fill("echo second; ls")
    box.press("Enter")
    expect(nb.viewer.locator(".aod-note")).to_contain_text("is sent when")
    open_gates()
    expect(nb.output(2)).to_contain_text("2", timeout=READY_MS)
    expect(nb.output(1)).to_contain_text("gone on")
    expect(nb.output(1)).to_contain_text("Turn 2")
    expect(nb.output(1)).to_contain_text("second")


def test_the_viewer_is_what_a_cell_shows_without_being_asked(opened):
    nb = opened(LOAD, GATED.replace("--view ", ""))
    nb.run_all()
    expect(nb.viewer).to_be_visible(timeout=READY_MS)
    nb.viewer.get_by_role("button", name="Stop").click()
    expect(nb.viewer).to_have_count(0, timeout=READY_MS)


def test_the_notebooks_own_stop_button_leaves_static_html(opened):
    nb = opened(LOAD, GATED)
    nb.run_all()
    expect(nb.log).to_contain_text("begun", timeout=READY_MS)
    nb.command("notebook:interrupt-kernel")
    expect(nb.output(1)).to_contain_text("was terminated on the service", timeout=READY_MS)
    expect(nb.viewer).to_have_count(0)
    expect(nb.output(1)).to_contain_text("begun")


def test_a_background_session_is_shown_to_its_end(opened, open_gates):
    nb = opened(LOAD, GATED.replace("--view", "--view --background"), "6 * 7")
    nb.run_all()
    expect(nb.output(2)).to_contain_text("42", timeout=READY_MS)
    expect(nb.log).to_contain_text("begun", timeout=READY_MS)
    open_gates()
    expect(nb.viewer).to_have_count(0, timeout=READY_MS)
    expect(nb.output(1)).to_contain_text("gone on")


def test_outputs_show_their_last_state_without_a_kernel(opened_alone, server):
    nb = opened_alone(LOAD, GATED, "%%aod --view --runtime replay\ngo")
    nb.run_cell(0)
    nb.run_cell(2)
    expect(nb.output(2)).to_contain_text("March has 31 nights again", timeout=READY_MS)
    nb.run_cell(1)
    expect(nb.log).to_contain_text("begun", timeout=READY_MS)
    wait_until_kept(nb, "begun")
    assert set(server.saved(nb.path).cells[2].outputs[-1].data) == STATIC
    server.stop_kernel(nb.kernel)
    nb.open(nb.path)
    expect(nb.output(1)).to_contain_text("begun")
    expect(nb.output(1)).not_to_contain_text("model not found")
    expect(nb.output(2)).to_contain_text("March has 31 nights again")
    expect(nb.viewer).to_have_count(0)


def test_a_page_reloaded_in_mid_run_shows_the_last_state_and_then_the_end(opened, open_gates):
    nb = opened(LOAD, GATED)
    nb.run_all()
    expect(nb.log).to_contain_text("begun", timeout=READY_MS)
    wait_until_kept(nb, "begun")
    nb.reload()
    expect(nb.output(1)).to_contain_text("begun")
    open_gates()
    expect(nb.output(1)).to_contain_text("gone on", timeout=READY_MS)
    expect(nb.viewer).to_have_count(0, timeout=READY_MS)
    expect(nb.output(1)).to_contain_text("Completed", ignore_case=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_background_session_is_live_again_after_a_reload(opened, kind, open_gates, shot):
    nb = opened(LOAD, GATED.replace("--view", "--view --background"), kind=kind)
    nb.run_all()
    expect(nb.log).to_contain_text("begun", timeout=READY_MS)
    wait_until_kept(nb, "begun")
    nb.reload()
    expect(nb.log).to_contain_text("begun", timeout=READY_MS)
    open_gates()
    expect(nb.viewer).to_have_count(0, timeout=READY_MS)
    expect(nb.output(1)).to_contain_text("gone on")
    expect(nb.output(1)).to_contain_text("Completed", ignore_case=True)
    shot(nb.page, f"reloaded-{kind}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_is_answered_and_approved_in_its_view(opened, kind, shot):
    pauses = [{"ask": "Which quarter?", "options": ["Q1", "Q2"]}, {"approve": "send it"}]
    nb = opened(
        LOAD + f"\ninvoice = {{'replay': {{'pauses': {pauses}}}}}",
        "%agentos invoke --input invoice -o r",
        "r.wait(); print(r.status, r.output['answers'])",
        kind=kind,
    )
    nb.run_cell(0)
    nb.run_cell(1)
    nb.viewer.get_by_role("button", name="Q2").click(timeout=READY_MS)
    nb.viewer.get_by_role("button", name="Approve").click(timeout=READY_MS)
    expect(nb.viewer).to_have_count(0, timeout=READY_MS)
    expect(nb.output(1)).to_contain_text("Completed", ignore_case=True)
    expect(nb.output(1)).to_contain_text("Approved")
    shot(nb.page, f"agentos-{kind}")
    nb.run_cell(2)
    expect(nb.output(2)).to_contain_text("completed ['Q2']")


def test_a_saved_notebook_does_not_grow_with_reruns(opened):
    nb = opened(LOAD, "%%aod --view --runtime shell\necho one; echo two")
    nb.run_all()
    prompt = nb.cell(1).locator(".jp-InputPrompt").first
    expect(prompt).to_have_text(re.compile(r"\[\d+\]"), timeout=READY_MS)
    sizes = []
    for run in range(20):
        expect(nb.output(1)).to_contain_text("Completed", ignore_case=True, timeout=READY_MS)
        if run in (0, 1, 19):
            nb.save()
            sizes.append(nb.path.stat().st_size)
        shown = prompt.inner_text()
        nb.run_cell(1)
        expect(prompt).not_to_have_text(shown, timeout=READY_MS)
        expect(prompt).not_to_contain_text("*", timeout=READY_MS)
    assert max(sizes) - min(sizes) < 200, sizes
