// @ts-check
/** A row of the transcript as an element: what of it is shown, and how. */

import { DIFF_LINES, diffOf } from "./diff.js";
import { button, make, setText } from "./dom.js";
import { iconOf } from "./icons.js";
import { FOLDED, IS_ERROR, KINDS, OUTPUT, PROMPT, RESULT, STDERR, THINKING, TOOL, TOOL_RESULT, TURN } from "./kinds.js";
import { words } from "./markdown.js";
import { count } from "./numbers.js";
import { fill } from "./text.js";
import { pictureOf, toolContent } from "./tool.js";

export const CLIP_CHARS = 2000;
const CLIP_LINES = 200;
const FOLD_LINES = 6; // of FOLDED kinds
const LINE_PX = 20;
const PAD_PX = 4;
const INDENT_PX = 18;
const ASKED_CHARS = 200; // of the prompt, on the line of a folded turn
export const MORE_CHARS = 60_000;

/**
 * What of a text is shown, given how many characters were asked for.
 * @param {Row} row @param {number} wanted 0 for the short form
 */
export function shown(row, wanted = 0) {
  if (wanted) return row.text.slice(0, wanted);
  if (row.extra?.short) return row.extra.short;
  const limit = FOLDED.includes(row.kind) ? FOLD_LINES : CLIP_LINES;
  let [lines, at] = [0, -1];
  const text = row.text.slice(0, CLIP_CHARS);
  while ((at = text.indexOf("\n", at + 1)) >= 0) if (++lines === limit) return text.slice(0, at);
  return text;
}

/**
 * A guess of a row's height, until it is drawn.
 * @param {RowStore} store @param {number} n @param {number} columns 0 for lines that do not wrap @param {number} wanted
 */
export function estimate(store, n, columns, wanted) {
  const kind = store.kind(n);
  const whole = store.texts[n];
  const isShort = (!columns || whole.length <= columns) && !whole.includes("\n");
  const isLine = kind === OUTPUT || kind === STDERR; // there may be very many of these
  const ofDiff = kind === TOOL ? (store.extras.get(n)?.diff?.lines.length ?? 0) : 0;
  const pad = (isLine ? 0 : PAD_PX) + Math.min(ofDiff, wanted ? ofDiff : DIFF_LINES) * LINE_PX;
  if (isShort) return LINE_PX + pad;
  const row = store.row(n);
  const text = shown(row, wanted);
  let lines = text.length < row.text.length ? 2 : 1;
  if (!columns || (text.length <= columns && !text.includes("\n"))) {
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) lines++;
  } else {
    lines--;
    for (const line of text.split("\n")) lines += Math.ceil(line.length / columns) || 1;
  }
  return lines * LINE_PX + pad;
}

/** How many lines of a change are not shown. @param {Row} row @param {number} wanted */
function moreOfDiff(row, wanted) {
  const lines = row.extra.diff?.lines.length ?? 0;
  return wanted || lines <= DIFF_LINES ? 0 : lines - DIFF_LINES + (row.extra.diff?.cut ?? 0);
}

/** @param {Row} row @param {string} text @param {number} wanted */
function moreLabel(row, text, wanted) {
  const ofDiff = moreOfDiff(row, wanted);
  if (ofDiff) return `show ${count(ofDiff, "more line")}`;
  if (text === row.extra.short) return `show all ${count(row.text.split("\n").length, "line")}`;
  const lines = row.size === row.text.length ? row.text.slice(text.length).split("\n").length - 1 : 0;
  if (lines > 1) return `show ${count(lines, "more line")}`;
  return `show ${count(Math.min(row.size - text.length, MORE_CHARS), "more character")}`;
}

/** @param {HTMLElement} element @param {Row} row @param {string} text what is shown of its text @param {Look} look @param {number} wanted */
function content(element, row, text, { query, raw }, wanted) {
  const { extra, kind } = row;
  if (kind === TOOL) {
    toolContent(element, row, query);
    if (extra.diff && !raw) element.append(diffOf(extra.diff, query, wanted ? Infinity : DIFF_LINES));
    return;
  }
  const hasSign = row.flags & IS_ERROR && kind !== STDERR && kind !== TOOL_RESULT;
  if (hasSign) element.append(make("span", "aod-sign", "✗ "));
  else if (kind === RESULT) element.append(make("span", "aod-sign", "✓ "));
  if (kind === PROMPT) element.append(iconOf("", "prompt"));
  if (kind === THINKING) element.append(iconOf("", "think"));
  if (row.title) element.append(fill(make("span", "aod-name"), `${row.title} `, [], query));
  if (extra.words && !raw) {
    element.append(words(make("div", "aod-text aod-words"), extra.words, query));
    return;
  }
  if (extra.image) element.append(pictureOf(extra.image));
  if (text) element.append(fill(make("span", "aod-text"), text, text === extra.short ? [] : row.marks, query));
  if (kind === TURN && extra.note) element.append(make("span", "aod-fact", ` ${extra.note}`));
  if (kind === TURN && extra.last) element.append(make("span", "aod-fact aod-last", ` · ${extra.last}`));
}

/**
 * @param {RowStore} store @param {number} n @param {Look} look
 * @param {{id: string, place: number, all: number, isActive: boolean, wanted: number, more: () => void}} where
 */
export function rowElement(store, n, look, { id, place, all, isActive, wanted, more }) {
  const row = store.row(n);
  const kind = KINDS[row.kind] ?? "system";
  const name = `aod-row aod-is-${kind.replace(" ", "-")}${row.flags & IS_ERROR ? " aod-error" : ""}`;
  const element = make("div", `${name}${isActive ? " aod-active" : ""}`, "", {
    id,
    role: "treeitem",
    "data-row": String(n),
    "aria-level": String(row.depth + 1),
    "aria-posinset": String(place + 1),
    "aria-setsize": String(all),
    "aria-selected": String(isActive),
  });
  if (row.depth) element.style.marginInlineStart = `${Math.min(row.depth, 12) * INDENT_PX}px`;
  const text = shown(row, wanted);
  content(element, row, text, look, wanted);
  const isWhole = row.extra.words && !look.raw;
  const hasMore = text.length < row.text.length || (wanted && row.size > text.length) || moreOfDiff(row, wanted);
  if (!isWhole && hasMore) {
    // No stop of the Tab key: Enter does the same.
    element.append(button("aod-all", moreLabel(row, text, wanted), more, { tabindex: "-1" }));
  }
  return element;
}

/** Show how many rows a row has below it. @param {RowStore} store @param {number} n @param {HTMLElement} element @param {boolean} isFolded */
export function showBelow(store, n, element, isFolded) {
  const below = store.below.get(n);
  if (!below) return;
  if (!element.hasAttribute("aria-expanded")) {
    element.setAttribute("aria-expanded", String(!isFolded));
    element.classList.add("aod-group");
    element.prepend(make("span", "aod-fold", isFolded ? "▸" : "▾", { "aria-hidden": "true" }));
    const extra = store.extras.get(n);
    if (isFolded && !extra?.note && !extra?.bad) (element.querySelector(".aod-line") ?? element).append(make("span", "aod-quiet"));
    if (isFolded && store.kind(n) === TURN && store.kind(n + 1) === PROMPT) {
      element.querySelector(".aod-name")?.after(make("span", "aod-asked", store.texts[n + 1].slice(0, ASKED_CHARS)));
    }
  }
  const quiet = element.querySelector(".aod-quiet");
  if (quiet) setText(quiet, ` ${count(below, "row")} folded`);
}

/** A row as plain text, a diff as a patch. @param {Row} row */
export function plainText(row) {
  const changes = (row.extra.diff?.lines ?? []).map(([sign, , , text]) => `\n${sign}${text}`);
  return "  ".repeat(row.depth) + [row.title, row.text].filter(Boolean).join("  ") + changes.join("");
}
