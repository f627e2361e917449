"""Views that tests open on sessions which they drive, and where their readers are."""

from playwright.sync_api import expect

KINDS = ["lab", "notebook"]
VIEW = """from driven import Driven
from aod_notebook.viewers.stream import StreamViewer
d = Driven()
d.line(*[f"line {i}" for i in range(300)])
v = StreamViewer(d, freeze=False, stop=lambda: d.end(1), prompt=d.next_turn)
v"""
LINES = 301
REPLAY = """from pathlib import Path
import aod_notebook
from driven import Driven
from aod_notebook.viewers.stream import StreamViewer
d = Driven("claude · 7b0c", "claude")
recording = Path(aod_notebook.__file__).parent / "local/recordings/claude-coding.jsonl"
d.event("output", stream="stdout", data=recording.read_text(), turn=1)
v = StreamViewer(d, freeze=False, stop=lambda: d.end(1), prompt=d.next_turn)
v"""

SESSION = r"""from pathlib import Path
import aod_notebook
from driven import Driven
from aod_notebook.viewers.stream import StreamViewer
d = Driven("claude · 5f0c2f6e", "claude")
d.id = "5f0c2f6e-7a41-4c0e-9d53-2b8a61c1d7e4"
d.prompts[1] = "The report for March shows 30 nights instead of 31. Find out why and fix it."
recording = Path(aod_notebook.__file__).parent / "local/recordings/claude-coding.jsonl"
times = recording.with_suffix(".times").read_text().splitlines()
for line, time in zip(recording.read_text().splitlines(), times):
    d.event("output", stream="stdout", data=line + "\n", turn=1, created_at=time.split()[1])
v = StreamViewer(d, freeze=False, stop=lambda: d.end(1), prompt=d.next_turn)
v"""


def settled_scroll_top(nb):
    """Wait until the page stands still; return where."""
    return nb.log.evaluate(
        """async (log) => {
          for (let before = -1; before !== log.scrollTop; ) {
            before = log.scrollTop;
            await new Promise((done) => setTimeout(done, 100));
          }
          return log.scrollTop;
        }"""
    )


def scroll_up(nb, pixels):
    """Turn the mouse's wheel, and wait until the page has scrolled."""
    nb.log.hover()
    wanted = settled_scroll_top(nb) - pixels
    nb.page.mouse.wheel(0, -pixels)
    nb.page.wait_for_function(
        "top => Math.abs(document.querySelector('.aod-log').scrollTop - top) < 2", arg=wanted
    )
    assert not nb.page.evaluate("document.querySelector('.aod-viewer').viewer.follows")


def focus(button):
    """Focus a button; before the kernel has answered the page, none of what needs it can be."""
    expect(button).to_be_enabled()
    button.focus()


def wait_until_focused(nb, wanted):
    """Wait until an element has its document's focus, whichever page the browser shows."""
    nb.wait_until(lambda: wanted.evaluate("it => it === document.activeElement"))


def wait_until_at_end(nb):
    end = "log.scrollHeight - log.scrollTop - log.clientHeight < 5"
    nb.page.wait_for_function(
        f"() => {{ const log = document.querySelector('.aod-log'); return {end}; }}"
    )


WINDOW = {"width": 1280, "height": 1000}
BESIDE_PX = 460
"""What JupyterLab has beside its outputs, at the most."""


def resize(nb, view, width):
    """Make a view as wide as an output of that width, and the window large enough for it."""
    nb.page.set_viewport_size({"width": width + BESIDE_PX, "height": 1300})
    nb.page.eval_on_selector(view, "(it, width) => { it.style.width = `${width}px`; }", width)
    nb.page.wait_for_timeout(200)  # for the observer and the frame after it
