"""A Chromium that nobody listens to while something is measured in it.

A browser that is driven tells its driver of every frame of a WebSocket, with what is in it: on two
cores that alone takes the page of a burst hundreds of milliseconds.
"""

import contextlib
import shutil
import subprocess
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update --enable-precise-memory-info "
    "--headless --window-size=1280,1000 --remote-debugging-port=0"
)
START_S = 30
BLANK = "about:blank"
"""The page that keeps the browser open."""
COUNT_BYTES = """
window.received = 0;
window.WebSocket = class extends WebSocket {
  constructor(...words) {
    super(...words);
    this.addEventListener("message", ({ data }) => {
      window.received += data.byteLength ?? data.length;
    });
  }
};
"""
"""Pages count the bytes that come to them."""


def wait_for_file(file, seconds):
    """Wait until another process has written a file."""
    deadline = time.monotonic() + seconds
    while not file.exists() or not file.stat().st_size:
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {file.name} after {seconds:.0f} s")
        time.sleep(0.05)


class Chromium:
    """A running browser; `attached` gives one page of it to drive, and leaves it alone after.

    Args:
        folder: an empty one, for what the browser keeps.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.process = None
        self.port = None

    def start(self):
        path = shutil.which("chromium") or shutil.which("chromium-browser")
        assert path, "no Chromium: apt-get update && apt-get install -y chromium"
        self.process = subprocess.Popen(
            [path, *ARGUMENTS.split(), f"--user-data-dir={self.folder}", BLANK],
            stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        told = self.folder / "DevToolsActivePort"
        wait_for_file(told, START_S)
        self.port = int(told.read_text(encoding="ascii").split()[0])

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.kill()

    @contextlib.contextmanager
    def attached(self, is_new=False):
        """Drive a new page, or the one that was opened last; it stays open."""
        with sync_playwright() as playwright:
            browser = playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{self.port}")
            context = browser.contexts[0]
            pages = [page for page in context.pages if page.url != BLANK]
            if is_new:
                for old in pages:
                    old.close()
                pages = [context.new_page()]
                pages[0].add_init_script(COUNT_BYTES)
            (page,) = pages
            yield page
            browser.close()
