"""A real JupyterLab and Notebook 7 in a real Chromium; run `pytest tests/e2e` on its own."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from pages import NotebookPage
from playwright.sync_api import expect, sync_playwright
from servers import Server

from aod_notebook.live.embedded import embedded_data_dir
from aod_notebook.local import stop_service

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "build" / "screenshots"
TOOLS = ROOT / "build" / "js"
FAILED = pytest.StashKey()

expect.set_options(timeout=20_000)


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


@pytest.fixture(scope="session")
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
    """A page beside those that the tests share."""
    made = context.new_page()
    yield made
    made.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jupyter")
    with pytest.MonkeyPatch.context() as patch:
        modules = [Path(__file__).parent, ROOT / "tests", ROOT / "tests" / "benchmarks"]
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, modules)))
        patch.setenv("AOD_NOTEBOOK_HOME", str(folder / "home"))
        running = Server(folder)
        try:
            running.start()
            yield running
        finally:
            running.stop()
            stop_service(embedded_data_dir())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture(scope="session")
def desks():
    """The notebooks that tests share, by the front end that shows them."""
    return {}


@pytest.fixture
def opened(desks, context, server, request):
    """Put these cells into an open notebook whose kernel runs; `opened(*cells, kind=...)`.

    Tests share the page and the kernel, for these take seconds to start. What a failed test
    used is thrown away, after a last picture of it.
    """
    used = []

    def open_(*cells, kind="lab"):
        if kind not in desks:
            path = server.notebook(f"{kind}.ipynb", "")
            desks[kind] = NotebookPage(context.new_page(), server, kind).open(path)
        used.append(kind)
        return desks[kind].fill(*cells)

    yield open_
    for kind in used:
        if request.node.stash.get(FAILED, False):
            nb = desks.pop(kind)
            SHOTS.mkdir(parents=True, exist_ok=True)
            nb.page.screenshot(path=SHOTS / f"failed-{request.node.name}.png")
            server.stop_kernel(nb.kernel)
            nb.page.close()
        else:
            desks[kind].fill("")


@pytest.fixture
def opened_alone(context, server, request):
    """Open a notebook with a kernel and a page of its own."""
    made = []

    def open_(*cells):
        name = f"{request.node.name[:60]}-{len(made)}"
        path = server.notebook(f"{name}.ipynb", *cells)
        nb = NotebookPage(context.new_page(), server).open(path)
        made.append((nb, nb.kernel))
        return nb

    yield open_
    for nb, kernel in made:
        server.stop_kernel(kernel)
        nb.page.close()


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
    """Return what axe finds serious or critical below a selector."""

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
