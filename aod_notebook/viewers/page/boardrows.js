// @ts-check
/** The rows of a board in this page: what their columns show, and which of them pass a filter. */

import { age, brief, dollars, exact, tokens } from "./amounts.js";
import { count } from "./numbers.js";

const WORDS = { terminated: "Stopped", cancelled: "Stopped", interrupted: "Stopped", pending: "Starting" };
/** The order of states: what needs somebody comes first. */
const STATES = ["awaiting_input", "awaiting_approval", "failed", "running", "pending", "terminated", "cancelled", "completed", "queued"];

/** @param {string} status */
export function stateWord(status) {
  if (status.startsWith("awaiting")) return "Waiting";
  const text = status.replaceAll("_", " ");
  return /** @type {Record<string, string>} */ (WORDS)[status] ?? text.charAt(0).toUpperCase() + text.slice(1);
}

/** Where a state's word comes among the others; one that is none comes last. @param {string} word */
export function stateOrder(word) {
  const at = STATES.findIndex((status) => stateWord(status) === word);
  return at < 0 ? STATES.length : at;
}

/** What rows can be chosen by with a press: a field, and its value as it is shown. @type {Record<string, (row: BoardRow) => string>} */
export const FACETS = { status: (row) => stateWord(row.status), agent: (row) => row.agent, model: (row) => row.model };

/** @param {any[]} record @returns {BoardRow} */
export function boardRow(record) {
  const [id, status, prompt, agent, model, turns, tools, failed, spent, cost, duration, created, last, isRun, failing] = record;
  return { id, status, prompt, agent, model, turns, tools, failed, tokens: spent, cost, duration, created, last, isRun: Boolean(isRun), failing };
}

/** Whether a session or run has work left. @param {string} status */
export const isActive = (status) => ["queued", "pending", "running"].includes(status) || status.startsWith("awaiting");

/** How long it took, or how long it has run. @param {BoardRow} row @param {number} now in seconds */
const time = (row, now) => (row.duration === null && row.created !== null && isActive(row.status) ? now - row.created : row.duration);

/** @param {number?} n */
const number = (n) => (n === null || n === undefined ? "" : n < 1000 ? String(n) : n.toLocaleString("en"));

/**
 * The columns: name, how it is called in filters, class, what it shows, what it is sorted by.
 * @type {{key: string, head: string, kind: string, text: (row: BoardRow, now: number) => string,
 *   value: (row: BoardRow, now: number) => string | number | null, title?: (row: BoardRow) => string, isNumber?: boolean}[]}
 */
export const COLUMNS = [
  { key: "status", head: "Status", kind: "aod-st", text: (row) => stateWord(row.status), value: (row) => STATES.indexOf(row.status) },
  { key: "prompt", head: "Prompt", kind: "aod-pt", text: (row) => row.prompt, value: (row) => row.prompt, title: (row) => row.prompt },
  { key: "agent", head: "Agent", kind: "aod-opt aod-cut", text: (row) => row.agent, value: (row) => row.agent },
  { key: "model", head: "Model", kind: "aod-opt aod-cut", text: (row) => row.model.replace(/^claude-/, ""), value: (row) => row.model, title: (row) => row.model },
  { key: "turns", head: "Turns", kind: "aod-r aod-opt aod-mid", text: (row) => number(row.turns), value: (row) => row.turns, isNumber: true },
  { key: "tools", head: "Tools", kind: "aod-r aod-opt aod-tools-cell", text: (row) => number(row.tools), value: (row) => row.tools, isNumber: true },
  { key: "tokens", head: "Tokens", kind: "aod-r aod-opt aod-mid", text: (row) => tokens(row.tokens), value: (row) => row.tokens, isNumber: true },
  { key: "cost", head: "Cost", kind: "aod-r", text: (row) => dollars(row.cost), value: (row) => row.cost, isNumber: true },
  { key: "time", head: "Time", kind: "aod-r", text: (row, now) => brief(time(row, now)), value: time, isNumber: true },
  { key: "age", head: "Age", kind: "aod-r aod-opt aod-quiet", text: (row, now) => age(row.created, now), value: (row, now) => (row.created === null ? null : now - row.created), title: (row) => exact(row.created), isNumber: true },
  { key: "last", head: "Last line", kind: "aod-opt aod-mid aod-quiet aod-cut", text: (row) => row.last, value: (row) => row.last, title: (row) => row.last },
  { key: "id", head: "Id", kind: "aod-opt aod-mid aod-quiet aod-cut aod-idcell", text: (row) => (/^[0-9a-f]{8}-/.test(row.id) ? row.id.slice(0, 8) : row.id), value: (row) => row.id, title: (row) => row.id },
];

const TEST = /^(-?)(\w+):(<=|>=|<|>|=)?(.*)$/;

/**
 * A filter as it is written: words, and tests such as `status:failed cost:>0.1 model:haiku
 * fails:Bash -status:queued`.
 * @param {string} text
 * @returns {((row: BoardRow, now: number) => boolean)?} null if it lets everything pass
 */
export function filterOf(text) {
  const tests = text.match(/(?:[^\s"]|"[^"]*")+/g)?.map((word) => wordTest(word.replaceAll('"', ""))) ?? [];
  return tests.length ? (row, now) => tests.every((test) => test(row, now)) : null;
}

/** @param {string} word @returns {(row: BoardRow, now: number) => boolean} */
function wordTest(word) {
  const found = TEST.exec(word);
  const test = found ? fieldTest(found[2].toLowerCase(), found[3] ?? "", found[4].toLowerCase()) : null;
  if (test && found) return found[1] ? (row, now) => !test(row, now) : test;
  const needle = word.toLowerCase();
  return (row) => [row.prompt, row.last, row.id, row.agent, row.model].some((each) => each.toLowerCase().includes(needle));
}

/** @param {string} key @param {string} sign @param {string} wanted @returns {((row: BoardRow, now: number) => boolean)?} */
function fieldTest(key, sign, wanted) {
  if (key === "fails") return (row) => row.failing.some(([tool]) => tool.toLowerCase() === wanted);
  if (key === "failed") return compared((row) => row.failed, sign, Number(wanted));
  if (key === "status") return (row) => row.status.startsWith(wanted) || stateWord(row.status).toLowerCase().startsWith(wanted);
  const column = COLUMNS.find((each) => each.key === key);
  if (!column) return null;
  if (column.isNumber) return compared(/** @type {any} */ (column.value), sign, Number(wanted.replace(/^\$/, "")));
  return (row, now) => String(column.value(row, now) ?? "").toLowerCase().includes(wanted);
}

/** @param {(row: BoardRow, now: number) => number?} value @param {string} sign @param {number} wanted */
function compared(value, sign, wanted) {
  /** @type {Record<string, (n: number) => boolean>} */
  const signs = { ">": (n) => n > wanted, "<": (n) => n < wanted, ">=": (n) => n >= wanted, "<=": (n) => n <= wanted };
  const test = signs[sign] ?? ((/** @type {number} */ n) => n === wanted);
  return (/** @type {BoardRow} */ row, /** @type {number} */ now) => {
    const known = value(row, now);
    return known !== null && known !== undefined && test(known);
  };
}

/** Orders rows by columns, the first one first; what is unknown comes last either way. */
export class Sorting {
  constructor() {
    /** @type {{key: string, isDown: boolean}[]} */ this.keys = [];
  }

  /** A header was pressed. @param {string} key @param {boolean} adds */
  press(key, adds) {
    const known = this.keys.find((each) => each.key === key);
    const isNumber = COLUMNS.find((each) => each.key === key)?.isNumber && key !== "age";
    if (known && (adds || this.keys.length === 1)) known.isDown = !known.isDown;
    else this.keys = [...(adds ? this.keys : []), { key, isDown: Boolean(isNumber) }];
  }

  /** @param {Map<number, BoardRow>} rows @param {number[]} numbers @param {number} now @param {string} tool its failures go first */
  sort(rows, numbers, now, tool) {
    const times = (/** @type {BoardRow} */ row) => row.failing.find(([name]) => name.toLowerCase() === tool)?.[1] ?? 0;
    const by = this.keys.map(({ key, isDown }) => ({ value: COLUMNS.find((each) => each.key === key)?.value, sign: isDown ? -1 : 1 }));
    const failedFirst = this.keys[0]?.key === "tools";
    /** @type {Map<number, (string | number | null)[]>} */ const known = new Map();
    for (const n of numbers) {
      const row = /** @type {BoardRow} */ (rows.get(n));
      const values = by.map(({ value }) => value?.(row, now) ?? null);
      known.set(n, tool ? [times(row), ...values] : failedFirst ? [row.failed ?? null, ...values] : values);
    }
    const signs = [...(tool || failedFirst ? [failedFirst && !tool ? by[0].sign : -1] : []), ...by.map(({ sign }) => sign)];
    return numbers.sort((a, b) => {
      const [left, right] = [/** @type {any[]} */ (known.get(a)), /** @type {any[]} */ (known.get(b))];
      for (let i = 0; i < signs.length; i++) {
        const [x, y] = [left[i], right[i]];
        if (x === y) continue;
        if (x === null || x === "") return 1;
        if (y === null || y === "") return -1;
        return (x < y ? -1 : 1) * signs[i];
      }
      return a - b;
    });
  }
}

/** The second line of a row on narrow pages. @param {BoardRow} row @param {number} now */
export function meta(row, now) {
  const [model, ageText] = [COLUMNS[3].text(row, now), COLUMNS[9].text(row, now)];
  const tools = row.tools === null ? "" : `${count(row.tools, "tool")}${row.failed ? ` (${row.failed} failed)` : ""}`;
  return [stateWord(row.status), model, tools, ageText, row.last].filter(Boolean).join(" · ");
}

/** @param {BoardRow} row */
export const failures = (row) => row.failing.map(([tool, times]) => `${tool} failed ${count(times, "time")}`).join(", ") || `${row.failed} failed`;

/** All rows by number, those that changed since the last drawing apart; and how many have each status, agent and model. */
export class RowTable {
  /** @type {Map<number, BoardRow>} */ rows = new Map();
  /** @type {Set<number>} */ fresh = new Set(); // never shown before
  /** @type {Set<number>} */ changed = new Set();
  /** @type {Record<string, Map<string, number>>} */ counts = Object.fromEntries(Object.keys(FACETS).map((field) => [field, new Map()]));

  /** @param {number} n @param {any[]} record */
  take(n, record) {
    const [old, row] = [this.rows.get(n), boardRow(record)];
    if (old) this.#count(old, -1);
    else this.fresh.add(n);
    this.#count(row, 1);
    this.rows.set(n, row);
    this.changed.add(n);
  }

  /** @param {BoardRow} row @param {number} step */
  #count(row, step) {
    for (const [field, counts] of Object.entries(this.counts)) {
      const value = FACETS[field](row);
      const times = (counts.get(value) ?? 0) + step;
      if (times) counts.set(value, times);
      else counts.delete(value);
    }
  }
}
