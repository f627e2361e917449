"""A notebook that is open in the browser, in JupyterLab or in Notebook 7."""

import contextlib
import re
import time

from playwright.sync_api import expect

READY_MS = 60_000


class NotebookPage:
    """What a person does with an open notebook."""

    def __init__(self, page, server, kind="lab"):
        self.page, self.server, self.kind = page, server, kind

    def open(self, path, *, reset=True):
        place = "lab/tree" if self.kind == "lab" else "notebooks"
        again = "&reset" if reset and self.kind == "lab" else ""
        self.page.goto(f"{self.server.url}/{place}/{path.name}?token={self.server.token}{again}")
        self.wait_until_idle()
        return self

    def wait_until_idle(self):
        if self.kind == "lab":
            bar = self.page.locator("#jp-main-statusbar")
            expect(bar).to_contain_text("Python 3 (ipykernel) | Idle", timeout=READY_MS)
        else:
            ready = self.page.locator(".jp-NotebookKernelStatus, .jp-Notebook-ExecutionIndicator")
            expect(ready.first).to_be_attached(timeout=READY_MS)
            expect(
                self.page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]")
            ).to_be_attached(timeout=READY_MS)

    def reload(self):
        self.page.reload()
        expect(self.page.locator(".jp-Notebook .jp-Cell").first).to_be_visible(timeout=READY_MS)

    def menu(self, menu, command):
        self.page.get_by_role("menuitem", name=menu, exact=True).click()
        self.page.get_by_role("menuitem", name=re.compile(command)).first.click()

    def run_all(self):
        """Run all cells; a page that is not ready yet passes over the first wish."""
        begun = self.cell(0).locator(".jp-InputPrompt").first
        for _ in range(10):
            self.menu("Run", "^Run All Cells$")
            with contextlib.suppress(AssertionError):
                expect(begun).not_to_have_text(re.compile(r"\[ ?\]"), timeout=3000)
                return

    def run_cell(self, number):
        self.cell(number).locator(".jp-InputPrompt").first.click()
        self.page.keyboard.press("Control+Enter")

    def wait_for_rows(self, count):
        """Wait until the page keeps so many rows."""
        self.page.wait_for_function(
            "n => document.querySelector('.aod-viewer')?.viewer.store.length >= n",
            arg=count, timeout=READY_MS,
        )  # fmt: skip

    def save(self):
        self.page.keyboard.press("Escape")
        self.menu("File", "^Save Notebook" if self.kind == "lab" else "^Save")
        self.page.wait_for_function("() => !document.title.startsWith('*')")

    def wait_until(self, condition):
        """Wait until a condition outside the page holds."""
        deadline = time.monotonic() + READY_MS / 1000
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError
            self.page.wait_for_timeout(50)

    def cell(self, number):
        return self.page.locator(".jp-Notebook .jp-Cell").nth(number)

    def output(self, number):
        return self.cell(number).locator(".jp-Cell-outputArea")

    @property
    def viewer(self):
        return self.page.locator(".aod-viewer")

    @property
    def log(self):
        return self.page.locator(".aod-viewer .aod-log")

    def rows(self):
        """Give all rows that the page keeps, as the kernel would send them."""
        return self.page.evaluate(
            """() => {
              const { store } = document.querySelector(".aod-viewer").viewer;
              return Array.from({ length: store.length }, (_, n) => {
                const row = store.row(n);
                return [row.kind, row.text, row.title, row.flags, row.depth];
              });
            }"""
        )
