// @ts-check
/** The header: status, title, id, Stop, totals; and the line of the current activity. */

import { button, make, setText } from "./dom.js";
import { duration, took } from "./numbers.js";

const UNANSWERED_S = 3;
const BUSY = "The kernel has not answered; the notebook's own stop button works, too";

export class Header {
  root = make("div", "aod-head");
  chip = make("span", "aod-chip", "", { role: "status" });
  heading = make("b", "aod-title");
  about = make("span", "aod-facts");
  now = make("div", "aod-now", "", { hidden: "" });
  nowWhat = make("span", "", "", { role: "status" });
  nowSince = make("span", "aod-took");

  /** @param {Page} page @param {(id: string) => void} copy */
  constructor(page, copy) {
    this.page = page;
    this.stopping = false;
    this.stop = button("aod-stop", "Stop", () => {
      this.stopping = true;
      page.talk.ask({ type: "stop" });
      page.header();
    });
    this.id = button("aod-id", "", () => copy(page.facts.id ?? ""), { title: "Copy the whole id", hidden: "" });
    this.root.append(this.chip, this.heading, this.id, this.stop, this.about);
    this.now.append(this.nowWhat, this.nowSince);
  }

  /** Bring it up to date. @param {boolean} silent whether the kernel was not heard of for long */
  update(silent) {
    const { page } = this;
    const { facts, talk } = page;
    const waited = (Date.now() - page.factsAt) / 1000;
    setText(this.chip, silent ? `was ${facts.label}` : facts.label);
    this.chip.dataset.status = silent ? "" : facts.status;
    setText(this.heading, facts.title);
    const about = facts.about ? [facts.about] : [];
    if (facts.elapsed) about.push(duration(facts.elapsed + (facts.final || silent ? 0 : waited)));
    if (silent) about.push("no news from the kernel");
    else if (talk.waited >= UNANSWERED_S) about.push("the kernel does not answer yet");
    setText(this.about, about.join(" · "));
    this.#update(talk.arrives && !silent);
    this.#activity(silent || talk.isGone ? "" : facts.activity ?? "", (facts.waited ?? 0) + waited);
    this.id.hidden = !facts.id;
    setText(this.id, (facts.id ?? "").slice(0, 8));
  }

  /** @param {boolean} works whether messages reach the kernel */
  #update(works) {
    const { facts, talk } = this.page;
    if (facts.final || talk.isGone) this.stopping = false;
    this.stop.hidden = facts.final || !facts.can.includes("stop");
    this.stop.disabled = this.stopping || !works;
    this.stop.title = works ? "" : BUSY;
  }

  /** Show the current activity. @param {string} what @param {number} since in seconds */
  #activity(what, since) {
    this.now.hidden = !what;
    setText(this.nowWhat, what);
    setText(this.nowSince, what ? took(Math.max(0.1, Math.floor(since))) : "");
  }
}
