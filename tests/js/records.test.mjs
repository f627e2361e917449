import assert from "node:assert/strict";
import { test } from "node:test";

const module = await import("../../build/js/page.mjs"); // written by `run`
const { Axis, RowTable, Sorting, SpanStore, Versions, age, boardRow, brief, dollars, filterOf, tokens } = module;

/** A random number below `below`, the same ones each time. */
function randoms(seed) {
  let state = seed;
  return (below) => (state = (state * 16807) % 2147483647) % below;
}

const span = (parent, start, duration = 1, flags = 0, name = "s") => [parent, start, duration, flags, "step", name, "", null, null, duration, "", 1];

test("spans stand below their parents, siblings by start, in whatever order they came", () => {
  const random = randoms(5);
  for (let round = 0; round < 300; round++) {
    const count = 1 + random(30);
    const records = Array.from({ length: count }, (_, n) => span(random(4) && n ? random(n) : -1, random(9)));
    const naive = [];
    const walk = (parent, depth) => {
      const own = records.map((_, n) => n).filter((n) => records[n][0] === parent);
      own.sort((a, b) => records[a][1] - records[b][1] || a - b);
      for (const n of own) {
        naive.push([n, depth]);
        walk(n, depth + 1);
      }
    };
    walk(-1, 0);
    const store = new SpanStore();
    const numbers = records.map((_, n) => n).sort(() => random(3) - 1);
    for (const n of numbers) store.take(n, records[n]);
    store.arrange();
    assert.deepEqual(store.order.map((n) => [n, store.depths[n]]), naive);
  }
});

test("a fold hides all that is below, and a filter keeps what its hits are in", () => {
  const store = new SpanStore();
  [span(-1, 0), span(0, 1), span(1, 2), span(0, 3)].forEach((record, n) => store.take(n, record));
  store.arrange();
  assert.deepEqual(store.visible(new Set([1]), null), [0, 1, 3]);
  assert.deepEqual(store.visible(new Set(), (n) => n === 2), [0, 1, 2]);
});

test("a chain of 30,000 spans is ordered without recursion", () => {
  const store = new SpanStore();
  for (let n = 0; n < 30_000; n++) store.take(n, span(n - 1, n));
  store.arrange();
  assert.equal(store.depths[29_999], 29_999);
  assert.equal(store.below[0], 29_999);
});

test("a page that missed a message takes nothing until the gap is filled", () => {
  const versions = new Versions();
  assert.ok(versions.take({ from: 0, to: 3 }));
  assert.ok(!versions.take({ from: 5, to: 6 }));
  versions.head = 6;
  assert.ok(versions.isBehind);
  assert.ok(versions.take({ from: 3, to: 6 }));
  assert.ok(!versions.isBehind);
});

test("the axis zooms around a point, stays inside, and comes back", () => {
  const axis = new Axis();
  axis.reach(0, 100e6, false);
  axis.zoom(0.5, 0.25);
  assert.deepEqual([axis.from, axis.to], [12.5e6, 62.5e6]);
  axis.pan(9);
  assert.deepEqual([axis.from, axis.to], [50e6, 100e6]);
  axis.reset();
  assert.deepEqual(axis.ticks().map(([, text]) => text), ["0 s", "20", "40", "60", "80"]);
});

test("the axis of what runs grows in steps", () => {
  const axis = new Axis();
  assert.ok(axis.reach(0, 10e6, true));
  assert.equal(axis.last, 12.5e6);
  assert.ok(!axis.reach(0, 12e6, true));
  assert.ok(axis.reach(0, 13e6, true));
});

const record = (fields) => Object.values({
  id: "s1", status: "completed", prompt: "Fix the report", agent: "fixer", model: "claude-haiku-4-5", turns: 1, tools: 3,
  failed: 0, tokens: null, cost: null, duration: 1, created: 0, last: "Done.", isRun: 0, failing: [], ...fields,
});
const row = (fields) => boardRow(record(fields));

test("filters are words and tests, and a minus turns one round", () => {
  const failed = row({ status: "failed", cost: 0.5, failed: 2, failing: [["Bash", 2]] });
  const cases = {
    "report fixer": [true, true],
    "status:failed": [false, true],
    "-status:failed": [true, false],
    "cost:>0.1": [false, true],
    "cost:<9": [false, true],
    "model:haiku tools:>=3": [true, true],
    "fails:bash": [false, true],
    "nothing": [false, false],
    "no:such": [false, false],
  };
  for (const [text, wanted] of Object.entries(cases)) {
    const passes = filterOf(text);
    assert.deepEqual([row({}), failed].map((each) => passes(each, 100)), wanted, text);
  }
  assert.equal(filterOf("  "), null);
});

test("how many rows have a status, an agent or a model is counted as rows change", () => {
  const table = new RowTable();
  const put = (n, fields) => table.take(n, record(fields));
  put(0, { status: "running" });
  put(1, { status: "cancelled", agent: "__proto__" });
  put(2, { status: "terminated" });
  put(0, { status: "failed" });
  assert.deepEqual([...table.counts.status], [["Stopped", 2], ["Failed", 1]]);
  assert.deepEqual([...table.counts.agent], [["fixer", 2], ["__proto__", 1]]);
  assert.deepEqual([...table.counts.model], [["claude-haiku-4-5", 3]]);
});

test("what is unknown comes last, whichever way rows are sorted", () => {
  const rows = new Map([[0, row({ cost: null })], [1, row({ cost: 2 })], [2, row({ cost: 1 })]]);
  const sorting = new Sorting();
  sorting.press("cost", false);
  assert.deepEqual(sorting.sort(rows, [0, 1, 2], 0, ""), [1, 2, 0]);
  sorting.press("cost", false);
  assert.deepEqual(sorting.sort(rows, [0, 1, 2], 0, ""), [2, 1, 0]);
});

test("sessions in which a tool failed most often come first", () => {
  const rows = new Map([[0, row({ failing: [["Bash", 1]] })], [1, row({ failing: [["Bash", 5]] })]]);
  assert.deepEqual(new Sorting().sort(rows, [0, 1], 0, "bash"), [1, 0]);
});

test("amounts are written as the kernel writes them", () => {
  assert.deepEqual([0.01, 0.42, 9.2, 74, 128, 7500].map(brief), ["<0.1 s", "0.4 s", "9.2 s", "74 s", "2 min 08", "2 h 05"]);
  assert.deepEqual([950, 8951, 236_310, 61_240_000].map(tokens), ["950", "9.0k", "236k", "61.2M"]);
  assert.deepEqual([0.0079, 0.169, 1234.5].map(dollars), ["$0.0079", "$0.17", "$1,234.50"]);
  assert.deepEqual([null, undefined].flatMap((each) => [brief(each), tokens(each), dollars(each), age(each, 0)]), Array(8).fill(""));
  assert.deepEqual([30, 200, 10_000, 100_000].map((s) => age(1e9 - s, 1e9)), ["30 s", "3 min", "2 h", "yesterday"]);
});
