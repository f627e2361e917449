// @ts-check
/** The row of a tool call: its line, its list, its picture. */

import { make } from "./dom.js";
import { iconOf } from "./icons.js";
import { took } from "./numbers.js";
import { fill } from "./text.js";

/** A to-do list. @param {[string, string][]} items @param {RegExp?} query */
export function todoOf(items, query) {
  const box = make("ul", "aod-todo");
  for (const [state, text] of items) {
    const item = make("li", `aod-${state}`);
    const label = { done: "done: ", now: "under way: " }[state] ?? "to do: ";
    item.append(make("span", "aod-unseen", label));
    box.append(fill(item, text, [], query, false));
  }
  return box;
}

/** A picture that a tool returned; nothing but the types that can't hold scripts. @param {string} url */
export function pictureOf(url) {
  if (!/^data:image\/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}$/.test(url)) return make("span", "");
  return make("img", "aod-picture", "", { src: url, alt: "Picture that the tool returned" });
}

/** The line of a tool call, and what it changed. @param {HTMLElement} element @param {Row} row @param {RegExp?} query */
export function toolContent(element, row, query) {
  const { extra } = row;
  const line = make("div", "aod-line");
  line.append(iconOf(row.title), fill(make("span", "aod-name"), row.title, [], query, false));
  line.append(fill(make("span", `aod-text${extra.todo ? "" : " aod-arg"}`, "", { title: row.text }), row.text, [], query, false));
  if (extra.diff) {
    line.append(make("span", "aod-plus", `+${extra.diff.added ?? "?"}`), make("span", "aod-minus", `−${extra.diff.removed ?? "?"}`));
  }
  if (extra.bad) line.append(make("span", "aod-failure", `✗ ${extra.bad}`));
  if (extra.note) line.append(make("span", "aod-fact", extra.note));
  if (extra.took !== undefined && extra.took !== null) line.append(make("span", "aod-took", took(extra.took)));
  element.append(line);
  if (extra.todo) element.append(todoOf(extra.todo, query));
}
