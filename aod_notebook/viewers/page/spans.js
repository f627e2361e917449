// @ts-check
/** The spans of a trace in this page, and the order in which they are shown. */

/** Flags of a record, as in `trace/widget.py`. */
export const FAILED = 1;
export const OPEN = 2;
export const COMPUTED = 4;
export const ORPHAN = 8;
const REMOVED = 16;
const HOT = 5; // so many of the longest times are set off

/** All spans in columns, so that 30,000 of them stay small. */
export class SpanStore {
  constructor() {
    /** @type {any[][]} parent, start, duration, flags, kind, name, text, tokens, cost, own time, how it failed, row */
    this.records = [];
    /** @type {number[]} parents before their children */ this.order = [];
    /** @type {number[]} by span */ this.depths = [];
    /** @type {number[]} by span: how many are below it, at any depth */ this.below = [];
    /** @type {Set<number>} spans with a failure below */ this.troubled = new Set();
    /** @type {Set<number>} */ this.hot = new Set();
    /** @type {number[]} spans that failed, in the order shown */ this.failed = [];
    this.slowestFirst = false;
    this.isStale = false;
    this.first = 0; // the earliest start and the last known time, in microseconds
    this.last = 0;
  }

  /** @param {number} number @param {any[]} record */
  take(number, record) {
    this.records[number] = record;
    this.isStale = true;
  }

  /** @param {number} n @returns {Span} */
  span(n) {
    const [parent, start, duration, flags, kind, name, text, tokens, cost, own, bad, order] = this.records[n];
    return { parent, start, duration, flags, kind, name, text, tokens, cost, own, bad, order };
  }

  /** Order the spans again if any has changed; say whether that was so. */
  arrange() {
    if (!this.isStale) return false;
    this.isStale = false;
    const { records } = this;
    /** @type {number[]} */ const known = [];
    records.forEach((record, n) => (record[3] & REMOVED ? 0 : known.push(n)));
    const LATE = Number.MAX_SAFE_INTEGER;
    const start = (/** @type {number} */ n) => records[n][1] ?? LATE;
    const slow = (/** @type {number} */ n) => records[n][2] ?? -1;
    known.sort(this.slowestFirst ? (a, b) => slow(b) - slow(a) || a - b : (a, b) => start(a) - start(b) || a - b);
    /** @type {Map<number, number[]>} */ const children = new Map();
    for (const n of known) {
      const parent = records[records[n][0]] ? records[n][0] : -1; // one that is still to come
      const own = children.get(parent);
      own ? own.push(n) : children.set(parent, [n]);
    }
    this.#walk(children);
    this.#measure(known);
    return true;
  }

  /** @param {Map<number, number[]>} children */
  #walk(children) {
    const { records, depths } = this;
    this.order = [];
    const waiting = [...(children.get(-1) ?? [])].reverse();
    while (waiting.length) {
      const n = /** @type {number} */ (waiting.pop());
      this.order.push(n);
      const parent = records[n][0];
      depths[n] = parent >= 0 && records[parent] ? depths[parent] + 1 : 0;
      const own = children.get(n) ?? [];
      for (let i = own.length - 1; i >= 0; i--) waiting.push(own[i]);
    }
    this.below = [];
    for (let i = this.order.length - 1; i >= 0; i--) {
      const n = this.order[i];
      const parent = records[n][0];
      if (parent >= 0) this.below[parent] = (this.below[parent] ?? 0) + (this.below[n] ?? 0) + 1;
    }
  }

  /** @param {number[]} known */
  #measure(known) {
    const { records } = this;
    this.troubled = new Set();
    this.failed = this.order.filter((n) => records[n][3] & FAILED);
    for (const n of this.failed) {
      for (let g = records[n][0]; g >= 0 && !this.troubled.has(g); g = records[g]?.[0] ?? -1) this.troubled.add(g);
    }
    let [first, last] = [Infinity, -Infinity];
    /** @type {[number, number][]} the longest, the shortest of them first */ const hot = [];
    for (const n of known) {
      const [, start, duration, , kind, , , , , own] = records[n];
      if (start !== null) {
        first = Math.min(first, start);
        last = Math.max(last, start + (duration ?? 0));
      }
      const time = kind === "agent" ? duration : own;
      if (!time || (hot.length === HOT && time <= hot[0][0])) continue;
      hot.push([time, n]);
      hot.sort((a, b) => a[0] - b[0]);
      if (hot.length > HOT) hot.shift();
    }
    this.hot = new Set(hot.map(([, n]) => n));
    this.first = Number.isFinite(first) ? first : 0;
    this.last = Number.isFinite(last) ? last : 0;
  }

  /** The spans that no fold hides; with a filter, those that pass it and what they are in. @param {Set<number>} folded @param {((n: number) => boolean)?} passes */
  visible(folded, passes) {
    const { order, records } = this;
    /** @type {Set<number>?} */ let kept = null;
    if (passes) {
      kept = new Set();
      for (const n of order) {
        if (!passes(n)) continue;
        for (let g = n; g >= 0 && !kept.has(g); g = records[g]?.[0] ?? -1) kept.add(g);
      }
    }
    /** @type {number[]} */ const shown = [];
    for (let i = 0; i < order.length; i++) {
      const n = order[i];
      if (!kept || kept.has(n)) shown.push(n);
      if (folded.has(n)) i += this.below[n] ?? 0;
    }
    return shown;
  }
}
