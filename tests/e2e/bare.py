"""The viewer in a page with nothing else, whose kernel is the test: what the page itself can do."""

from aod_notebook.viewers.page import module, stub
from aod_notebook.viewers.wire import chunk

SETUP = """async ([source, facts]) => {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const { default: make } = await import(url);
  const heard = {};
  const model = {
    get: () => facts,
    on: (name, act) => (heard[name] ??= []).push(act),
    send: () => {},
  };
  const widget = make();
  widget.initialize({ model });
  const el = document.createElement("div");
  document.body.append(el);
  widget.render({ model, el });
  window.receive = (from, text) => {
    const buffers = [new DataView(new TextEncoder().encode(text).buffer)];
    const head = from + 1;
    for (const act of heard["msg:custom"]) act({ type: "rows", from, head }, buffers);
  };
  window.viewer = document.querySelector(".aod-viewer").viewer;
  window.frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  window.gaps = [];
  let before = performance.now();
  const look = (now) => {
    gaps.push(now - before);
    before = now;
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""
FACTS = {
    "key": "k", "title": "bare", "status": "running", "label": "running", "about": "",
    "final": False, "frozen": False, "elapsed": 1, "can": ["stop", "prompt"], "again": "",
    "questions": [], "activity": "", "waited": 0,
}  # fmt: skip


def open_bare(page, **facts):
    """Show a view without rows; `window.viewer` is the view, `window.gaps` are between frames."""
    page.goto("about:blank")
    page.evaluate(SETUP, [module() + stub("stream"), FACTS | facts])


def send(page, rows, gap_ms=20):
    """Send rows as the kernel does; give the longest time between two frames meanwhile."""
    number, bodies = 0, []
    while number < len(rows):
        body, end = chunk(rows, number, len(rows))
        bodies.append([number, body.decode()])
        number = end
    return page.evaluate(
        """async ([bodies, gap]) => {
          await frame();
          gaps.length = 0;
          for (const [from, text] of bodies) {
            receive(from, text);
            await new Promise((done) => setTimeout(done, gap));
          }
          while (viewer.seen < viewer.store.length) await frame();
          await frame();
          await frame();
          return Math.max(...gaps);
        }""",
        [bodies, gap_ms],
    )


def heap_mb(page):
    """Return the page's JavaScript heap after a collection."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(each["value"] for each in metrics if each["name"] == "JSHeapUsedSize") / 1e6
