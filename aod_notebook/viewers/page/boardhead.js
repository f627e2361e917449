// @ts-check
/** The head of a board: its state, how far a batch is, what it costs. */

import { dollars } from "./amounts.js";
import { button, make, setText } from "./dom.js";
import { showFacts } from "./facts.js";

export class BoardHead {
  root = make("div", "aod-boardhead");
  chip = make("span", "aod-chip", "", { role: "status" });
  heading = make("b", "aod-title");
  acts = make("span", "aod-acts");
  batch = make("div", "aod-batch", "", { hidden: "" });
  bar = make("div", "aod-progress", "", { role: "progressbar", "aria-valuemin": "0" });
  of = make("b", "");
  counts = make("div", "aod-facts aod-pairs");

  /** @param {() => void} stop */
  constructor(stop) {
    this.stop = button("aod-stop", "Stop all", () => {
      setText(this.stop, "Stopping…");
      this.stop.disabled = true;
      stop();
    }, { hidden: "" });
    const head = make("div", "aod-head");
    this.acts.append(this.stop);
    head.append(this.chip, this.heading, this.acts);
    this.parts = ["good", "bad", "run"].map((kind) => make("i", `aod-p-${kind}`));
    this.bar.append(...this.parts);
    this.batch.append(this.bar, this.of);
    this.root.append(head, this.batch, this.counts);
  }

  /** @param {string} title @param {string} subtitle */
  #title(title, subtitle) {
    const whole = `${title} · ${subtitle}`;
    if (this.heading.textContent === whole) return;
    this.heading.replaceChildren(title, make("span", "aod-subtitle", ` · ${subtitle}`));
    this.heading.title = whole;
  }

  /** @param {any} facts @param {boolean} works whether messages reach the kernel @param {boolean} isGone */
  update(facts, works, isGone) {
    const { progress } = facts;
    this.chip.hidden = facts.isList;
    setText(this.chip, isGone && !facts.final ? `was ${facts.label}` : facts.label);
    this.chip.dataset.status = isGone && !facts.final ? "" : facts.status;
    this.#title(facts.title, facts.subtitle);
    this.stop.hidden = facts.final || !facts.can.includes("stop");
    if (this.stop.textContent !== "Stopping…") this.stop.disabled = !works;
    this.batch.hidden = !progress;
    const isOfBatch = (/** @type {[string, string]} */ each) => !each[0].startsWith("$");
    showFacts(this.counts, progress ? [...facts.about.filter(isOfBatch), ...spent(progress), ...facts.ended.map((/** @type {string} */ text) => [text, ""])] : facts.about);
    if (!progress) return;
    const { done, total, failed, running } = progress;
    const part = (/** @type {number} */ n) => `${total ? (100 * n) / total : 0}%`;
    [done - failed, failed, running].forEach((n, i) => {
      this.parts[i].style.width = part(Math.max(0, n));
    });
    this.bar.setAttribute("aria-valuenow", String(done));
    this.bar.setAttribute("aria-valuemax", String(total));
    const text = `${done.toLocaleString("en")} of ${total.toLocaleString("en")}`;
    this.bar.setAttribute("aria-label", `${text} done`);
    setText(this.of, text);
  }
}

/** What a batch has cost, what it will cost, and when it ends. @param {any} progress @returns {[string, string][]} */
function spent({ cost, whole, left, waits, done, total }) {
  /** @type {[string, string][]} */ const found = [];
  if (cost !== null) found.push([dollars(cost), "strong"]);
  if (cost !== null && done < total) found.push([whole === null ? "so far" : `so far, about ${dollars(whole)} in all`, ""]);
  if (left && done < total) found.push([left, "strong"], ["left", ""]);
  if (waits) found.push([`waits: ${waits}`, "bad"]);
  return found;
}
