// @ts-check
/** Markdown and programs as elements; hostile as they are, they are made of text nodes. */

import { make } from "./dom.js";
import { anchor, fill } from "./text.js";

/** The elements of Markdown, as in `words.TAGS`. */
export const TAGS = (
  "p h1 h2 h3 h4 h5 h6 ul ol li em strong s blockquote hr table thead tbody tr th td a br code pre"
).split(" ");

const TOKENS =
  /("""[^]*?"""|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`\n]*`)|(#.*|\/\/.*)|\b(\d[\w.]*)|\b(and|as|assert|async|await|break|case|class|const|continue|def|do|elif|else|export|fn|for|from|func|function|if|import|in|is|let|match|mut|new|not|or|pass|pub|raise|return|static|struct|throw|try|type|use|var|while|with|yield|None|True|False|null|true|false|self|this)\b|\b([A-Za-z_]\w*)(?=\()/g;
const HASH = /^(py|python|bash|sh|shell|zsh|console|yaml|yml|toml|ruby|rb|r|make)$/i;

/**
 * Parts of a program: their text and what they are (`str`, `com`, `num`, `key`, `fn`, or nothing).
 * @param {string} code @param {string} lang
 * @returns {[string, string][]}
 */
export function highlighted(code, lang) {
  if (!lang || /^(text|txt|diff|markdown|md|html|xml)$/i.test(lang)) return [[code, ""]];
  /** @type {[string, string][]} */ const parts = [];
  let at = 0;
  for (const m of code.matchAll(TOKENS)) {
    const kind = ["str", "com", "num", "key", "fn"][[1, 2, 3, 4, 5].findIndex((i) => m[i] !== undefined)];
    if (kind === "com" && (m[0][0] === "#") !== HASH.test(lang)) continue;
    if (m.index > at) parts.push([code.slice(at, m.index), ""]);
    parts.push([m[0], kind]);
    at = m.index + m[0].length;
  }
  if (at < code.length) parts.push([code.slice(at), ""]);
  return parts;
}

/**
 * Markdown as elements (`words.tree`). What is not on the list is shown as text.
 * @template {Element} Box
 * @param {Box} box @param {WordNode[]} nodes @param {RegExp?} query
 */
export function words(box, nodes, query) {
  for (const node of nodes) {
    if (typeof node === "string") {
      fill(box, node, [], query, box.localName !== "a" && box.localName !== "code");
      continue;
    }
    const [tag, attributes, ...rest] = node;
    if (tag === "pre") {
      box.append(program(rest.join(""), attributes.lang ?? "", query));
      continue;
    }
    if (!TAGS.includes(tag)) {
      words(box, rest, query);
      continue;
    }
    const href = attributes.href ?? "";
    const element = tag === "a" && /^https?:\/\//i.test(href) ? anchor(href) : document.createElement(tag === "a" ? "span" : tag);
    if (attributes.start) element.setAttribute("start", attributes.start);
    if (attributes.align) element.setAttribute("style", `text-align: ${attributes.align === "right" ? "right" : "center"}`);
    box.append(words(element, rest, query));
  }
  return box;
}

/** @param {string} code @param {string} lang @param {RegExp?} query */
function program(code, lang, query) {
  const box = make("pre", "aod-program");
  if (lang) box.append(make("span", "aod-lang", lang, { "aria-hidden": "true" }));
  for (const [text, kind] of highlighted(code, lang)) {
    if (!kind) fill(box, text, [], query, false);
    else box.append(fill(make("span", `aod-h-${kind}`), text, [], query, false));
  }
  return box;
}
