"""A real JupyterLab and Notebook 7 in a real Chromium; run `pytest tests/e2e` on its own."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from pages import NotebookPage
from playwright.sync_api import sync_playwright
from servers import Server

from aod_notebook.live.connections import embedded_data_dir
from aod_notebook.local import stop_service

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "build" / "screenshots"
TOOLS = ROOT / "build" / "js"


@pytest.fixture(scope="session")
def browser():
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    assert chromium, "no Chromium: apt-get update && apt-get install -y chromium"
    words = (
        "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
        "--disable-background-networking --disable-component-update --enable-precise-memory-info"
    )
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=words.split())
        yield running
        running.close()


@pytest.fixture
def context(browser):
    """A window of the browser's own, which may use the clipboard."""
    made = browser.new_context(
        viewport={"width": 1280, "height": 1000},
        permissions=["clipboard-read", "clipboard-write"],
    )
    yield made
    made.close()


@pytest.fixture
def page(context):
    return context.new_page()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jupyter")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        patch.setenv("AOD_NOTEBOOK_HOME", str(folder / "home"))
        running = Server(folder)
        try:
            running.start()
            yield running
        finally:
            running.stop()
            stop_service(embedded_data_dir())


@pytest.fixture
def opened(page, server, request):
    """Open a notebook with these cells; `opened(*cells, kind=...)`."""
    count = 0

    def open_(*cells, kind="lab", in_page=page):
        nonlocal count
        count += 1
        path = server.notebook(
            f"{request.node.name[:60].replace('[', '-').replace(']', '')}{count}.ipynb", *cells
        )
        return NotebookPage(in_page, server, kind).open(path)

    yield open_
    for kernel in server.kernels():
        server.stop_kernel(kernel)


@pytest.fixture
def shot():
    """Keep a screenshot as an artefact."""
    SHOTS.mkdir(parents=True, exist_ok=True)

    def keep(what, name):
        what.screenshot(path=str(SHOTS / f"{name}.png"))

    return keep


@pytest.fixture(scope="session")
def axe():
    """The text of axe-core, from npm."""
    script = TOOLS / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        TOOLS.mkdir(parents=True, exist_ok=True)
        command = "npm install --silent --no-audit --no-fund --no-package-lock --prefix"
        subprocess.run(
            [*command.split(), str(TOOLS), "axe-core@4"], check=True, timeout=300, env=os.environ
        )
    return script.read_text(encoding="utf-8")


@pytest.fixture
def problems(axe):
    """Give what axe finds serious or critical below a selector."""

    def find(page, selector):
        page.evaluate(axe)
        found = page.evaluate(
            "selector => axe.run(selector, {resultTypes: ['violations']})", selector
        )
        return [
            f"{each['id']}: {json.dumps([node['target'] for node in each['nodes']][:3])}"
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
        ]

    return find
