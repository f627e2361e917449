// @ts-check
/** The box for the next prompt, and the questions of the agent; neither loses a text. */

import { button, make } from "./dom.js";

export class PromptBox {
  root = make("form", "aod-prompt", "", { hidden: "" });
  input = make("textarea", "aod-input", "", { rows: "1", "aria-label": "Next prompt" });
  sender = make("button", "aod-button aod-send", "Send", { type: "submit" });

  /** @param {Page} page @param {() => void} sent @param {AbortSignal} signal */
  constructor(page, sent, signal) {
    this.page = page;
    this.sent = sent;
    this.sending = false;
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) this.#send(event);
    }, { signal });
    this.root.addEventListener("submit", (event) => this.#send(event), { signal });
    this.root.append(this.input, this.sender);
  }

  /** @param {boolean} works whether messages reach the kernel */
  update(works) {
    const { facts, talk } = this.page;
    if (talk.isGone) this.sending = false;
    const takes = facts.can.includes("prompt");
    this.root.hidden = !takes && !this.input.value; // a text is not lost
    this.root.title = takes ? "" : "This session takes no more prompts";
    this.input.placeholder = facts.final ? "Next prompt" : "Next prompt, sent when this turn has ended";
    this.input.readOnly = this.sending || !works || !takes;
    this.sender.disabled = this.sending || !works || !takes;
  }

  /** @param {Event} event */
  #send(event) {
    event.preventDefault();
    const text = this.input.value;
    if (!text.trim() || this.sender.disabled) return;
    this.sending = true;
    this.page.talk.ask({ type: "prompt", text }, () => {
      this.sending = false;
      this.input.value = "";
    });
    this.page.header();
    this.sent();
  }
}

export class Questions {
  root = make("div", "aod-questions");

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
  }

  /** @param {boolean} works whether messages reach the kernel */
  update(works) {
    const { questions } = this.page.facts;
    const boxes = [...this.root.querySelectorAll("form")];
    for (const box of boxes) if (!questions.some(({ key }) => key === box.dataset.key)) box.remove();
    for (const question of questions) {
      if (boxes.some((box) => question.key === box.dataset.key)) continue; // it may be half answered
      this.root.append(this.#box(question));
    }
    this.root.inert = !works;
  }

  /** @param {Facts["questions"][number]} question */
  #box({ key, text, choices }) {
    const box = make("form", "aod-question", "", { "aria-label": "Question of the agent", "data-key": key });
    /** @param {string} reply */
    const answer = (reply) => this.page.talk.ask({ type: "answer", key, text: reply });
    box.append(make("p", "", text));
    for (const choice of choices) box.append(button("aod-choice", choice, () => answer(choice)));
    if (choices.length) return box;
    const input = make("input", "aod-input", "", { "aria-label": "Your answer" });
    box.append(input, make("button", "aod-button aod-send", "Answer", { type: "submit" }));
    box.addEventListener("submit", (event) => {
      event.preventDefault();
      answer(input.value);
    });
    return box;
  }
}
