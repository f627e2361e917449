"""A session in marimo, which has no magics, and whose kernel hears no page while a cell runs."""

import os
import signal
import subprocess
import sys
import time
import urllib.request

import pytest
from kernels import clean_environment
from pages import READY_MS
from playwright.sync_api import expect
from servers import free_port

NOTEBOOK = """import marimo

app = marimo.App()


@app.cell
def _():
    import aod_notebook
    from aod_notebook import live

    aod_notebook.connect()
    session = live.start(live.SessionRequest(prompt={prompt!r}, runtime="shell"))
    return (session,)


@app.cell
def _(session):
    session.viewer()
    return


@app.cell
def _(session):
    session.wait()
    "the session has ended"
    return


if __name__ == "__main__":
    app.run()
"""


@pytest.fixture
def gate(tmp_path):
    """The pipe for which the session waits."""
    os.mkfifo(tmp_path / "gate")
    return tmp_path / "gate"


@pytest.fixture
def address(tmp_path, gate, server):
    """Serve the notebook by marimo, which runs it when a page comes; give its address."""
    config = tmp_path / "config" / "marimo" / "marimo.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[display]\ntheme = "system"\n', encoding="utf-8")
    notebook = tmp_path / "notebook.py"
    prompt = f"echo before; cat {gate}; echo after; cat {gate}; seq 300"
    notebook.write_text(NOTEBOOK.format(prompt=prompt), encoding="utf-8")
    port = free_port()
    words = ["run", str(notebook), "--headless", "--no-token", "--port", str(port)]
    environment = clean_environment(server.home, XDG_CONFIG_HOME=str(tmp_path / "config"))
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "marimo", *words], cwd=tmp_path, env=environment,
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    wait_for(url, READY_MS / 1000)
    yield url
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(20)


def wait_for(url, seconds):
    deadline = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(f"{url}/health", timeout=5).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        else:
            return


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_view_fills_while_a_cell_waits_for_the_session(page, address, gate, shot, scheme):
    page.emulate_media(color_scheme=scheme)
    page.goto(address)
    log = page.locator(".aod-log")
    expect(log).to_contain_text("before", timeout=READY_MS)
    gate.write_text("")
    expect(log).to_contain_text("after")
    expect(page.get_by_text("the session has ended")).to_have_count(0)
    shot(page, f"marimo-{scheme}")
    light = page.locator(".aod-viewer").evaluate("v => +getComputedStyle(v).color.match(/\\d+/)[0]")
    assert (light > 128) == (scheme == "dark")
    gate.write_text("")
    expect(page.get_by_text("the session has ended")).to_be_visible(timeout=READY_MS)
    expect(log).to_contain_text("300")
    rows = page.locator(".aod-viewer").evaluate("root => root.viewer.store.texts.map(String)")
    assert [text for text in rows if text.isdigit()] == [str(n) for n in range(1, 301)]
