// @ts-check
/**
 * What rows of the transcript are made of: text with links, Markdown, diffs, lists, pictures. All
 * text is hostile: it goes into the page by `textContent` only. Types: stream.types.d.ts.
 */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag @param {string} name class @param {string} [text]
 * @param {Record<string, string>} [attributes]
 */
export function make(tag, name, text, attributes = {}) {
  const element = document.createElement(tag);
  element.dataset.lmSuppressShortcuts = ""; // the notebook's keys are not for what has the focus
  if (name) element.className = name;
  if (text) element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

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
const anchor = (href, text = "") => make("a", "", text, { href, target: "_blank", rel: "noopener noreferrer" });

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

/** The lines of a diff. @param {Diff} diff @param {RegExp?} query */
export function diffOf(diff, query) {
  const box = make("div", "aod-diff");
  const numbered = diff.lines.some(([, old, fresh]) => old !== null || fresh !== null);
  for (const [sign, old, fresh, text, start, end] of diff.lines) {
    if (sign === "@") {
      box.append(make("div", "aod-hunk", text));
      continue;
    }
    const line = make("div", `aod-dl${sign === "+" ? " aod-add" : sign === "-" ? " aod-del" : ""}`);
    if (numbered) line.append(make("i", "", String(old ?? "")), make("i", "", String(fresh ?? "")));
    line.append(make("b", "", sign === "-" ? "−" : sign));
    const content = fill(make("span", ""), text.slice(0, start), [], query, false);
    if (start < end) content.append(fill(make("u", ""), text.slice(start, end), [], query, false));
    line.append(fill(content, text.slice(Math.max(start, end)), [], query, false));
    box.append(line);
  }
  if (diff.cut) box.append(make("div", "aod-hunk", `${diff.cut} more lines`));
  return box;
}

/** A to-do list. @param {[string, string][]} items @param {RegExp?} query */
export function todoOf(items, query) {
  const box = make("ul", "aod-todo");
  for (const [state, text] of items) {
    const item = make("li", `aod-${state}`);
    const said = { done: "done: ", now: "under way: " }[state] ?? "to do: ";
    item.append(make("span", "aod-unseen", said));
    box.append(fill(item, text, [], query, false));
  }
  return box;
}

/** A picture that a tool returned; nothing but the types that can't hold scripts. @param {string} url */
export function pictureOf(url) {
  if (!/^data:image\/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}$/.test(url)) return make("span", "");
  return make("img", "aod-picture", "", { src: url, alt: "Picture that the tool returned" });
}

const PATHS = {
  prompt: "M6 3.5 10.5 8 6 12.5",
  read: "M4 2.5h5l3 3v8H4zM9 2.5v3h3M6.5 8.5h3M6.5 11h3",
  lens: "M7 3a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM10 10l3.5 3.5",
  edit: "M10.5 3 13 5.5 6 12.5l-3 .5.5-3zM9 4.5 11.5 7",
  run: "M2.5 3.5h11v9h-11zM5 6.5 7 8l-2 1.5M8.5 10H11",
  agent: "M5 2.5v11M5 6.5h4.5a2 2 0 0 1 2 2v1.5M5 3.5a1 1 0 1 0 0-.1M11.5 12.5a1 1 0 1 0 0-.1",
  todo: "M2.5 4.5 3.5 5.5 5.5 3M8 4.5h5.5M2.5 8.5 3.5 9.5 5.5 7M8 8.5h5.5M8 12.5h5.5M3 12.5h1.5",
  think: "M8 2.5v2M8 11.5v2M2.5 8h2M11.5 8h2M4.1 4.1l1.4 1.4M10.5 10.5l1.4 1.4M4.1 11.9l1.4-1.4M10.5 5.5l1.4-1.4",
  web: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM2.5 8h11M8 2.5c4 4 4 7 0 11M8 2.5c-4 4-4 7 0 11",
};
/** @type {Record<string, keyof typeof PATHS>} the icon of each tool; an unknown one gets the globe */
const TOOL_ICONS = {};
/** @type {[keyof typeof PATHS, string][]} */
const ICONS = [
  ["read", "Read read read_file NotebookRead"],
  ["lens", "Grep grep Glob glob search_file_content grep_search list_directory ls LS"],
  ["edit", "Edit MultiEdit Write edit write write_file replace NotebookEdit file_change apply_patch patch"],
  ["run", "Bash bash command_execution run_shell_command"],
  ["agent", "Task Agent task spawn_agent"],
  ["todo", "TodoWrite todowrite write_todos TaskCreate TaskUpdate TaskGet TaskList To-do list"],
];
for (const [icon, names] of ICONS) for (const name of names.split(" ")) TOOL_ICONS[name] = icon;
TOOL_ICONS["To-do list"] = "todo";

/** The icon of a tool, or of another kind of row. @param {string} tool @param {keyof typeof PATHS} [named] */
export function iconOf(tool, named) {
  const icon = named ?? TOOL_ICONS[tool] ?? "web";
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", `aod-icon aod-k-${icon}`);
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", PATHS[icon]);
  svg.append(path);
  return svg;
}

/** A duration as the field writes it (`tools.seconds`). @param {number} s */
export function took(s) {
  if (s < 0.05) return "<0.1 s";
  if (s < 9.95) return `${s.toFixed(1)} s`;
  const whole = Math.round(s);
  if (whole < 100) return `${whole} s`;
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))}`;
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
