// @ts-check
/** The rows that a page knows, and what is derived from them. */

import { GHOST, IS_ERROR, IS_MINOR, KINDS, MINOR, OUTPUT, STAGES, STDERR, SYSTEM, TOOL, TURN } from "./kinds.js";

const HELD_MESSAGES = 100;

/** All rows in columns, so that 100,000 of them stay small. */
export class RowStore {
  constructor() {
    /** @type {string[]} */ this.texts = [];
    /** @type {number[]} kind, flags and depth in one number */ this.facts = [];
    /** @type {number[]} */ this.parents = [];
    /** @type {Map<number, string>} */ this.titles = new Map();
    /** @type {Map<number, number>} */ this.sizes = new Map();
    /** @type {Map<number, number[]>} */ this.marks = new Map();
    /** @type {Map<number, Extra>} */ this.extras = new Map();
    /** @type {Map<number, number>} by ghost: the row that it is a state of */ this.states = new Map();
    /** @type {Map<number, number>} how many rows each group row has below it */
    this.below = new Map();
    /** @type {Set<number>} group rows with an error below */ this.troubled = new Set();
    /** @type {number[]} by kind */ this.counts = KINDS.map(() => 0);
    /** @type {Map<number, WireRow[]>} rows that came before those ahead of them */
    this.held = new Map();
    this.turn = -1;
  }

  get length() {
    return this.texts.length;
  }

  /**
   * Take rows from number `from` on; rows that are known already are passed over, rows behind a
   * gap are held. Gives how many rows were added.
   * @param {number} from
   * @param {WireRow[]} rows
   */
  take(from, rows) {
    const before = this.length;
    if (from > before) {
      if (this.held.size < HELD_MESSAGES) this.held.set(from, rows);
      return 0;
    }
    for (let i = before - from; i < rows.length; ) {
      const wire = rows[i];
      if (typeof wire === "string") i = this.#addLines(rows, i);
      else {
        this.#add(wire);
        i++;
      }
    }
    for (const [start, later] of this.held) {
      if (start > this.length) continue;
      this.held.delete(start);
      this.take(start, later);
    }
    return this.length - before;
  }

  /** Take the lines of output from place `i` on; give the place behind them. @param {WireRow[]} rows @param {number} i */
  #addLines(rows, i) {
    const first = i;
    for (; i < rows.length; i++) {
      const line = rows[i];
      if (typeof line !== "string") break;
      this.texts.push(line);
      this.facts.push(OUTPUT);
      this.parents.push(this.turn);
    }
    this.counts[OUTPUT] += i - first;
    if (this.turn >= 0) this.below.set(this.turn, (this.below.get(this.turn) ?? 0) + i - first);
    return i;
  }

  /** @param {Exclude<WireRow, string>} wire */
  #add(wire) {
    const number = this.length;
    const [sent, text, title, flags = 0, depth = 0, parent = -1, size = 0, marks, replaces = -1, extra] = wire;
    if (replaces >= 0) {
      this.#replace(number, replaces, wire);
      return;
    }
    const kind = sent === SYSTEM && flags & IS_MINOR ? MINOR : sent;
    this.texts.push(text);
    this.facts.push(kind | (flags << 5) | (Math.min(depth, 50) << 9));
    if (extra) this.extras.set(number, extra);
    const standsAlone = kind === TURN || kind === STAGES;
    const group = parent >= 0 && parent < number ? parent : standsAlone ? -1 : this.turn;
    this.parents.push(group);
    if (title) this.titles.set(number, title);
    if (size) this.sizes.set(number, size);
    if (marks?.length) this.marks.set(number, marks);
    if (kind === TURN) this.turn = number;
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    for (let g = group; g >= 0; g = this.parents[g]) {
      this.below.set(g, (this.below.get(g) ?? 0) + 1);
      if (flags & IS_ERROR) this.troubled.add(g);
    }
  }

  /**
   * A row in a later state; it has a number of its own, but no place.
   * @param {number} ghost @param {number} n @param {Exclude<WireRow, string>} wire
   */
  #replace(ghost, n, [, text, title, flags = 0, , , , , , extra]) {
    this.texts.push("");
    this.facts.push(GHOST);
    this.parents.push(-1);
    this.states.set(ghost, n);
    if (n >= ghost) return;
    this.texts[n] = text;
    this.titles.set(n, title ?? "");
    this.facts[n] = (this.facts[n] & ~(15 << 5)) | (flags << 5);
    if (extra) this.extras.set(n, extra);
    if (flags & IS_ERROR) for (let g = this.parents[n]; g >= 0; g = this.parents[g]) this.troubled.add(g);
  }

  /** @param {number} n */
  kind(n) {
    return this.facts[n] & 31;
  }

  /** @param {number} n */
  isError(n) {
    return ((this.facts[n] >> 5) & IS_ERROR) > 0;
  }

  /** Whether a row reports a failure that the row above it does not report already. @param {number} n */
  isTrouble(n) {
    const kind = this.kind(n);
    if (!this.isError(n) || kind === STDERR || kind === GHOST) return false;
    const above = this.parents[n];
    return above < 0 || this.kind(above) !== TOOL || !this.isError(above);
  }

  /** @param {number} n @returns {Row} */
  row(n) {
    const facts = this.facts[n];
    return {
      kind: facts & 31,
      text: this.texts[n],
      title: this.titles.get(n) ?? "",
      flags: (facts >> 5) & 15,
      depth: facts >> 9,
      parent: this.parents[n],
      size: this.sizes.get(n) ?? this.texts[n].length,
      marks: this.marks.get(n) ?? [],
      extra: this.extras.get(n) ?? {},
    };
  }

  /**
   * Put a part of a long text in its place.
   * @param {number} n @param {number} start in characters @param {string} part
   */
  extend(n, start, part) {
    const known = Array.from(this.texts[n]).length;
    if (start === known) this.texts[n] += part;
  }
}
