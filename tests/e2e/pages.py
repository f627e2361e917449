"""A notebook that is open in the browser, in JupyterLab or in Notebook 7."""

import contextlib
import re
import time

from playwright.sync_api import expect

READY_MS = 60_000
NOTEBOOK = "window.jupyterapp.shell.currentWidget"
"""The server is started so that its pages show their application to tests."""


class NotebookPage:
    """What a person does with an open notebook."""

    def __init__(self, page, server, kind="lab"):
        self.page, self.server, self.kind = page, server, kind
        self.path = None

    def open(self, path):
        """Open a notebook, in JupyterLab in a workspace that has nothing else in it."""
        self.path = path
        place = "notebooks" if self.kind == "notebook" else f"lab/workspaces/{path.stem}/tree"
        self.page.goto(f"{self.server.url}/{place}/{path.name}?token={self.server.token}")
        self.wait_until_idle()
        return self

    def wait_until_idle(self):
        self._wait_for("sessionContext.session?.kernel?.status === 'idle'")

    def reload(self):
        self.page.reload()
        self._wait_for("content.widgets.length")
        expect(self.cell(0)).to_be_visible(timeout=READY_MS)

    def _wait_for(self, condition):
        """Wait until the notebook is what the page shows, and something holds of it."""
        self.page.wait_for_function(
            f"""path => {{
              const panel = window.jupyterapp && {NOTEBOOK};
              return panel?.context?.path === path && panel.{condition};
            }}""",
            arg=self.path.name, timeout=READY_MS,
        )  # fmt: skip

    def fill(self, *cells):
        """Replace all cells of the notebook; their outputs go with them."""
        self.page.evaluate(
            f"""cells => {{
              const {{ content, sessionContext }} = {NOTEBOOK};
              const shared = content.model.sharedModel;
              shared.transact(() => {{
                shared.deleteCellRange(0, shared.cells.length);
                shared.insertCells(0, cells.map((source) => (
                  {{ cell_type: "code", source, metadata: {{ trusted: true }}, outputs: [] }})));
              }});
              content.activeCellIndex = 0;
            }}""",
            list(cells),
        )
        expect(self.page.locator(".jp-Notebook .jp-Cell")).to_have_count(len(cells))
        return self

    def command(self, name, wait=False, **arguments):
        """Let the application do what its menus and keys do."""
        self.page.evaluate(
            """async ([name, wait, args]) => {
              const done = window.jupyterapp.commands.execute(name, args);
              if (wait) await done;
            }""",
            [name, wait, arguments],
        )

    def run_all(self):
        """Run all cells; a page that is not ready yet passes over the first wish."""
        begun = self.cell(0).locator(".jp-InputPrompt").first
        for _ in range(10):
            self._run("notebook:run-all-cells")
            with contextlib.suppress(AssertionError):
                expect(begun).not_to_have_text(re.compile(r"\[ ?\]"), timeout=3000)
                return

    def restart_and_run_all(self):
        """Clear the outputs, start a fresh kernel in the place of the old one, run all cells."""
        self.command("notebook:clear-all-cell-outputs", wait=True)
        self.page.evaluate(f"{NOTEBOOK}.sessionContext.session.kernel.restart()")
        self.wait_until_idle()
        self.run_all()

    def run_cell(self, number):
        self.page.evaluate(f"number => {{ {NOTEBOOK}.content.activeCellIndex = number; }}", number)
        self._run("notebook:run-cell")

    def _run(self, command):
        """Run cells without the focus: the notebook takes back what it had once it has scrolled.

        On a busy machine that may be long after a test has focused something else.
        """
        self.page.evaluate("document.activeElement.blur()")
        self.command(command)

    def save(self):
        self.command("docmanager:save", wait=True)

    def set_theme(self, name):
        """Make the page light or dark."""
        self.command("apputils:change-theme", wait=True, theme=f"JupyterLab {name}")
        expect(self.page.locator("body")).to_have_attribute(
            "data-jp-theme-name", f"JupyterLab {name}"
        )
        expect(self.page.locator("#jupyterlab-splash")).to_have_count(0)

    @property
    def kernel(self):
        """The id of the notebook's kernel."""
        return self.page.evaluate(f"{NOTEBOOK}.sessionContext.session.kernel.id")

    def wait_for_rows(self, count):
        """Wait until the page keeps so many rows."""
        self.page.wait_for_function(
            "n => document.querySelector('.aod-viewer')?.viewer.store.length >= n",
            arg=count, timeout=READY_MS,
        )  # fmt: skip

    def wait_until(self, condition, seconds=READY_MS / 1000):
        """Wait until a condition outside the page holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError
            self.page.wait_for_timeout(20)

    def tool(self, name):
        """Return a button of the viewer; where the view is narrow, after opening what has it."""
        more = self.viewer.get_by_role("button", name="View", exact=True)
        button = self.viewer.get_by_role("button", name=name)
        if more.is_visible() and not button.is_visible():
            more.click()
        return button

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
        """Return all rows that the page keeps, as the kernel would send them."""
        return self.page.evaluate(
            """() => {
              const { store } = document.querySelector(".aod-viewer").viewer;
              return Array.from({ length: store.length }, (_, n) => {
                const row = store.row(n);
                return [row.kind, row.text, row.title, row.flags, row.depth];
              });
            }"""
        )
