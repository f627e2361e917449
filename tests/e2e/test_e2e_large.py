"""What the page does with very much: a million rows, huge Markdown, huge changes of files."""

import json

import pytest
from bare import heap_mb, open_bare, send
from playwright.sync_api import expect

from aod_notebook.aod import StreamEvent
from aod_notebook.core.redactor import Redactor
from aod_notebook.viewers.bundle import Shown, write_bundle
from aod_notebook.viewers.static import Transcript

FREEZE_MS = 200
MILLION = 1_000_000
FILL = """async (count) => {
  const words = "night stay guest room report invoice month total range start date query".split(" ");
  const line = (n) => {
    let [text, x] = [String(n).padStart(8, "0"), (n * 2654435761) % 4294967296];
    while (text.length < 72) {
      x = (x * 1103515245 + 12345) % 2147483648;
      text += ` ${words[(x >> 8) % words.length]}`;
    }
    return text.padEnd(79, ".");
  };
  for (let from = 0; from < count; from += 2500) {
    receive(from, JSON.stringify(Array.from({ length: 2500 }, (_, k) => line(from + k))));
    await new Promise((done) => setTimeout(done, 0));
  }
  while (viewer.seen < count) await frame();
}"""
JUMPS = """async () => {
  const log = document.querySelector(".aod-log");
  let worst = 0;
  for (const part of [0, 0.5, 0.25, 0.99, 0.1, 0.7]) {
    const begun = performance.now();
    log.scrollTop = log.scrollHeight * part;
    await frame();
    worst = Math.max(worst, performance.now() - begun);
  }
  return worst;
}"""
SEARCH = """async (text) => {
  const input = document.querySelector(".aod-search");
  const begun = performance.now();
  gaps.length = 0;
  input.value = text;
  input.dispatchEvent(new Event("input"));
  while (!viewer.search.hits.length) await frame();
  const first = performance.now() - begun;
  while (viewer.search.looked < viewer.seen) await frame();
  return [first, viewer.search.hits.length, Math.max(...gaps)];
}"""


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_a_million_rows_are_kept_small_and_scrolled_and_searched_at_once(page):
    open_bare(page)
    before = heap_mb(page)
    page.evaluate(FILL, MILLION)
    assert page.evaluate("viewer.store.length") == MILLION
    assert heap_mb(page) - before <= 200
    assert page.locator(".aod-row").count() < 100
    assert page.evaluate(JUMPS) <= 500
    first, hits, frozen = page.evaluate(SEARCH, "night stay")
    assert first <= 1000
    assert hits > 500
    assert frozen <= FREEZE_MS
    assert page.evaluate(SEARCH, "00777777 ")[1] == 1


def said(*blocks, role="assistant"):
    line = {"type": role, "message": {"id": "m", "role": role, "content": list(blocks)}}
    return StreamEvent(
        "output", 2, {"stream": "stdout", "data": json.dumps(line) + "\n", "turn": 1}
    )


def transcript_of(*blocks):
    transcript = Transcript("large", "claude")
    transcript.add([StreamEvent("turn_start", 1, {"turn": 1}), *(said(each) for each in blocks)])
    transcript.finish()
    return transcript


def markdown(kind, size):
    return {
        "paragraphs": "**bold** `code` [link](https://example.com) <img src=x onerror=alert(1)>\n\n",
        "one": "*a **b `c` [d](https://e.f) ",
        "table": "| a | b |\n|---|---|\n" + "| 1 | $x^2$ |\n" * 400,
        "fences": "```python\ndef f(x): return x\n```\n",
        "nested": "> " * 30 + "- a\n",
    }[kind] * (size // 60)


KINDS = ["paragraphs", "one", "table", "fences", "nested"]
EVIL = (
    "<script>window.owned=1</script><img src=x onerror=window.owned=1><svg onload=window.owned=1>"
)


def long_text(kind, size=10_000_000):
    return {"type": "text", "text": markdown(kind, size)[:size]}


def long_edits(count=3):
    old = "\n".join(f"line {n} of the old" for n in range(50_000))
    new = "\n".join(f"line {n} of the new" for n in range(50_000))
    edit = {"file_path": "a.py", "old_string": old, "new_string": new}
    return [{"type": "tool_use", "id": str(n), "name": "Edit", "input": edit} for n in range(count)]


def is_quick(measured, tries=5):
    """Whether a page freezes for no longer than allowed; another program may take its processor."""
    return any(measured() <= FREEZE_MS for _ in range(tries))


@pytest.mark.parametrize("kind", KINDS)
def test_ten_megabytes_of_markdown_are_shown_and_run_nothing(page, kind):
    transcript = transcript_of(long_text(kind))
    open_bare(page)
    send(page, transcript.rows)
    assert page.evaluate("viewer.store.length") == len(transcript.rows)
    expect(page.locator("script, .aod-viewer img, iframe")).to_have_count(0)
    assert len(transcript.html()) < 400_000


def test_changes_of_fifty_thousand_lines_are_cut_in_the_static_form(page):
    transcript = transcript_of(*long_edits(), {"type": "text", "text": "done"})
    open_bare(page)
    send(page, transcript.rows)
    expect(page.locator(".aod-log")).to_contain_text("done")
    assert page.locator(".aod-row").count() < 100
    assert len(transcript.html()) < 400_000


@pytest.mark.faults
@pytest.mark.parametrize("kind", [*KINDS, "edits"])
def test_very_large_texts_and_changes_freeze_no_view(page, kind):
    blocks = long_edits() if kind == "edits" else [long_text(kind)]
    rows = transcript_of(*blocks).rows

    def measured():
        open_bare(page)
        return max(send(page, rows), page.evaluate(JUMPS))

    assert is_quick(measured)


def bundled(folder, *blocks, lines=0):
    """Write a session of these blocks and so many hostile lines as a bundle; return its page."""
    output = "".join(f"line {number} {EVIL}\n" for number in range(lines))
    events = [
        StreamEvent("turn_start", 1, {"turn": 1}), *(said(each) for each in blocks),
        StreamEvent("output", 2, {"stream": "stderr", "data": output, "turn": 1}),
        StreamEvent("exit", 3, {"code": 0}),
    ]  # fmt: skip
    shown = Shown(id="large", events=events, prompts={1: EVIL}, status="completed")
    return write_bundle(folder, [shown], Redactor())[1]


def messages(count):
    text = f"{EVIL}\n\n- **a** `b`\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
    return [{"type": "text", "text": f"{text}{number}"} for number in range(count)]


def test_an_exported_page_of_very_much_runs_nothing_and_shows_its_ends(page, tmp_path):
    large = [long_text("paragraphs", 500_000), *long_edits(1), *messages(100)]
    path = bundled(tmp_path, *large, lines=2_000)
    page.goto(path.as_uri())
    expect(page.locator("main")).to_contain_text("line 1999 ")
    expect(page.locator("main")).to_contain_text("line 1 of the old")
    assert page.evaluate("window.owned") is None
    assert page.locator("script, main img, main svg, iframe").count() == 0


WALK = """async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  for (const part of [0, 0.5, 0.25, 0.99, 0.1, 0.7, 1]) {
    scrollTo(0, document.documentElement.scrollHeight * part);
    await frame();
    await frame();
  }
}"""
LARGE = {
    **{kind: lambda kind=kind: ([long_text(kind)], 0) for kind in KINDS},
    "edits": lambda: (long_edits(), 0),
    "messages": lambda: (messages(6_000), 0),
    "lines": lambda: ([], 100_000),
}


@pytest.mark.faults
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", LARGE)
def test_an_exported_page_of_very_much_freezes_nothing(browser, page, tmp_path, kind):
    blocks, lines = LARGE[kind]()
    path = bundled(tmp_path, *blocks, lines=lines)
    browser.start_tracing(page=page, categories=["disabled-by-default-devtools.timeline"])
    page.goto(path.as_uri())
    page.evaluate(WALK)
    assert longest_task_ms(json.loads(browser.stop_tracing())) <= FREEZE_MS


def longest_task_ms(trace):
    """Return the longest task of a page's main thread in its own processor time.

    On a busy machine a task of some milliseconds takes seconds by the clock.
    """
    events = trace["traceEvents"]
    mains = {
        (each["pid"], each["tid"])
        for each in events
        if each["name"] == "thread_name" and each["args"]["name"] == "CrRendererMain"
    }
    tasks = [
        each["tdur"] / 1000
        for each in events
        if each["name"] == "RunTask" and (each["pid"], each["tid"]) in mains and "tdur" in each
    ]
    assert len(tasks) > 10
    return max(tasks)
