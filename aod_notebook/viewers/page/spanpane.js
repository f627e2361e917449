// @ts-check
/** What a span was given and what came out of it, below the tree. */

import { US, brief, tokens } from "./amounts.js";
import { button, make } from "./dom.js";
import { iconOf } from "./icons.js";
import { FAILED, OPEN } from "./spans.js";
import { spanIcon } from "./spanrow.js";
import { fill } from "./text.js";

const OUT_LINES = 12; // of an output, until all are asked for
const OUT_CHARS = 4000;
const LONG = 80; // from so many characters on an input is a block

export class SpanPane {
  root = make("div", "aod-pane", "", { role: "region", "aria-label": "Input and output", hidden: "" });

  /** @param {{close: () => void, copy: (text: string) => void, transcript: (n: number) => void, path: (n: number) => string}} acts */
  constructor(acts) {
    this.acts = acts;
    this.span = -1; // the one that is shown
    this.canJump = true;
    this.root.addEventListener("keydown", (event) => {
      if (event.key === "Escape") acts.close();
    });
  }

  /** Show what is known of a span; the rest comes. @param {number} n @param {Span} span @param {number} first the beginning of the axis */
  open(n, span, first) {
    if (this.span !== n) this.body?.remove();
    this.span = n;
    this.shown = span;
    const head = make("div", "aod-pane-head");
    const icon = iconOf("", spanIcon(span));
    head.append(icon, make("b", "", span.name));
    head.append(make("span", `aod-about${span.kind === "tool" ? " aod-arg" : ""}`, span.text, { title: span.text }));
    if (span.flags & FAILED) {
      icon.classList.add("aod-bad");
      head.append(make("span", "aod-failure", `✗ ${span.bad}`, { title: span.bad }));
    }
    head.append(make("span", "aod-fact aod-wide", when(span, first)));
    const acts = make("span", "aod-acts");
    if (this.canJump) acts.append(button("aod-jump", "Show in transcript", () => this.acts.transcript(n), { title: "Show its row in the transcript (t)" }));
    acts.append(button("aod-close", "✕", () => this.acts.close(), { "aria-label": "Close", title: "Close (Esc)" }));
    head.append(acts);
    this.root.replaceChildren(head, ...(this.body && this.body.dataset.span === String(n) ? [this.body] : []));
    this.root.hidden = false;
  }

  /** @param {{span: number, input: [string, string][], output: string, facts: [string, string][], is_computed: boolean}} detail */
  fill(detail) {
    if (detail.span !== this.span || !this.shown) return;
    const body = make("div", "aod-two", "", { "data-span": String(detail.span) });
    const [left, right] = [make("div", ""), make("div", "")];
    left.append(make("h4", "", "Input"), detail.input.length ? pairs(detail.input, true) : make("p", "aod-fact", "None was recorded."));
    left.append(make("h4", "", "Span"), pairs(this.#about(detail), false));
    right.append(make("h4", "", "Output"), ...this.#output(detail.output));
    body.append(left, right);
    this.body?.remove();
    this.body = body;
    this.root.append(body);
  }

  /** @param {{span: number, facts: [string, string][], is_computed: boolean}} detail @returns {[string, string][]} */
  #about(detail) {
    const span = /** @type {Span} */ (this.shown);
    /** @type {[string, string][]} */ const found = [["in", this.acts.path(detail.span)]];
    if (span.tokens !== null && span.tokens !== undefined) found.push(["tokens", tokens(span.tokens)]);
    if (span.cost !== null && span.cost !== undefined) found.push(["cost", `$${span.cost.toFixed(4)}${detail.is_computed ? ", computed from its tokens" : ""}`]);
    if (span.own !== null && span.own !== undefined) found.push(["time of its own", brief(span.own / US)]);
    return [...found, ...detail.facts].filter(([, value]) => value);
  }

  /** @param {string} output */
  #output(output) {
    if (!output) return [make("p", "aod-fact", /** @type {Span} */ (this.shown).flags & OPEN ? "None yet." : "None was recorded.")];
    const isBad = /** @type {Span} */ (this.shown).flags & FAILED;
    const box = make("pre", `aod-out${isBad ? " aod-err" : ""}`, "", { tabindex: "0" });
    const lines = output.split("\n");
    const isLong = lines.length > OUT_LINES || output.length > OUT_CHARS;
    // Of a failure the end says most.
    const short = isBad ? lines.slice(-OUT_LINES).join("\n").slice(-OUT_CHARS) : lines.slice(0, OUT_LINES).join("\n").slice(0, OUT_CHARS);
    fill(box, isLong ? short : output, [], null);
    const more = make("div", "aod-more-acts");
    if (isLong) {
      more.append(button("aod-all", `Show all ${lines.length.toLocaleString("en")} lines`, (self) => {
        box.replaceChildren();
        fill(box, output, [], null);
        self.remove();
      }));
    }
    more.append(button("aod-all", "Copy", () => this.acts.copy(output)));
    return [box, more];
  }

  close() {
    this.root.hidden = true;
    this.span = -1;
    this.body = undefined;
    this.root.replaceChildren();
  }
}

/** When a span ran. @param {Span} span @param {number} first */
function when(span, first) {
  if (span.start === null) return "";
  const from = (span.start - first) / US;
  if (span.flags & OPEN) return `since ${from.toFixed(1)} s`;
  if (span.duration === null) return `at ${from.toFixed(1)} s`;
  return `${from.toFixed(1)} to ${(from + span.duration / US).toFixed(1)} s · ${brief(span.duration / US)}`;
}

/** @param {[string, string][]} rows @param {boolean} isInput */
function pairs(rows, isInput) {
  const box = make("dl", "aod-kv");
  for (const [name, value] of rows) {
    const isBlock = value.length > LONG || value.includes("\n");
    if (name) box.append(make("dt", "", name));
    const field = make("dd", isInput && name !== "description" ? "aod-code" : "");
    if (isBlock && isInput) {
      const block = make("pre", "aod-out", "", { tabindex: "0" });
      field.append(fill(block, value, [], null));
    } else fill(field, value, [], null);
    if (!name) field.classList.add("aod-alone");
    box.append(field);
  }
  return box;
}
