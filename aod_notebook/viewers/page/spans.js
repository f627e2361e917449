// @ts-check
/** The spans of a trace in this page, and the order in which they are shown. */

/** Flags of a record, as in `trace/widget.py`. */
export const FAILED = 1;
export const OPEN = 2;
export const COMPUTED = 4;
export const ORPHAN = 8;
const REMOVED = 16;
const LATE = Number.MAX_SAFE_INTEGER;
const HOT = 5; // so many of the longest times are set off

/** All spans in columns, so that 30,000 of them stay small. */
export class SpanStore {
  constructor() {
    /** @type {any[][]} parent, start, duration, flags, kind, name, text, tokens, cost, own time, how it failed, row */
    this.records = [];
    /** @type {number[]} parents before their children */ this.order = [];
    this.depths = new Int32Array(0); // by span
    this.below = new Int32Array(0); // by span: how many are below it, at any depth
    /** @type {Set<number>} spans with a failure below */ this.troubled = new Set();
    /** @type {Set<number>} */ this.hot = new Set();
    /** @type {number[]} spans that failed, in the order shown */ this.failed = [];
    this.slowestFirst = false;
    this.isStale = false;
    this.runs = false; // whether any span runs
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
    const by = new Float64Array(records.length); // what siblings are ordered by
    for (const n of known) by[n] = this.slowestFirst ? -(records[n][2] ?? -1) : (records[n][1] ?? LATE);
    known.sort((a, b) => by[a] - by[b] || a - b);
    this.#walk(known);
    this.#measure(known);
    return true;
  }

  /** @param {number[]} known in the order of siblings */
  #walk(known) {
    const { records } = this;
    const size = records.length;
    // First child and next sibling of each, as there are too many for a list of children each.
    const [first, after] = [new Int32Array(size).fill(-1), new Int32Array(size).fill(-1)];
    const above = new Int32Array(size).fill(-1);
    let root = -1;
    for (let i = known.length - 1; i >= 0; i--) {
      const n = known[i];
      const parent = records[n][0];
      if (parent >= 0 && records[parent]) { // else it is a root, or its parent is still to come
        above[n] = parent;
        after[n] = first[parent];
        first[parent] = n;
      } else {
        after[n] = root;
        root = n;
      }
    }
    /** @type {number[]} */ const order = [];
    const [depths, below] = [new Int32Array(size), new Int32Array(size)];
    for (let n = root, depth = 0; n >= 0; ) {
      order.push(n);
      depths[n] = depth;
      if (first[n] >= 0) {
        n = first[n];
        depth++;
        continue;
      }
      while (n >= 0 && after[n] < 0) {
        n = above[n];
        depth--;
      }
      if (n >= 0) n = after[n];
    }
    for (let i = order.length - 1; i >= 0; i--) {
      if (above[order[i]] >= 0) below[above[order[i]]] += below[order[i]] + 1;
    }
    Object.assign(this, { order, depths, below });
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
    this.runs = false;
    for (const n of known) {
      const record = records[n]; // no destructuring, which goes through an iterator each time
      const start = record[1];
      if (record[3] & OPEN) this.runs = true;
      if (start !== null) {
        if (start < first) first = start;
        if (start + (record[2] ?? 0) > last) last = start + (record[2] ?? 0);
      }
      const time = record[4] === "agent" ? record[2] : record[9];
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
      if (folded.has(n)) i += this.below[n];
    }
    return shown;
  }
}
