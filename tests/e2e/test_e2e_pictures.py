"""A recorded session in each front end, wide and narrow, light and dark; the pictures are kept."""

import subprocess
import sys

import nbformat
import pytest
from kernels import clean_environment
from pages import READY_MS
from playwright.sync_api import expect
from views import KINDS, SESSION

from aod_notebook.core.redactor import Redactor
from aod_notebook.viewers.bundle import Shown, write_bundle

STILL = "from IPython.display import HTML; d.end(); v.feed.read(); HTML(v.feed.html())"
CUT_OFF = """root => [...root.querySelectorAll("*")].filter((each) => {
  for (let up = each.parentElement; up && root.contains(up); up = up.parentElement) {
    if (getComputedStyle(up).overflowX !== "visible") return false;
  }
  return each.getBoundingClientRect().right > root.getBoundingClientRect().right + 1;
}).map((each) => each.outerHTML.slice(0, 120))"""
"""The elements that stick out at the right of another, unless they scroll or are meant to end."""

GROUND = """box => {
  const shown = (each) => getComputedStyle(each).backgroundColor;
  while (box.parentElement && shown(box).endsWith(", 0)")) box = box.parentElement;
  return shown(box).match(/[0-9]+/g).slice(0, 3).map(Number);
}"""
"""The colour behind an element: red, green, blue, each from 0 to 255."""

WIDTHS = (1280, 600)
HEIGHT = 1000
ONE_LINE_PX = 40
THEMES = ("light", "dark")


def is_dark(element):
    """Whether what is behind an element is dark; colours in between are neither and fail."""
    colour = element.evaluate(GROUND)
    assert max(colour) < 64 or min(colour) > 192, colour
    return max(colour) < 64


SHARE_IN_SIGHT = """part => new Promise((done) => {
  new IntersectionObserver(([entry], observer) => {
    observer.disconnect();
    done(entry.intersectionRatio);
  }).observe(part);
})"""


@pytest.fixture
def session():
    """The session that the notebooks show, for what is made without a kernel."""
    names = {}
    exec(SESSION.rpartition("v = ")[0], names)
    driven = names["d"]
    driven.end()
    events = [event for event, _ in driven.received()]
    return Shown(
        id=driven.id, events=events, runtime="claude", prompts=driven.prompts, status="completed",
        agent="fixer", model="claude-sonnet-4-6", cost_usd=0.17,
    )  # fmt: skip


@pytest.fixture
def window(browser):
    """A window without a network, and without a notebook."""
    context = browser.new_context(offline=True)
    yield context.new_page()
    context.close()


@pytest.fixture
def notebook(opened):
    """Open the session in a notebook, with all the width for it; the notebook is left as it was."""
    made = []

    def open_(kind):
        nb = opened(SESSION, STILL, kind=kind)
        made.append(nb)
        if kind == "lab":
            nb.command("application:toggle-left-area")
        return nb

    yield open_
    for nb in made:
        nb.page.set_viewport_size({"width": 1280, "height": HEIGHT})
        nb.set_theme("Light")
        if nb.kind == "lab":
            nb.command("application:toggle-left-area")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
def test_a_session_fits_the_output_of_a_notebook(notebook, shot, problems, kind):
    nb = notebook(kind)
    nb.run_all()
    expect(nb.output(1)).to_contain_text("All 10 tests pass", timeout=READY_MS)
    for theme in THEMES:
        nb.set_theme(theme.capitalize())
        for width in (*WIDTHS, 900):
            nb.page.set_viewport_size({"width": width, "height": HEIGHT})
            nb.log.press("Home")
            expect(nb.log).to_contain_text("March has 31 nights")
            for number, name in enumerate(("live", "static")):
                output = nb.output(number)
                output.evaluate("output => output.scrollIntoView()")
                shot(nb.page, f"{kind}-{name}-{width}-{theme}")
                assert output.evaluate(CUT_OFF) == []
            assert nb.viewer.locator(".aod-tools").bounding_box()["height"] < ONE_LINE_PX
        for number in range(2):
            nb.output(number).evaluate("(output, id) => { output.id = id; }", f"output-{number}")
            assert problems(nb.page, f"#output-{number}") == []


def test_a_live_view_is_in_sight_from_its_title_to_its_box(notebook):
    """Notebook 7 puts what has more than 100 lines in a low box, as the static form has."""
    nb = notebook("notebook")
    nb.run_all()
    expect(nb.output(1)).to_contain_text("All 10 tests pass", timeout=READY_MS)

    def is_in_sight(part):
        """Scroll again each time: the notebook moves when it has measured what has run."""
        nb.output(0).evaluate("output => output.scrollIntoView()")
        return nb.viewer.locator(part).evaluate(SHARE_IN_SIGHT) == 1

    nb.wait_until(lambda: is_in_sight(".aod-head") and is_in_sight(".aod-prompt"))


@pytest.mark.parametrize("width", [760, 600])
def test_what_a_narrow_view_leaves_out_is_behind_one_button(notebook, width):
    nb = notebook("notebook")
    nb.page.set_viewport_size({"width": width, "height": HEIGHT})
    nb.run_all()
    only = nb.viewer.get_by_role("button", name="Only errors")
    expect(nb.output(1)).to_contain_text("All 10 tests pass", timeout=READY_MS)
    nb.log.press("Home")
    expect(nb.log).to_contain_text("March has 31 nights")
    expect(only).to_be_hidden()
    nb.viewer.get_by_role("button", name="View").click()
    only.click()
    expect(nb.log).not_to_contain_text("March has 31 nights")


@pytest.mark.parametrize("theme", THEMES)
def test_a_session_fits_a_page_of_nbconvert(session, window, shot, tmp_path, server, theme):
    shown = nbformat.v4.new_output("display_data", {"text/html": session.transcript().html()})
    cell = nbformat.v4.new_code_cell("%aod attach 5f0c", outputs=[shown])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "page.ipynb")
    words = ["page.ipynb", "--to", "html", "--theme", theme]
    command = [sys.executable, "-m", "nbconvert", *words]
    subprocess.run(command, cwd=tmp_path, check=True, env=clean_environment(server.home))
    window.goto((tmp_path / "page.html").as_uri())
    for width in WIDTHS:
        window.set_viewport_size({"width": width, "height": HEIGHT})
        shot(window, f"nbconvert-{width}-{theme}")
        assert is_dark(window.locator(".jp-Cell-outputArea details").first) == (theme == "dark")
        assert window.locator(".jp-Cell-outputArea").evaluate(CUT_OFF) == []


@pytest.mark.parametrize("theme", THEMES)
def test_a_session_fits_a_page_of_a_bundle(session, window, shot, tmp_path, theme):
    index, page = write_bundle(tmp_path, [session], Redactor())[:2]
    window.emulate_media(color_scheme=theme)
    for width in WIDTHS:
        window.set_viewport_size({"width": width, "height": HEIGHT})
        for name, path in (("index", index), ("page", page)):
            window.goto(path.as_uri())
            shot(window, f"bundle-{name}-{width}-{theme}")
            assert is_dark(window.locator("main")) == (theme == "dark")
            assert window.locator("main").evaluate(CUT_OFF) == []
