// @ts-check
/** Text search over all rows, those in folded groups included; a part of them at each frame. */

import { make, setText } from "./dom.js";
import { count } from "./numbers.js";
import { searchFor } from "./text.js";

const SLICE_MS = 12;
const SLICE_ROWS = 2000; // between two looks at the clock

export class Search {
  input = make("input", "aod-search", "", {
    type: "search",
    placeholder: "Search",
    "aria-label": "Search the rows",
  });
  found = make("span", "aod-found", "", { role: "status" });

  /**
   * @param {{text: (n: number) => string, title: (n: number) => string, isHidden: (n: number) => boolean,
   *   changed: () => void, go: (n: number) => void}} rows
   * @param {AbortSignal} signal
   */
  constructor(rows, signal) {
    this.rows = rows;
    /** @type {RegExp?} */ this.query = null;
    /** @type {number[]} */ this.hits = [];
    this.hit = -1;
    this.looked = 0; // rows looked at
    this.walks = 0; // steps that wait for the first hit
    this.input.addEventListener("input", () => this.restart(), { signal });
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.next(event.shiftKey ? -1 : 1);
      if (event.key === "Escape") {
        this.input.value = "";
        this.restart();
      }
    }, { signal });
  }

  /** Look from the first row on: for other words, or among other rows. */
  restart() {
    this.query = searchFor(this.input.value);
    this.hits = [];
    this.hit = -1;
    this.looked = this.walks = 0;
    this.rows.changed();
  }

  /** Look for a moment at rows before number `end`; give whether rows are left. @param {number} end */
  scan(end) {
    const { query } = this;
    if (!query) {
      this.looked = end;
      this.#say(false);
      return false;
    }
    const until = performance.now() + SLICE_MS;
    while (this.looked < end && performance.now() < until) {
      const stop = Math.min(end, this.looked + SLICE_ROWS);
      for (; this.looked < stop; this.looked++) if (this.#matches(this.looked, query)) this.hits.push(this.looked);
    }
    const isLeft = this.looked < end;
    if (this.walks && (this.hits.length || !isLeft)) {
      const step = this.walks;
      this.walks = 0;
      this.next(step);
    }
    this.#say(isLeft);
    return isLeft;
  }

  /** @param {number} n @param {RegExp} query */
  #matches(n, query) {
    if (this.rows.isHidden(n)) return false;
    const title = this.rows.title(n), text = this.rows.text(n);
    // No `test`: it would leave its place in the query.
    return (title ? `${title} ${text}` : text).search(query) >= 0;
  }

  /** @param {boolean} isLeft */
  #say(isLeft) {
    const number = this.hit >= 0 ? `${(this.hit + 1).toLocaleString("en")} of ` : "";
    setText(this.found, this.query ? `${number}${count(this.hits.length, "hit")}${isLeft ? " so far" : ""}` : "");
  }

  /** @param {number} step */
  next(step) {
    if (!this.hits.length) {
      this.walks = this.query ? step : 0;
      return;
    }
    this.hit = (Math.max(this.hit, step < 0 ? 0 : -1) + step + this.hits.length) % this.hits.length;
    this.rows.go(this.hits[this.hit]);
    this.#say(false);
  }

  /** Where the first hit in a text ends. @param {string} text */
  hitEnd(text) {
    return this.query ? text.search(this.query) + this.input.value.length : 0;
  }
}
