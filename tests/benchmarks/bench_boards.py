"""Traces and boards in a real JupyterLab: how soon they are there, scrolling, updates.

Run it with the benchmarks' environment; it needs a Chromium. A trace of 30,000 spans, a board of
10,000 sessions, and a board of 500 sessions that go on ten times a second in all. Figures are
those of the machine that it runs on; what is measured is said in each line.
"""

import argparse
import json
import os

from bench_viewer import PREPARE, NotebookPage, run_cell, stage

SPANS, ROWS, SESSIONS = 30_000, 10_000, 500
TRACE = "began = time.time()\nv = traced.trace(s)\nv"
BOARD = "began = time.time()\nv = traced.board(s)\nv"
SAY = """import json
from pathlib import Path
Path("began.json").write_text(json.dumps(began))"""
UPDATES = """
from pathlib import Path
before, start = cpu(), time.time()
traced.update(s, 10, {seconds}).join()
used = cpu() - before
Path("result.json").write_text(json.dumps({{"cpu": used, "took": time.time() - start}}))
"""
THERE = """([name, count]) => {
  const painted = (mark) => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => (window[mark] = Date.now());
    port2.postMessage(0); // comes after the frame was painted
  });
  const look = () => {
    const { viewer } = document.querySelector(`.${name}`) ?? {};
    const known = viewer ? (viewer.store?.records.length ?? viewer.table.rows.size) : 0;
    const shown = viewer?.list.drawn.size && viewer.scroller.clientHeight;
    if (shown && window.first === undefined) {
      window.first = null;
      painted("first");
    }
    if (shown && known >= count && !viewer.mustRelist) painted("there");
    else requestAnimationFrame(look);
  };
  window.first = window.there = undefined;
  requestAnimationFrame(look);
}"""
FRAMES = """() => {
  window.gaps = [];
  let before = performance.now();
  const frame = (now) => {
    window.gaps.push(now - before);
    before = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""
SCROLL = """async (name) => {
  const log = document.querySelector(`.${name} > .aod-log`);
  window.gaps = [];
  for (let step = 0; step < 120; step++) {
    log.scrollTop += 420;
    await new Promise((done) => requestAnimationFrame(done));
  }
}"""


def p95(page):
    gaps = sorted(page.evaluate("window.gaps"))
    return round(gaps[int(0.95 * len(gaps))], 1) if gaps else None


def opened(name, server, page, prepare, show, *more):
    """Open a notebook and run what prepares it; what shows the view is its second cell."""
    cells = [f"{PREPARE}\nimport traced\n{prepare}", show, SAY, *more]
    nb = NotebookPage(page, server).open(server.notebook(f"{name}.ipynb", *cells))
    run_cell(nb, 0)
    return nb


def timed(nb, name, count, server):
    """Show the view; return milliseconds from the call in the kernel until something is painted.

    That is the first screen of rows, and then all of them being in the page.
    """
    nb.page.evaluate(THERE, [name, count])
    run_cell(nb, 1)
    nb.page.wait_for_function("() => window.first && window.there", timeout=120_000)
    run_cell(nb, 2)
    began = json.loads((server.root / "began.json").read_text())
    return [round(nb.page.evaluate(mark) - 1000 * began) for mark in ("first", "there")]


def measure_view(chromium, server, name, count, prepare, show):
    with chromium.attached(is_new=True) as page:
        nb = opened(name, server, page, prepare, show)
        first, there = timed(nb, name, count, server)
        unfold = page.get_by_role("button", name="Unfold all")
        if unfold.count():
            unfold.click()  # so that all spans are scrolled through
        page.wait_for_timeout(2000)  # for the HTML that is kept below the view
        page.evaluate(FRAMES)
        page.evaluate(SCROLL, name)
        facts = {"first screen ms": first, "all rows ms": there, "scroll p95 ms": p95(page),
                 "rows in page": page.locator(f".{name} [data-row]").count()}  # fmt: skip
        server.stop_kernel(nb.kernel)
    return facts


def measure_updates(chromium, server, seconds):
    prepare = f"s = traced.running({SESSIONS})"
    updates = UPDATES.format(seconds=seconds)
    with chromium.attached(is_new=True) as page:
        nb = opened("updates", server, page, prepare, BOARD, updates)
        timed(nb, "aod-board", SESSIONS, server)
        page.wait_for_timeout(1500)
        page.evaluate(FRAMES)
        nb.run_cell(3)
        page.wait_for_timeout(1000 * (seconds + 2))
        result = json.loads((server.root / "result.json").read_text())
        facts = {"frame p95 ms": p95(page),
                 "kernel % of a core": round(100 * result["cpu"] / result["took"], 1)}  # fmt: skip
        server.stop_kernel(nb.kernel)
    return facts


def main():
    """Print a line per case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="how long sessions are updated")
    options = parser.parse_args()
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with stage() as (chromium, server):
        cases = {
            f"trace of {SPANS:,} spans": lambda: measure_view(
                chromium, server, "aod-trace", SPANS, f"s = traced.spans({SPANS})", TRACE
            ),
            f"board of {ROWS:,} sessions": lambda: measure_view(
                chromium, server, "aod-board", ROWS, f"s = traced.rows({ROWS})", BOARD
            ),
            f"{SESSIONS} sessions, 10 updates/s": lambda: measure_updates(
                chromium, server, options.seconds
            ),
        }
        for name, measure in cases.items():
            told = (f"{key} {value}" for key, value in measure().items())
            print(f"{name:32}", *told, sep="  ", flush=True)
    print(f"load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
