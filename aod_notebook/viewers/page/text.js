// @ts-check
/** Text with its colours, links and search hits. */

import { make } from "./dom.js";

/**
 * Split a text where its look changes: colours, links, search hits.
 * @param {string} text
 * @param {number[]} marks start, end, style, …
 * @param {RegExp?} query with the flag g
 * @returns {Segment[]}
 */
export function segments(text, marks, query) {
  /** @param {RegExp} pattern */
  const found = (pattern) => Array.from(text.matchAll(pattern), (m) => [m.index, m.index + m[0].length]);
  const LINK = /\bhttps?:\/\/[^\s<>"'`⟨⟩]+[^\s<>"'`⟨⟩.,;:!?)\]}]/g;
  const links = text.includes("://") ? found(LINK) : [];
  const hits = query ? found(query) : [];
  const edges = new Set([0, text.length, ...links.flat(), ...hits.flat()]);
  for (let i = 0; i < marks.length; i += 3) edges.add(marks[i]).add(marks[i + 1]);
  const sorted = [...edges].filter((e) => e <= text.length).sort((a, b) => a - b);
  const parts = [];
  let [link, hit, mark] = [0, 0, 0];
  for (let i = 0; i + 1 < sorted.length; i++) {
    const [start, end] = [sorted[i], sorted[i + 1]];
    while (link < links.length && links[link][1] <= start) link++;
    while (hit < hits.length && hits[hit][1] <= start) hit++;
    while (mark < marks.length && marks[mark + 1] <= start) mark += 3;
    const linked = link < links.length && links[link][0] <= start;
    parts.push({
      text: text.slice(start, end),
      style: mark < marks.length && marks[mark] <= start ? marks[mark + 2] : 0,
      href: linked ? text.slice(links[link][0], links[link][1]) : "",
      hit: hit < hits.length && hits[hit][0] <= start,
    });
  }
  return parts;
}

/** @param {string} href */
export const anchor = (href, text = "") => make("a", "", text, { href, target: "_blank", rel: "noopener noreferrer" });

/**
 * Put a text into `box`, with its colours, links and search hits.
 * @template {Element} Box
 * @param {Box} box @param {string} text @param {number[]} marks @param {RegExp?} query
 * @param {boolean} [links] whether addresses become links
 */
export function fill(box, text, marks, query, links = true) {
  for (const part of segments(text, marks, query)) {
    const href = links ? part.href : "";
    if (!href && !part.hit && !part.style) {
      box.append(part.text);
      continue;
    }
    const piece = href ? anchor(href, part.text) : make("span", "", part.text);
    if (part.hit) piece.classList.add("aod-hit");
    if (part.style & 31) piece.classList.add(`aod-c${part.style & 31}`);
    ["aod-bold", "aod-dim", "aod-italic", "aod-underline", "aod-code"].forEach((look, i) => {
      if (part.style & (32 << i)) piece.classList.add(look);
    });
    box.append(piece);
  }
  return box;
}

/** @param {string} text @returns {RegExp?} */
export function searchFor(text) {
  return text ? new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "giu") : null;
}
