// @ts-check
/** The header of a view of records: status, title, id, and what is known of the whole. */

import { button, make, setText } from "./dom.js";

/** A few words each, with a tone; only what has changed is written again. @param {HTMLElement} box @param {[string, string][]} facts */
export function showFacts(box, facts) {
  const key = JSON.stringify(facts);
  if (box.dataset.key === key) return;
  box.dataset.key = key;
  box.replaceChildren(...facts.map(([text, tone]) => make("span", tone ? `aod-tone-${tone}` : "", text)));
}

export class FactsHeader {
  root = make("div", "aod-head");
  chip = make("span", "aod-chip", "", { role: "status" });
  heading = make("b", "aod-title");
  about = make("span", "aod-facts aod-pairs");
  acts = make("span", "aod-acts");

  /** @param {(id: string) => void} copy */
  constructor(copy) {
    this.id = button("aod-id", "", () => copy(this.whole), { title: "Copy the whole id", hidden: "" });
    this.whole = "";
    this.acts.append(this.id);
    this.root.append(this.chip, this.heading, this.acts, this.about);
  }

  /** @param {{title: string, id?: string, status: string, label: string, about: [string, string][]}} facts @param {boolean} isGone whether the kernel has gone */
  update(facts, isGone) {
    const running = isGone && ["running", "pending"].includes(facts.status);
    setText(this.chip, running ? `was ${facts.label}` : facts.label);
    this.chip.dataset.status = running ? "" : facts.status;
    setText(this.heading, facts.title);
    this.heading.title = facts.title;
    this.whole = facts.id ?? "";
    this.id.hidden = !this.whole;
    setText(this.id, this.whole.slice(0, 8));
    showFacts(this.about, facts.about);
  }
}
