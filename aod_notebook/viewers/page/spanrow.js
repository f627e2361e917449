// @ts-check
/** One span as a row: name, times, tokens, cost, and its bar on the axis. */

import { US, brief, tokens } from "./amounts.js";
import { make } from "./dom.js";
import { iconNameOf, iconOf } from "./icons.js";
import { COMPUTED, FAILED, OPEN, ORPHAN } from "./spans.js";
import { fill } from "./text.js";

const MAX_INDENT = 24;
const LABEL_PART = 1.1; // percent that a character of a label takes, about; a long one stands left of its bar
/** What the colours of bars mean. @type {[string, string][]} */
export const KIND_NAMES = [["model", "model"], ["read", "read"], ["write", "write"], ["run", "command"], ["agent", "subagent"]];
/** @type {Record<string, string>} */
const HUES = { read: "read", lens: "read", web: "read", edit: "write", run: "run", agent: "agent", cube: "model" };
/** @type {Record<string, any>} the icons of everything but tools */
const KIND_ICONS = { turn: "prompt", message: "cube", model: "cube", agent: "agent", run: "bars", task: "todo", step: "bars" };

/** @param {Span} span @returns {any} */
export const spanIcon = (span) => KIND_ICONS[span.kind] ?? iconNameOf(span.name);

/** @param {Span} span */
export const hueOf = (span) => HUES[spanIcon(span)] ?? "plan";

/** A cost with four digits, for the parts of a dollar that single spans cost. @param {number?} cost */
const cents = (cost) => (cost === null || cost === undefined ? "" : `$${cost.toFixed(4)}`);

/**
 * Show a span in a row, which may have shown another one.
 * @param {HTMLElement} row @param {import("./spans.js").SpanStore} store @param {number} n
 * @param {{id: string, place: number, size: number, isActive: boolean, isFolded: boolean, query: RegExp?,
 *   axis: import("./axis.js").Axis, now: number?}} look
 */
export function showSpan(row, store, n, look) {
  const span = store.span(n);
  const { flags } = span;
  const depth = store.depths[n];
  row.id = look.id;
  row.className = `aod-tr${look.isActive ? " aod-active" : ""}`;
  row.dataset.row = String(n);
  row.setAttribute("aria-level", String(depth + 1));
  row.setAttribute("aria-posinset", String(look.place + 1));
  row.setAttribute("aria-setsize", String(look.size));
  row.setAttribute("aria-selected", String(look.isActive));
  row.removeAttribute("aria-expanded");
  const name = make("span", "aod-tn");
  name.style.setProperty("--d", String(Math.min(depth, MAX_INDENT)));
  const folds = store.below[n] > 0;
  if (folds) row.setAttribute("aria-expanded", String(!look.isFolded));
  name.append(make("span", "aod-fold", folds ? (look.isFolded ? "▸" : "▾") : "", { "aria-hidden": "true" }));
  const icon = iconOf("", spanIcon(span));
  if (flags & FAILED) icon.classList.add("aod-bad");
  name.append(icon, fill(make("span", "aod-name"), span.name, [], look.query, false));
  const isCode = span.kind === "tool";
  const text = make("span", `aod-about${isCode ? " aod-arg" : ""}`, "", { title: span.text });
  name.append(fill(text, span.text, [], look.query, false));
  if (look.isFolded && folds) name.append(make("span", "aod-fact", `${store.below[n].toLocaleString("en")} below`));
  if (look.isFolded && store.troubled.has(n)) name.append(make("span", "aod-badge", "✗", { title: "A span below failed" }));
  if (flags & ORPHAN) name.append(make("span", "aod-fact", "parent not reported"));
  const hot = store.hot.has(n) ? " aod-hot" : "";
  const isAgent = span.kind === "agent";
  row.replaceChildren(
    name,
    cell(`aod-time${isAgent ? hot : ""}`, flags & OPEN ? "" : brief(seconds(span.duration))),
    cell(`aod-opt aod-col-self${isAgent ? "" : hot}`, brief(seconds(span.own))),
    cell("aod-opt aod-col-tokens", tokens(span.tokens)),
    cell("aod-opt aod-col-cost", cents(span.cost), flags & COMPUTED ? "Computed from the tokens and the table of prices" : ""),
  );
  const bars = make("span", "aod-bars");
  bars.append(...barOf(span, look.axis, look.now));
  row.append(bars);
  if (!isAgent && hot) row.children[1].classList.add("aod-hot");
  return row;
}

/** @param {number?} us */
const seconds = (us) => (us === null || us === undefined ? null : us / US);

/** @param {string} name @param {string} text @param {string} [title] */
const cell = (name, text, title) => make("span", `aod-r ${name}`, text, title ? { title } : {});

/**
 * The bar of a span, and what stands beside it; none for a span out of sight or without a known time.
 * @param {Span} span @param {import("./axis.js").Axis} axis @param {number?} now on the axis
 */
export function barOf(span, axis, now) {
  const { start, flags } = span;
  if (start === null) return [];
  const isOpen = (flags & OPEN) > 0;
  const end = start + (isOpen ? Math.max(0, (now ?? start) - start) : span.duration ?? 0);
  const left = axis.percent(start);
  const right = axis.percent(end);
  if (right < 0 || left > 100) return [];
  const isGroup = ["turn", "run", "agent"].includes(span.kind) || (span.kind === "step" && !isOpen && span.own !== span.duration);
  const failed = flags & FAILED ? " aod-fail" : "";
  const bar = make("span", `aod-bar aod-hue-${failed ? "bad" : hueOf(span)}${isGroup ? " aod-whole" : ""}${isOpen ? " aod-running" : ""}${failed}`);
  const from = Math.max(0, left);
  bar.style.left = `${from}%`;
  bar.style.width = `${Math.max(0, Math.min(100, right) - from)}%`;
  const took = isOpen ? `running · ${brief((end - start) / US)}` : brief(seconds(span.duration));
  const shown = flags & FAILED ? ["✗", span.bad.slice(0, 40), took && `· ${took}`].filter(Boolean).join(" ") : took;
  const label = make("span", "aod-bl", shown);
  const width = shown.length * LABEL_PART + 4;
  if (right + width <= 100) label.style.left = `max(${right}%, ${from}% + 3px)`;
  else if (from >= width) label.style.right = `${100 - from}%`;
  else return [bar];
  return [bar, label];
}
