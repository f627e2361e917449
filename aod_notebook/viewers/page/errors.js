// @ts-check
/** The errors of a session, and the way from one to the next. */

import { button, setText } from "./dom.js";

export class Errors {
  /** @param {RowStore} store @param {(n: number) => void} go @param {() => number} active the row that keys act on */
  constructor(store, go, active) {
    this.store = store;
    this.go = go;
    this.active = active;
    /** @type {Set<number>} */ this.rows = new Set();
    this.looked = 0; // rows looked at
    this.button = button("aod-next", "Next error", (_, event) => this.next(event.shiftKey ? -1 : 1), {
      title: "Go to the next error (e), with Shift to the one before",
      hidden: "",
    });
  }

  /** Take the rows before number `end`. @param {number} end */
  take(end) {
    const { store } = this;
    for (; this.looked < end; this.looked++) {
      const n = store.states.size ? (store.states.get(this.looked) ?? this.looked) : this.looked;
      if (store.isTrouble(n)) this.rows.add(n);
    }
    const { size } = this.rows;
    this.button.hidden = !size;
    setText(this.button, `Next error ${size.toLocaleString("en")}`);
  }

  /** @param {number} step */
  next(step) {
    const all = [...this.rows].sort((a, b) => a - b);
    if (!all.length) return;
    const active = this.active();
    const later = step > 0 ? all.find((n) => n > active) : all.filter((n) => n < active).pop();
    this.go(later ?? (step > 0 ? all[0] : all[all.length - 1]));
  }
}
