// @ts-check
/** Which rows of a board are shown: a text that is written, chips that are pressed, queued rows or not. */

import { FACETS, filterOf, stateOrder } from "./boardrows.js";
import { button, make, setText } from "./dom.js";
import { count } from "./numbers.js";
import { searchFor } from "./text.js";

const QUEUED_LIMIT = "-status:queued";
const MOST_CHIPS = 6; // of a field

export class RowFilter {
  search = make("input", "aod-search", "", {
    type: "search", placeholder: "Search, or status:failed cost:>0.1", "aria-label": "Search and filter the rows",
  });
  found = make("span", "aod-found", "", { role: "status" });
  failing = make("span", "aod-failing");
  tools = make("div", "aod-tools", "", { role: "toolbar", "aria-label": "Rows" });
  chips = make("div", "aod-chips", "", { role: "group", "aria-label": "Filters", hidden: "" });
  hides = true; // whether queued rows are left out
  tool = ""; // only rows with failed calls of this tool; empty: all rows
  /** @type {RegExp?} */ query = null;
  /** @type {Map<string, HTMLElement>} the chips that were made */ made = new Map();

  /** @param {import("./boardrows.js").RowTable} table @param {() => void} changed @param {AbortSignal} signal */
  constructor(table, changed, signal) {
    this.table = table;
    this.changed = changed;
    /** @type {Record<string, Set<string>>} */ this.wanted = Object.fromEntries(Object.keys(FACETS).map((field) => [field, new Set()]));
    this.queued = button("aod-filter", "Queued", () => this.#toggleQueued(), { "aria-pressed": "false", hidden: "" });
    this.clear = button("aod-clear", "Clear", () => this.#clear(), { title: "Show all rows" });
    this.tools.append(this.search, this.found, this.queued, this.failing);
    this.search.addEventListener("input", changed, { signal });
    this.search.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.put("");
    }, { signal });
  }

  /** Whether a change of a row may let it come or go. */
  get isOn() {
    return Boolean(this.search.value) || this.#isPressed;
  }

  get #isPressed() {
    return Object.values(this.wanted).some((values) => values.size);
  }

  /** @param {string} text */
  put(text) {
    this.search.value = text;
    this.changed();
  }

  #toggleQueued() {
    this.hides = !this.hides;
    this.queued.setAttribute("aria-pressed", String(!this.hides));
    this.changed();
  }

  #clear() {
    for (const values of Object.values(this.wanted)) values.clear();
    this.search.focus();
    this.put("");
    this.update();
  }

  /** The numbers of the rows that pass, in the order in which they came. @param {number} seconds now */
  choose(seconds) {
    const { rows } = this.table;
    const text = this.search.value.trim();
    const passes = filterOf(text);
    const hidden = this.hides && !/\bstatus:/.test(text) ? filterOf(QUEUED_LIMIT) : null;
    const words = text.split(/\s+/).filter((word) => word && !word.includes(":"));
    this.query = words.length === 1 ? searchFor(words[0]) : null;
    const tool = /(?:^|\s)fails:(?:"([^"]+)"|(\S+))/.exec(text);
    this.tool = (tool?.[1] ?? tool?.[2] ?? "").toLowerCase();
    const wanted = Object.entries(this.wanted).filter(([, values]) => values.size);
    const numbers = [...rows.keys()].filter((n) => {
      const row = /** @type {BoardRow} */ (rows.get(n));
      return (!hidden || hidden(row, seconds)) && (!passes || passes(row, seconds)) && wanted.every(([field, values]) => values.has(FACETS[field](row)));
    });
    setText(this.found, `${numbers.length.toLocaleString("en")} of ${rows.size.toLocaleString("en")}`);
    return numbers.sort((a, b) => a - b);
  }

  /** @param {any} facts of the board */
  header(facts) {
    this.queued.hidden = !facts.progress?.queued;
    const key = JSON.stringify(facts.failing);
    if (this.failing.dataset.key === key) return;
    this.failing.dataset.key = key;
    this.failing.replaceChildren(...facts.failing.map((/** @type {[string, number, number]} */ each) => this.#failing(...each)));
  }

  /** A tool that failed, as a button that shows where. @param {string} tool @param {number} times @param {number} rows */
  #failing(tool, times, rows) {
    const name = button("aod-edged", "", () => {
      const quoted = /\s/.test(tool) ? `fails:"${tool}"` : `fails:${tool}`;
      this.put(this.search.value === quoted ? "" : quoted);
    }, { title: `${tool} failed ${count(times, "time")} in ${count(rows, "session")}: show these` });
    name.append(`${tool} `, make("span", "aod-badge", `✗ ${times.toLocaleString("en")}`));
    return name;
  }

  /** Show the chips of what rows have now. */
  update() {
    const shown = Object.keys(FACETS).flatMap((field) => this.#chipsOf(field));
    if (this.#isPressed) shown.push(this.clear);
    const { chips } = this;
    for (const chip of [...chips.children]) if (!shown.includes(/** @type {HTMLElement} */ (chip))) chip.remove();
    // One that stays where it is keeps the focus.
    shown.forEach((chip, i) => chips.children[i] === chip || chips.insertBefore(chip, chips.children[i] ?? null));
    chips.hidden = !shown.length;
  }

  /** The chips of a field, of its most frequent values and those that are pressed. @param {string} field */
  #chipsOf(field) {
    const counts = this.table.counts[field];
    const wanted = this.wanted[field];
    const values = [...new Set([...counts.keys(), ...wanted])].filter((value) => value && value !== "Queued");
    if (values.length < 2 && !wanted.size) return [];
    const times = (/** @type {string} */ value) => counts.get(value) ?? 0;
    values.sort((a, b) => Number(wanted.has(b)) - Number(wanted.has(a)) || times(b) - times(a));
    return values.slice(0, Math.max(MOST_CHIPS, wanted.size)).sort((a, b) => stateOrder(a) - stateOrder(b) || (a < b ? -1 : 1)).map((value) => {
      const chip = this.#chip(field, value);
      chip.setAttribute("aria-pressed", String(wanted.has(value)));
      setText(/** @type {Element} */ (chip.lastElementChild), ` ${times(value).toLocaleString("en")}`);
      return chip;
    });
  }

  /** @param {string} field @param {string} value */
  #chip(field, value) {
    const key = `${field} ${value}`;
    const known = this.made.get(key);
    if (known) return known;
    const chip = button("aod-fchip", "", () => {
      const values = this.wanted[field];
      if (!values.delete(value)) values.add(value);
      this.update();
      this.changed();
    }, { title: `Only rows of this ${field}: ${value}`, "data-field": field });
    chip.append(make("span", "aod-fname", field === "model" ? value.replace(/^claude-/, "") : value), make("span", "aod-times"));
    this.made.set(key, chip);
    return chip;
  }
}
