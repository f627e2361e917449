// @ts-check
/** The bar below the rows of a board: how many are selected, and what can be done with them. */

import { button, make, setText } from "./dom.js";

const SIDES = 2;
const MOST_AGAIN = 10; // as in the kernel

export class SelectBar {
  root = make("div", "aod-selbar", "", { hidden: "" });
  counted = make("b", "", "", { role: "status" });
  isStarting = false; // whether sessions are being started again

  /** @param {{compare: () => void, copy: () => void, again: () => void, clear: () => void}} acts */
  constructor({ compare, copy, again, clear }) {
    this.compare = button("aod-send", "Compare", compare);
    this.again = button("aod-edged", "Run again", () => {
      this.isStarting = true;
      setText(this.again, "Starting…");
      this.again.disabled = true;
      again();
    });
    this.root.append(this.counted, this.compare, button("aod-edged", "Copy ids", copy), this.again, button("aod-push", "Clear", clear));
  }

  /** @param {(BoardRow | undefined)[]} rows that are selected @param {boolean} canStart whether the kernel starts sessions again */
  update(rows, canStart) {
    const areSessions = rows.every((row) => row && row.id && !row.isRun);
    this.root.hidden = !rows.length;
    setText(this.counted, `${rows.length.toLocaleString("en")} selected`);
    const canCompare = rows.length === SIDES && areSessions;
    this.compare.disabled = !canCompare;
    this.compare.title = canCompare ? "Compare the two sessions step by step" : "Select exactly two sessions";
    const canRun = areSessions && rows.length <= MOST_AGAIN;
    this.again.hidden = !canStart;
    this.again.disabled = this.isStarting || !canRun;
    this.again.title = canRun ? "Start new sessions with the same prompts and agents" : `Select up to ${MOST_AGAIN} sessions`;
    setText(this.again, this.isStarting ? "Starting…" : "Run again");
  }
}
