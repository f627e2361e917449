"""What the page does with very much: a million rows, huge Markdown, huge changes of files."""

import json

import pytest
from bare import heap_mb, open_bare, send
from playwright.sync_api import expect

from aod_notebook.aod import StreamEvent
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


@pytest.mark.parametrize("kind", ["paragraphs", "one", "table", "fences", "nested"])
def test_ten_megabytes_of_markdown_freeze_nothing(page, kind):
    text = markdown(kind, 10_000_000)[:10_000_000]
    transcript = transcript_of({"type": "text", "text": text})
    open_bare(page)
    assert send(page, transcript.rows) <= FREEZE_MS
    assert page.evaluate(JUMPS) <= FREEZE_MS
    expect(page.locator("script, .aod-viewer img, iframe")).to_have_count(0)
    assert len(transcript.html()) < 400_000


def test_changes_of_fifty_thousand_lines_freeze_nothing(page):
    old = "\n".join(f"line {n} of the old" for n in range(50_000))
    new = "\n".join(f"line {n} of the new" for n in range(50_000))
    edit = {"file_path": "a.py", "old_string": old, "new_string": new}
    calls = [{"type": "tool_use", "id": str(n), "name": "Edit", "input": edit} for n in range(3)]
    transcript = transcript_of(*calls, {"type": "text", "text": "done"})
    open_bare(page)
    assert send(page, transcript.rows) <= FREEZE_MS
    assert page.evaluate(JUMPS) <= FREEZE_MS
    assert len(transcript.html()) < 400_000
