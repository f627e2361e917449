"""The stream viewer in a real JupyterLab beside print, Output and HTML: CPU, bytes, frames, delay.

Run it with the benchmarks' environment; it needs a Chromium. `--rows` sets how long the steady
flood is (1,000 rows a second); the burst always has 100,000 rows. Fails if a row is lost.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "e2e")]

from chromium import Chromium, wait_for_file  # noqa: E402 - the path is set above
from jupyter_client import BlockingKernelClient  # noqa: E402
from pages import NotebookPage  # noqa: E402
from servers import Server  # noqa: E402

LAST_MS = 60_000
BURST = 100_000
BASE_ROWS = 1_000
"""The CPU time of fewer rows is mostly that of an idle kernel."""
PREPARE = """
import json, resource, threading, time
from pathlib import Path
from flood import text
def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
def paced(texts, per_second, emit):
    began = time.perf_counter()
    for number, text in enumerate(texts):
        ahead = number / per_second - (time.perf_counter() - began) if per_second else 0
        if ahead > 0.01:
            time.sleep(ahead)
        emit(text)
def wait_for_start():
    while not Path("start").exists():
        time.sleep(0.01)
def measured(count, per_second, emit, settle=1.0):
    texts = [text(number) for number in range(count)]
    wait_for_start()
    before = cpu()
    paced(texts, per_second, emit)
    last = time.time()
    time.sleep(settle)
    Path("result.json").write_text(json.dumps({"cpu": cpu() - before, "last": last}))
"""
SESSION = """
from driven import Driven
d = Driven()
"""
VIEWER = (
    SESSION
    + """
from aod_notebook.viewers.stream import StreamViewer
v = StreamViewer(d, freeze=False)
v"""
)
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
ROWS = "() => document.querySelector('.aod-viewer').viewer.store.texts.slice(1)"


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
    facts: dict[str, object] = field(default_factory=dict)


def cases(rows):
    """Return what is measured; the first two are what the others stand beside."""
    flood = "for i in range(200_000): print(i)"
    add = "def add(t): h.value += f'<div>{{t}}</div>'\nmeasured({count}, {rate}, add)"
    append = "measured({count}, {rate}, lambda t: o.append_stdout(t + '\\n'))"
    return [
        Case("a session without a view, 1k/s", SESSION, FLOOD, rows, 1000),
        Case("no view, 1k/s, 1+1 in between", SESSION, FLOOD, 5_000, 1000, probes=True),
        Case("viewer, 1k/s", VIEWER, FLOOD, rows, 1000),
        Case("viewer, 1k/s, 1+1 in between", VIEWER, FLOOD, 5_000, 1000, probes=True),
        Case("viewer, burst", VIEWER, FLOOD, BURST, None, settle=3),
        Case("viewer, burst beside a print flood", VIEWER, FLOOD, BURST, None, flood, 3),
        Case("print, 1k/s", "pass", "measured({count}, {rate}, print)", 10_000, 1000),
        Case("Output.append_stdout, 1k/s", OUTPUT, append, 1_000, 1000),
        Case("HTML.value +=, 1k/s", HTML, add, 1_000, 1000),
    ]


def run(case, chromium, server):
    """Measure one case in a notebook of its own; give what was measured."""
    start, result = server.root / "start", server.root / "result.json"
    for file in (start, result):
        file.unlink(missing_ok=True)
    with chromium.attached(is_new=True) as page:
        nb = opened(case, page, server)
        before = PageState.of(page)
        if not case.probes:  # watching frames takes the processor time that is measured there
            page.evaluate(PAGE, f"{case.count - 1:08d} ")
        nb.run_cell(2)
        if case.other:
            nb.run_cell(3)
        kernel = nb.kernel
    start.touch()  # now that nobody listens to the page
    probes = probed(server, kernel, result) if case.probes else []
    wait_for_file(result, seconds=case.count / (case.rate or case.count) + 60)
    with chromium.attached() as page:
        facts = figures(case, page, before, json.loads(result.read_text()))
        if case.show == VIEWER:
            check_rows(NotebookPage(page, server), case.count)
    if probes:
        facts["1+1 ms"] = round(1000 * statistics.median(probes), 1)
    server.stop_kernel(kernel)
    return facts


def opened(case, page, server):
    """Open a notebook that is ready for a case."""
    emit = case.emit.format(count=case.count, rate=case.rate, settle=case.settle)
    other = f"wait_for_start()\n{case.other}" if case.other else "0"
    name = "".join(c if c.isalnum() else "-" for c in case.name)
    nb = NotebookPage(page, server).open(
        server.notebook(f"{name}.ipynb", PREPARE, case.show, emit, other)
    )
    for cell in (0, 1):
        run_cell(nb, cell)
    if case.show == VIEWER:
        nb.wait_for_rows(1)
    return nb


@dataclass
class PageState:
    """What a page has and has received."""

    heap: int
    nodes: int
    received: int

    @classmethod
    def of(cls, page):
        nodes = page.evaluate("document.querySelectorAll('*').length")
        return cls(used_heap(page), nodes, page.evaluate("window.received"))


def figures(case, page, before, kernel):
    """Return the figures of a case that is over."""
    facts = case.facts
    if case.count >= BASE_ROWS and not case.probes:
        facts["rows"] = case.count
        facts["kernel µs/row"] = round(1e6 * kernel["cpu"] / case.count, 1)
    if case.show == SESSION or case.probes:
        return facts
    shown = wait_for_last(page)
    after, gaps = PageState.of(page), sorted(shown["gaps"])
    last = round(shown["seen"] - 1000 * kernel["last"]) if shown["seen"] else "never"
    facts["bytes/row"] = round((after.received - before.received) / case.count)
    facts["last row ms"] = last
    facts["frame p95 ms"] = round(gaps[int(0.95 * len(gaps))], 1)
    facts["blocked ms"] = round(shown["blocked"])
    facts["new nodes"] = after.nodes - before.nodes
    facts["heap MB"] = round((after.heap - before.heap) / 1e6, 1)
    return facts


def wait_for_last(page):
    """Wait a while for the last row to be on the screen: with some ways it never is."""
    with contextlib.suppress(Exception):
        page.wait_for_function("() => window.bench.seen", timeout=LAST_MS)
    return page.evaluate("window.bench")


def check_rows(nb, count):
    """See that the page holds every row."""
    from flood import text

    nb.wait_for_rows(count + 1)
    assert nb.page.evaluate(ROWS) == [text(number) for number in range(count)], "rows were lost"


def run_cell(nb, number):
    prompt = nb.cell(number).locator(".jp-InputPrompt").first
    nb.run_cell(number)
    nb.wait_until(lambda: prompt.inner_text().strip() not in ("[ ]:", "[*]:", "[]:"))


def used_heap(page):
    """Return the page's JavaScript heap in bytes, after a collection."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(each["value"] for each in metrics if each["name"] == "JSHeapUsedSize")


def probed(server, kernel, result):
    """Time `1+1` in the kernel until the flood is over, in seconds."""
    file = server.folder / "jupyter_runtime" / f"kernel-{kernel}.json"
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


@contextlib.contextmanager
def stage():
    """A browser and a server with the modules that the cells import."""
    modules = os.pathsep.join([str(HERE.parent / "e2e"), str(HERE)])
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        mock.patch.dict(os.environ, PYTHONPATH=modules),
    ):
        server, chromium = Server(Path(folder)), Chromium(Path(folder) / "chromium")
        try:
            server.start()
            chromium.start()
            yield chromium, server
        finally:
            chromium.stop()
            server.stop()


def main():
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000, help="rows of the steady flood")
    parser.add_argument("--only", default="", help="only the cases with this in their name")
    parser.add_argument("--quick", action="store_true", help="a short steady flood")
    options = parser.parse_args()
    chosen = [
        case
        for case in cases(5_000 if options.quick else options.rows)
        if options.only in case.name
    ]
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with stage() as (chromium, server):
        for case in chosen:
            facts = run(case, chromium, server)
            told = (f"{key} {value}" for key, value in facts.items())
            print(f"{case.name:36}", *told, sep="  ", flush=True)
    print(f"load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
