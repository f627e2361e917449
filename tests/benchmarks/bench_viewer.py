"""The stream viewer in a real JupyterLab beside print, Output and HTML: bytes, CPU, frames, delay.

Run it with the benchmarks' environment; it needs a Chromium. `--rows` sets how long the steady
flood is (1,000 rows a second); the burst always has 100,000 rows.
"""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "e2e")]

from jupyter_client import BlockingKernelClient  # noqa: E402 - the path is set above
from pages import NotebookPage  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402
from servers import Server  # noqa: E402

ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update --enable-precise-memory-info"
)
LAST_MS = 60_000
PREPARE = """
import json, resource, threading, time
from pathlib import Path
def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
def text(number):
    return f"{number:08d} ".ljust(79, "x")
def paced(count, per_second, emit):
    began = time.perf_counter()
    for number in range(count):
        ahead = number / per_second - (time.perf_counter() - began) if per_second else 0
        if ahead > 0.002:
            time.sleep(ahead)
        emit(text(number))
def measured(count, per_second, emit, settle=1.0):
    before = cpu()
    paced(count, per_second, emit)
    last = time.time()
    time.sleep(settle)
    Path("result.json").write_text(json.dumps({"cpu": cpu() - before, "last": last}))
"""
VIEWER = """
from driven import Driven
from aod_notebook.viewers.stream import StreamViewer
d = Driven()
v = StreamViewer(d, freeze=False)
v"""
FLOOD = "threading.Thread(target=measured, args=({count}, {rate}, d.line, {settle})).start()"
OUTPUT = """
import ipywidgets
o = ipywidgets.Output()
o"""
HTML = """
import ipywidgets
h = ipywidgets.HTML()
h"""
PAGE = """last => {
  const state = { gaps: [], seen: 0, blocked: 0 };
  window.bench = state;
  let before = performance.now();
  const frame = (now) => {
    state.gaps.push(now - before);
    before = now;
    if (!state.seen && document.querySelector(".jp-Notebook").textContent.includes(last)) {
      state.seen = Date.now();
    }
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) state.blocked += entry.duration;
  }).observe({ type: "longtask" });
}"""


@dataclass
class Case:
    """One way to show so many rows at such a pace."""

    name: str
    show: str
    emit: str
    count: int
    rate: int | None
    other: str = ""
    settle: float = 1.0
    probes: bool = False
    checks: bool = False
    facts: dict[str, object] = field(default_factory=dict)


def cases(rows):
    settle = 3.0
    flood = "for i in range(200_000): print(i)"
    burst = 100_000
    return [
        Case("viewer, 1k/s", VIEWER, FLOOD, rows, 1000, checks=True),
        Case("viewer, 1k/s, 1+1 in between", VIEWER, FLOOD, 5_000, 1000, probes=True, checks=True),
        Case("nothing, 1k/s", "0", "measured({count}, {rate}, len)", rows, 1000),
        Case("viewer, burst", VIEWER, FLOOD, burst, None, settle=settle, checks=True),
        Case("viewer, burst, another cell floods print", VIEWER, FLOOD, burst, None, flood, settle, checks=True),
        Case("print, 1k/s", "pass", "measured({count}, {rate}, print)", 10_000, 1000),
        Case("Output.append_stdout, 1k/s", OUTPUT,
             "measured({count}, {rate}, lambda t: o.append_stdout(t + '\\n'))", 1000, 1000),
        Case("HTML.value +=, 1k/s", HTML,
             "def add(t): h.value += f'<div>{{t}}</div>'\nmeasured({count}, {rate}, add)", 1000, 1000),
    ]  # fmt: skip


def run(case, browser, server):
    """Measure one case in a notebook of its own."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    received = [0]

    def count(payload):
        received[0] += len(payload)

    page.on("websocket", lambda socket: socket.on("framereceived", count))
    emit = case.emit.format(count=case.count, rate=case.rate, settle=case.settle)
    name = "".join(c if c.isalnum() else "-" for c in case.name)
    path = server.notebook(f"{name}.ipynb", PREPARE, case.show, emit, case.other or "0")
    result = server.root / "result.json"
    result.unlink(missing_ok=True)
    nb = NotebookPage(page, server).open(path)
    for cell in (0, 1):
        run_cell(nb, cell)
    if case.show == VIEWER:
        nb.wait_for_rows(1)
    session = page.context.new_cdp_session(page)
    heap = used_heap(session)
    nodes = page.evaluate("document.querySelectorAll('*').length")
    received[0] = 0
    last = f"{case.count - 1:08d} x"
    page.evaluate(PAGE, last)
    nb.run_cell(2)
    if case.other:
        nb.run_cell(3)
    probes = probed(server, result) if case.probes else []
    nb.wait_until(result.exists)
    # What never shows is waited for a while only.
    with contextlib.suppress(Exception):
        page.wait_for_function("() => window.bench.seen", timeout=LAST_MS)
    kernel = json.loads(result.read_text())
    seen = page.evaluate("window.bench")
    if case.checks:
        nb.wait_for_rows(case.count + 1)
        texts = page.evaluate(
            "() => document.querySelector('.aod-viewer').viewer.store.texts.slice(1)"
        )
        assert texts == [f"{n:08d} ".ljust(79, "x") for n in range(case.count)]
    gaps = sorted(seen["gaps"])
    facts = case.facts
    facts["rows"] = case.count
    facts["kernel µs/row"] = round(1e6 * kernel["cpu"] / case.count, 1)
    facts["bytes/row"] = round(received[0] / case.count)
    facts["last row ms"] = round(seen["seen"] - 1000 * kernel["last"]) if seen["seen"] else "never"
    facts["frame p95 ms"] = round(gaps[int(0.95 * len(gaps))], 1) if gaps else "-"
    facts["blocked ms"] = round(seen["blocked"])
    facts["new nodes"] = page.evaluate("document.querySelectorAll('*').length") - nodes
    facts["heap MB"] = round((used_heap(session) - heap) / 1e6, 1)
    facts["1+1 ms"] = round(1000 * statistics.median(probes), 1) if probes else "-"
    page.close()
    for kernel_id in server.kernels():
        server.stop_kernel(kernel_id)


def run_cell(nb, number):
    prompt = nb.cell(number).locator(".jp-InputPrompt").first
    nb.run_cell(number)
    nb.wait_until(lambda: prompt.inner_text().strip() not in ("[ ]:", "[*]:", "[]:"))


def used_heap(session):
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(each["value"] for each in metrics if each["name"] == "JSHeapUsedSize")


def probed(server, result):
    """Time `1+1` in the kernel until the flood is over, in seconds."""
    (file,) = (server.folder / "jupyter_runtime").glob("kernel-*.json")
    client = BlockingKernelClient(connection_file=str(file))
    client.load_connection_file()
    client.start_channels()
    times = []
    while not result.exists():
        began = time.perf_counter()
        client.execute("1+1", reply=True, timeout=30)
        times.append(time.perf_counter() - began)
        time.sleep(0.25)
    client.stop_channels()
    return times[1:]


def main():
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000, help="rows of the steady flood")
    parser.add_argument("--only", default="", help="only the cases with this in their name")
    parser.add_argument("--quick", action="store_true", help="a short steady flood")
    options = parser.parse_args()
    if options.quick:
        options.rows = 5_000
    os.environ["PYTHONPATH"] = str(HERE.parent / "e2e")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    assert chromium, "no Chromium: apt-get update && apt-get install -y chromium"
    chosen = [case for case in cases(options.rows) if options.only in case.name]
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server(Path(folder))
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS.split())
        try:
            server.start()
            for case in chosen:
                run(case, browser, server)
                print(f"{case.name:44}", *(f"{key} {value}" for key, value in case.facts.items()),
                      sep="  ", flush=True)  # fmt: skip
        finally:
            browser.close()
            server.stop()
    print(f"load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
