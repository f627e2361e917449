import assert from "node:assert/strict";
import { test } from "node:test";

const module = await import("../../build/js/page.mjs"); // written by `run`
const { Heights, KINDS, RowStore, Talk, duration, searchFor, segments, shown } = module;

const kind = (name) => KINDS.indexOf(name);
const texts = (store) => Array.from({ length: store.length }, (_, n) => store.row(n).text);

test("rows are kept once and in order, whatever is sent twice", () => {
  const store = new RowStore();
  assert.equal(store.take(0, ["a", "b"]), 2);
  assert.equal(store.take(1, ["b", "c"]), 1);
  assert.equal(store.take(0, ["a", "b", "c"]), 0);
  assert.deepEqual(texts(store), ["a", "b", "c"]);
});

test("rows behind a gap wait until it is filled", () => {
  const store = new RowStore();
  assert.equal(store.take(2, ["c"]), 0);
  assert.equal(store.take(3, ["d"]), 0);
  assert.equal(store.take(0, ["a", "b"]), 4);
  assert.deepEqual(texts(store), ["a", "b", "c", "d"]);
});

test("every lost and repeated order of messages ends with the same rows", () => {
  const all = Array.from({ length: 200 }, (_, n) => `row ${n}`);
  let seed = 7;
  const random = (below) => (seed = (seed * 16807) % 2147483647) % below;
  for (let round = 0; round < 200; round++) {
    const store = new RowStore();
    while (store.length < all.length) {
      const from = random(3) ? store.length : random(all.length);
      store.take(from, all.slice(from, from + 1 + random(30)));
    }
    assert.deepEqual(texts(store), all);
  }
});

test("a group row counts all rows below it and knows of their errors", () => {
  const store = new RowStore();
  store.take(0, [
    [kind("turn"), "", "Turn 1"],
    [kind("tool"), "", "Task"],
    [kind("tool"), "", "Bash", 0, 1, 1],
    [kind("tool result"), "no", "", 1, 2, 2],
    "outside",
  ]);
  assert.equal(store.below.get(0), 4);
  assert.equal(store.below.get(1), 2);
  assert.equal(store.below.get(2), 1);
  assert.deepEqual([...store.troubled].sort(), [0, 1, 2]);
});

test("a row comes back as it was sent", () => {
  const store = new RowStore();
  store.take(0, [[kind("stderr"), "text", "title", 1, 3, -1, 70_000, [0, 4, 2]]]);
  assert.deepEqual(store.row(0), {
    kind: kind("stderr"), text: "text", title: "title", flags: 1, depth: 3, parent: -1,
    size: 70_000, marks: [0, 4, 2], extra: {},
  });
});

test("a parent that points ahead or at itself ends nothing", () => {
  const store = new RowStore();
  store.take(0, [[kind("tool"), "", "a", 0, 0, 0], [kind("tool"), "", "b", 0, 0, 5]]);
  assert.equal(store.length, 2);
});

test("the rest of a long text is added where it belongs, once", () => {
  const store = new RowStore();
  store.take(0, [[kind("output"), "ab😀", "", 0, 0, -1, 6]]);
  store.extend(0, 3, "cd");
  store.extend(0, 3, "cd");
  assert.equal(store.row(0).text, "ab😀cd");
});

test("sums of heights agree with a plain sum", () => {
  const heights = new Heights();
  const plain = [];
  for (let i = 0; i < 3000; i++) {
    heights.push(20 + (i % 7));
    plain.push(20 + (i % 7));
  }
  heights.set(700, 500);
  plain[700] = 500;
  let y = 0;
  for (let i = 0; i < plain.length; i++) {
    assert.equal(heights.top(i), y);
    assert.equal(heights.at(y), i);
    assert.equal(heights.at(y + plain[i] - 1), i);
    y += plain[i];
  }
  assert.equal(heights.total, y);
  assert.equal(heights.at(y + 1000), plain.length - 1);
});

test("only http addresses become links, without the point behind them", () => {
  const links = (text) => segments(text, [], null).map((part) => part.href).filter(Boolean);
  assert.deepEqual(links("see https://example.org/a?b=1. Or (http://x.y/z)!"), [
    "https://example.org/a?b=1",
    "http://x.y/z",
  ]);
  assert.deepEqual(links("javascript://example.org/%0aalert(1) data:text/html;x ftp://a.b/c"), []);
});

test("segments put together are the text", () => {
  const text = "red https://example.org/red and red";
  const parts = segments(text, [0, 3, 2, 8, 12, 33], searchFor("red"));
  assert.equal(parts.map((part) => part.text).join(""), text);
  assert.deepEqual(parts.filter((part) => part.hit).map((part) => part.text), ["red", "red", "red"]);
  assert.equal(parts[0].style, 2);
  assert.ok(parts.every((part) => !part.href || part.href === "https://example.org/red"));
});

test("marks beyond the text do no harm", () => {
  assert.deepEqual(segments("ab", [1, 50, 2, 60, 70, 3], null).map((part) => part.text), ["a", "b"]);
});

test("a search takes its words literally and knows no case", () => {
  assert.ok(searchFor("a.b*(").test("xA.B*(y"));
  assert.ok(!searchFor("a.b").test("axb"));
  assert.equal(searchFor(""), null);
});

test("long texts are cut, thoughts and results after six lines", () => {
  const lines = (n) => Array.from({ length: n }, (_, i) => `${i}`).join("\n");
  const row = (name, text) => ({ kind: kind(name), text });
  assert.equal(shown(row("thinking", lines(10)), 0), lines(6));
  assert.equal(shown(row("tool result", lines(6)), 0), lines(6));
  assert.equal(shown(row("event", lines(10)), 0), lines(6));
  assert.equal(shown(row("output", lines(10)), 0), lines(10));
  assert.equal(shown(row("output", "x".repeat(5000)), 0).length, 2000);
  assert.equal(shown(row("output", "x".repeat(5000)), 4000).length, 4000);
});

test("times are short", () => {
  assert.deepEqual([1.25, 42.9, 75, 3700].map(duration), ["1.3 s", "42 s", "1 min 15 s", "1 h 1 min"]);
});

/** A page and a kernel between which messages are lost by `loses()`; `seconds` passes time. */
function talking(loses) {
  const kernel = { taken: [], seen: new Set() };
  const toPage = (message) => loses() || talk.receive(message);
  const post = (message) => {
    if (loses()) return;
    if (message.type === "hello") return toPage({ type: "welcome", page: message.page });
    if (!kernel.seen.has(message.number)) kernel.taken.push(message.type);
    kernel.seen.add(message.number);
    toPage({ type: "took", page: message.page, number: message.number });
  };
  const talk = new Talk("p", post, () => false);
  talk.hello();
  return { talk, kernel, seconds: (n) => { for (let i = 0; i < n; i++) talk.tick(); } };
}

test("hello is repeated each second until it is answered: 200 pages, 200 welcomes", () => {
  let seed = 11;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  let failures = 0;
  for (let round = 0; round < 200; round++) {
    let silence = Math.floor(random() * 20); // messages that are lost for sure at first
    const { talk, seconds } = talking(() => silence-- > 0 || random() < 0.3);
    seconds(60);
    if (!talk.arrives) failures++;
  }
  assert.equal(failures, 0);
});

test("what is asked is done once, however often messages are lost", () => {
  let seed = 5;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  for (let round = 0; round < 200; round++) {
    const { talk, kernel, seconds } = talking(() => random() < 0.5);
    let cleared = 0;
    talk.ask({ type: "prompt", text: "go" }, () => cleared++);
    talk.ask({ type: "stop" });
    seconds(100);
    assert.deepEqual(kernel.taken.sort(), ["prompt", "stop"]);
    assert.equal(cleared, 1);
    assert.equal(talk.open.size, 0);
  }
});

test("a text that was not taken is not given up", () => {
  const { talk, seconds } = talking(() => true);
  let cleared = false;
  talk.ask({ type: "prompt", text: "go" }, () => (cleared = true));
  seconds(5);
  assert.deepEqual([cleared, talk.arrives, talk.waited], [false, false, 5]);
});

test("nothing is sent to a kernel that has gone, until it is heard of again", () => {
  let sent = 0;
  const talk = new Talk("p", () => sent++, () => false);
  talk.receive({ type: "welcome", page: "p" });
  talk.gone();
  talk.tick();
  assert.deepEqual([talk.arrives, sent], [false, 0]);
  talk.receive({ type: "head" });
  talk.tick();
  assert.equal(sent, 1);
});

test("a page that can not send learns it from the front end's refusal", () => {
  const talk = new Talk("p", () => {
    throw new Error("the comm is closed");
  });
  talk.receive({ type: "welcome", page: "p" });
  talk.send({ type: "sync" });
  assert.equal(talk.arrives, false);
});

test("a kernel that is busy for an hour is not asked every second", () => {
  let sent = 0;
  const talk = new Talk("p", () => sent++, () => false);
  for (let i = 0; i < 3600; i++) talk.tick();
  assert.ok(sent < 450, `${sent} messages`);
});

test("a later state of a row takes its place and keeps its number free", () => {
  const store = new RowStore();
  store.take(0, [
    [kind("turn"), "", "Turn 1"],
    [kind("tool"), "ls", "Bash"],
    "between",
    [kind("tool"), "ls", "Bash", 1, 0, -1, 0, [], 1, { bad: "exit code 2", took: 1.5 }],
    "after",
  ]);
  assert.deepEqual(store.row(1).extra, { bad: "exit code 2", took: 1.5 });
  assert.deepEqual([store.isTrouble(1), store.isTrouble(3), store.troubled.has(0)], [true, false, true]);
  assert.deepEqual([store.length, store.row(4).text, store.below.get(0)], [5, "after", 3]);
});

test("code is cut into its parts, and nothing of it is lost", () => {
  const { highlighted } = module;
  const code = 'def f(x):  # "no"\n    return f"{x}" + 3 // 2\n';
  const parts = highlighted(code, "python");
  assert.equal(parts.map(([text]) => text).join(""), code);
  const of = (which) => parts.filter(([, what]) => what === which).map(([text]) => text);
  assert.deepEqual([of("key"), of("com"), of("fn")], [["def", "return"], ['# "no"'], ["f"]]);
  assert.deepEqual(highlighted("a 1", ""), [["a 1", ""]]);
});

test("durations are written as the kernel writes them", () => {
  const { took } = module;
  assert.deepEqual([0.02, 9.24, 74.3, 128, 7500].map(took), ["<0.1 s", "9.2 s", "74 s", "2 min 08 s", "2 h 05"]);
});
