// @ts-check
/**
 * The page side of `StreamViewer`: keeps a session's rows, asks for those it lacks, and draws
 * the few that are in sight. All text is hostile: it goes into the page by `textContent` only.
 * Types: stream.types.d.ts.
 */

import { diffOf, fill, iconOf, make, pictureOf, toolContent, took, words } from "./parts.js";

/** The kinds of rows by number, as in `row.Kind`. */
export const KINDS = [
  "stages", "stage", "turn", "system", "text", "thinking",
  "tool", "tool result", "output", "stderr", "result", "end",
  "model", "step", "event", "question", "prompt",
];
const [STAGES, , TURN, SYSTEM, TEXT, THINKING, TOOL, TOOL_RESULT, OUTPUT, STDERR, RESULT, , MODEL, STEP, EVENT, , PROMPT] =
  KINDS.keys();
const MINOR = 30; // a system row that few want to see
const GHOST = 31; // a row that is a later state of another
const FOLDED = [THINKING, TOOL_RESULT, MODEL, STEP, EVENT];
const IS_ERROR = 1;
const IS_MINOR = 2;

/** @type {[string, number[]][]} the kinds that each filter hides */
export const FILTERS = [
  ["Words", [TEXT]],
  ["Thinking", [THINKING]],
  ["Tools", [TOOL, TOOL_RESULT]],
  ["Output", [OUTPUT]],
  ["Stderr", [STDERR]],
  ["Models", [MODEL]],
  ["Steps", [STEP]],
  ["Events", [EVENT]],
  ["System", [0, 1, SYSTEM]],
  ["Details", [MINOR]],
];

const CLIP_CHARS = 2000;
const CLIP_LINES = 200;
const FOLD_LINES = 6; // of FOLDED kinds
const MORE_CHARS = 60_000;
const LINE_PX = 20;
const PAD_PX = 4;
const OVERSCAN = 8;
const ROWS_PER_FRAME = 30_000;
const HELD_MESSAGES = 100;
const SYNC_RETRY_MS = 1000;
const SILENCE_MS = 6000;
const GONE_S = 3;
const HASTY_TRIES = 60; // a kernel that is busy for long keeps what it is asked
const UNANSWERED_S = 3;
/** States of a kernel in which it takes no messages. */
const GONE = ["restarting", "autorestarting", "terminating", "dead"];
/** The elements and attributes of static HTML. */
const STILL = (
  "div span b pre code details summary a p h1 h2 h3 h4 h5 h6 ul ol li em strong s blockquote hr table thead " +
  "tbody tr th td br img style open target rel alt start"
).split(" ");
const PICTURE = /^data:image\/(png|jpeg|gif|webp);/;

/** All rows in columns, so that 100,000 of them stay small. */
export class RowStore {
  constructor() {
    /** @type {string[]} */ this.texts = [];
    /** @type {number[]} kind, flags and depth in one number */ this.facts = [];
    /** @type {number[]} */ this.parents = [];
    /** @type {Map<number, string>} */ this.titles = new Map();
    /** @type {Map<number, number>} */ this.sizes = new Map();
    /** @type {Map<number, number[]>} */ this.marks = new Map();
    /** @type {Map<number, Extra>} */ this.extras = new Map();
    /** @type {Map<number, number>} by ghost: the row that it is a state of */ this.states = new Map();
    /** @type {Map<number, number>} how many rows each group row has below it */
    this.below = new Map();
    /** @type {Set<number>} group rows with an error below */ this.troubled = new Set();
    /** @type {number[]} by kind */ this.counts = KINDS.map(() => 0);
    /** @type {Map<number, WireRow[]>} rows that came before those ahead of them */
    this.held = new Map();
    this.turn = -1;
  }

  get length() {
    return this.texts.length;
  }

  /**
   * Take rows from number `from` on; rows that are known already are passed over, rows behind a
   * gap are held. Gives how many rows were added.
   * @param {number} from
   * @param {WireRow[]} rows
   */
  take(from, rows) {
    const before = this.length;
    if (from > before) {
      if (this.held.size < HELD_MESSAGES) this.held.set(from, rows);
      return 0;
    }
    for (let i = before - from; i < rows.length; i++) this.#add(rows[i]);
    for (const [start, later] of this.held) {
      if (start > this.length) continue;
      this.held.delete(start);
      this.take(start, later);
    }
    return this.length - before;
  }

  /** @param {WireRow} wire */
  #add(wire) {
    const number = this.length;
    if (typeof wire === "string") wire = [OUTPUT, wire];
    const [sent, text, title, flags = 0, depth = 0, parent = -1, size = 0, marks, replaces = -1, extra] = wire;
    if (replaces >= 0) {
      this.#replace(number, replaces, wire);
      return;
    }
    const kind = sent === SYSTEM && flags & IS_MINOR ? MINOR : sent;
    this.texts.push(text);
    this.facts.push(kind | (flags << 5) | (Math.min(depth, 50) << 9));
    if (extra) this.extras.set(number, extra);
    const standsAlone = kind === TURN || kind === STAGES;
    const group = parent >= 0 && parent < number ? parent : standsAlone ? -1 : this.turn;
    this.parents.push(group);
    if (title) this.titles.set(number, title);
    if (size) this.sizes.set(number, size);
    if (marks?.length) this.marks.set(number, marks);
    if (kind === TURN) this.turn = number;
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    for (let g = group; g >= 0; g = this.parents[g]) {
      this.below.set(g, (this.below.get(g) ?? 0) + 1);
      if (flags & IS_ERROR) this.troubled.add(g);
    }
  }

  /**
   * A row in a later state; it has a number of its own, but no place.
   * @param {number} ghost @param {number} n @param {Exclude<WireRow, string>} wire
   */
  #replace(ghost, n, [, text, title, flags = 0, , , , , , extra]) {
    this.texts.push("");
    this.facts.push(GHOST);
    this.parents.push(-1);
    this.states.set(ghost, n);
    if (n >= ghost) return;
    this.texts[n] = text;
    this.titles.set(n, title ?? "");
    this.facts[n] = (this.facts[n] & ~(15 << 5)) | (flags << 5);
    if (extra) this.extras.set(n, extra);
    if (flags & IS_ERROR) for (let g = this.parents[n]; g >= 0; g = this.parents[g]) this.troubled.add(g);
  }

  /** @param {number} n */
  kind(n) {
    return this.facts[n] & 31;
  }

  /** Whether a row reports a failure that the row above it does not report already. @param {number} n */
  isTrouble(n) {
    const isError = (/** @type {number} */ each) => ((this.facts[each] >> 5) & IS_ERROR) > 0;
    const kind = this.kind(n);
    if (!isError(n) || kind === STDERR || kind === GHOST) return false;
    const above = this.parents[n];
    return above < 0 || this.kind(above) !== TOOL || !isError(above);
  }

  /** @param {number} n @returns {Row} */
  row(n) {
    const facts = this.facts[n];
    return {
      kind: facts & 31,
      text: this.texts[n],
      title: this.titles.get(n) ?? "",
      flags: (facts >> 5) & 15,
      depth: facts >> 9,
      parent: this.parents[n],
      size: this.sizes.get(n) ?? this.texts[n].length,
      marks: this.marks.get(n) ?? [],
      extra: this.extras.get(n) ?? {},
    };
  }

  /**
   * Put a part of a long text in its place.
   * @param {number} n @param {number} start in characters @param {string} part
   */
  extend(n, start, part) {
    const known = Array.from(this.texts[n]).length;
    if (start === known) this.texts[n] += part;
  }
}

/** Heights of rows, with quick sums: in blocks of 256. */
export class Heights {
  constructor() {
    /** @type {number[]} */ this.rows = [];
    /** @type {number[]} */ this.blocks = [];
    this.total = 0;
  }

  /** @param {number} height */
  push(height) {
    const block = this.rows.length >> 8;
    this.blocks[block] = (this.blocks[block] ?? 0) + height;
    this.total += height;
    this.rows.push(height);
  }

  /** @param {number} i @param {number} height */
  set(i, height) {
    const change = height - this.rows[i];
    this.rows[i] = height;
    this.blocks[i >> 8] += change;
    this.total += change;
    return change;
  }

  /** @param {number} i */
  top(i) {
    let y = 0;
    for (let b = 0; b < i >> 8; b++) y += this.blocks[b];
    for (let r = (i >> 8) << 8; r < i; r++) y += this.rows[r];
    return y;
  }

  /** Which row is at `y`. @param {number} y */
  at(y) {
    let b = 0;
    while (b < this.blocks.length - 1 && y >= this.blocks[b]) y -= this.blocks[b++];
    let i = b << 8;
    while (i < this.rows.length - 1 && y >= this.rows[i]) y -= this.rows[i++];
    return Math.max(0, Math.min(i, this.rows.length - 1));
  }
}

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

/** @param {string} text @returns {RegExp?} */
export function searchFor(text) {
  return text ? new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "giu") : null;
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.floor(seconds)} s`;
  const [m, s] = [Math.floor(seconds / 60), Math.floor(seconds % 60)];
  return m < 60 ? `${m} min ${s} s` : `${Math.floor(m / 60)} h ${m % 60} min`;
}

/** @param {number} number @param {string} noun */
const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

/**
 * Static HTML of the kernel as an element; only what it is made of gets into the page.
 * @param {string} html
 */
function still(html) {
  const { body } = new DOMParser().parseFromString(html, "text/html");
  for (const each of body.querySelectorAll("*")) {
    if (!STILL.includes(each.localName)) each.remove();
    for (const { name, value } of [...each.attributes]) {
      const isKept = name === "href" ? /^https?:/.test(value) : name === "src" ? PICTURE.test(value) : STILL.includes(name);
      if (!isKept) each.removeAttribute(name);
    }
  }
  return /** @type {Element} */ (body.firstElementChild);
}

/**
 * What a page asks of its kernel: asked again each second until it is answered, for messages are
 * lost while a kernel begins. The kernel passes over what it has taken already.
 */
export class Talk {
  /** @param {string} page its id @param {(content: object) => void} post throws if nothing can be sent */
  constructor(page, post) {
    this.page = page;
    this.post = post;
    this.arrives = false; // whether messages reach the kernel
    this.isGone = false; // whether the front end says that the kernel has gone
    this.tries = 0;
    this.waited = 0; // seconds, for the kernel to take something
    this.number = 0;
    /** @type {Map<number, {content: object, taken: () => void}>} */ this.open = new Map();
  }

  /** @param {object} content */
  send(content) {
    try {
      this.post({ ...content, page: this.page });
    } catch {
      this.arrives = false;
    }
  }

  hello() {
    this.send({ type: "hello" });
  }

  /** Ask for something that must not be lost. @param {object} content @param {() => void} [taken] */
  ask(content, taken = () => {}) {
    const numbered = { ...content, number: ++this.number };
    this.open.set(this.number, { content: numbered, taken });
    this.send(numbered);
  }

  /** A second has passed. */
  tick() {
    if (this.isGone) return;
    if (!this.arrives && (++this.tries <= HASTY_TRIES || this.tries % 10 === 0)) this.hello();
    this.waited = this.open.size ? this.waited + 1 : 0;
    for (const { content } of this.open.values()) this.send(content);
  }

  gone() {
    this.isGone = true;
    this.arrives = false;
    this.open.clear();
  }

  /** @param {{type: string, page?: string, number?: number}} message */
  receive({ type, page, number = 0 }) {
    this.isGone = false;
    if (page !== this.page) return;
    if (type === "welcome") {
      this.arrives = true;
      this.tries = 0;
    }
    if (type === "took") {
      this.open.get(number)?.taken();
      this.open.delete(number);
    }
  }
}

/** The rows of one viewer in this page, and the talk with its kernel. */
class Page {
  /** @param {Model} model */
  constructor(model) {
    this.id = Math.random().toString(36).slice(2);
    this.model = model;
    this.talk = new Talk(this.id, (content) => model.send(content));
    this.store = new RowStore();
    this.head = 0;
    this.half = ["", ""]; // the kind and the text of the row that is being written
    this.lastNews = Date.now();
    this.factsAt = Date.now();
    this.askedAt = 0;
    this.absent = 0; // seconds without an output that shows the rows
    /** @type {Set<View>} */ this.views = new Set();
    this.observer = new MutationObserver(() => this.mount());
    model.on("msg:custom", this.#receive.bind(this));
    model.on("change:facts", () => {
      this.lastNews = this.factsAt = Date.now();
      for (const view of this.views) view.header();
    });
    model.on("comm_live_update", () => this.#gone());
    model.widget_manager?.kernel?.statusChanged?.connect((/** @type {any} */ _, /** @type {string} */ status) => {
      if (GONE.includes(status)) this.#gone();
    });
    this.timer = setInterval(() => this.#tick(), 1000);
    this.talk.hello();
  }

  /** @returns {Facts} */
  get facts() {
    return this.model.get("facts");
  }

  #gone() {
    this.talk.gone();
    for (const view of this.views) view.header();
  }

  /** A view that is in no output, or a new one. */
  view() {
    let view = [...this.views].find((each) => !each.root.isConnected);
    if (!view) this.views.add((view = new View(this)));
    return view;
  }

  /** Put views over the HTML that outputs keep for them, and which shows without a kernel. */
  mount() {
    for (const place of document.getElementsByClassName(`aod-live-${this.facts.key}`)) {
      if (place.firstElementChild?.classList.contains("aod-viewer")) continue;
      const view = this.view();
      place.replaceChildren(view.root);
      if (place.parentElement) this.observer.observe(place.parentElement, { childList: true });
      view.attached();
    }
  }

  /** An output is being drawn anew. */
  mountSoon(frames = 30) {
    this.mount();
    if (frames) requestAnimationFrame(() => this.mountSoon(frames - 1));
  }

  #tick() {
    this.mount();
    const shown = [...this.views].filter((view) => view.root.isConnected);
    if (shown.length) this.talk.tick();
    for (const view of shown) {
      view.header();
      view.schedule(); // it may have lost its place unseen
      view.noteSelection();
    }
    if (!shown.length) {
      if (++this.absent === GONE_S) this.send({ type: "gone" });
      return;
    }
    if (this.absent >= GONE_S) this.talk.hello();
    this.absent = 0;
    // A page that was reloaded does not hear what becomes of the output of a running cell.
    if (this.facts.frozen) this.send({ type: "still" });
  }

  close() {
    clearInterval(this.timer);
    this.lastNews = 0;
    for (const view of this.views) view.header();
  }

  /** @param {object} content */
  send(content) {
    this.talk.send(content);
  }

  /** @param {any} message @param {DataView[]} buffers */
  #receive(message, buffers) {
    this.lastNews = Date.now();
    this.talk.receive(message);
    if (message.head > this.head) this.head = message.head;
    switch (message.type) {
      case "rows":
        if (this.store.take(message.from, JSON.parse(new TextDecoder().decode(buffers[0])))) {
          this.askedAt = 0;
          this.half = ["", ""];
          for (const view of this.views) view.schedule();
        }
        break;
      case "welcome":
      case "took":
        for (const view of this.views) view.header();
        break;
      case "partial":
        this.half = [KINDS[message.kind], message.text];
        for (const view of this.views) view.schedule();
        break;
      case "text":
        this.store.extend(message.row, message.start, message.text);
        for (const view of this.views) view.redraw(message.row);
        break;
      case "still":
        if (message.page === this.id) {
          const live = `.aod-live-${this.facts.key}`;
          for (const { root } of this.views) (root.closest(live) ?? root).replaceWith(still(message.html));
          this.views.clear();
        }
        break;
      case "note":
        for (const view of this.views) view.note(message.text, message.isError);
        break;
    }
    this.#catchUp();
  }

  /** Ask for the rows that are lacking; one question at a time, again if nothing comes. */
  #catchUp() {
    if (this.store.length >= this.head || Date.now() - this.askedAt < SYNC_RETRY_MS) return;
    this.askedAt = Date.now();
    this.send({ type: "sync", from: this.store.length });
  }
}

/**
 * @param {string} name class @param {string} text @param {(element: HTMLElement, event: MouseEvent) => void} act
 * @param {Record<string, string>} [attributes]
 */
function button(name, text, act, attributes) {
  const element = make("button", `aod-button ${name}`, text, { type: "button", ...attributes });
  element.addEventListener("click", (event) => act(element, event));
  return element;
}

/** One output in the page that shows the rows. */
class View {
  root = make("section", "aod-viewer mathjax_ignore", "", { "aria-label": "Agent session" });
  chip = make("span", "aod-chip", "", { role: "status" });
  heading = make("b", "aod-title");
  about = make("span", "aod-facts");
  stopButton = button("aod-stop", "Stop", () => this.#stop());
  filters = FILTERS.map(([name, kinds]) =>
    button("aod-filter", name, (toggle) => this.#filter(toggle, kinds), {
      "aria-pressed": String(!kinds.includes(MINOR)),
      hidden: "",
    }),
  );
  search = make("input", "aod-search", "", {
    type: "search",
    placeholder: "Search",
    "aria-label": "Search the rows",
  });
  errorButton = button("aod-next", "Next error", (_, event) => this.#nextError(event.shiftKey ? -1 : 1), {
    title: "Go to the next error (e), with Shift to the one before",
    hidden: "",
  });
  now = make("div", "aod-now", "", { hidden: "" });
  nowWhat = make("span", "", "", { role: "status" });
  nowSince = make("span", "aod-took");
  idButton = button("aod-id", "", () => this.#copyText(this.page.facts.id ?? ""), { title: "Copy the whole id", hidden: "" });
  found = make("span", "aod-found", "", { role: "status" });
  scroller = make("div", "aod-log", "", {
    role: "tree",
    tabindex: "0",
    "aria-label": "Transcript: arrow keys move and fold, Enter shows all of a row, C copies it",
  });
  space = make("div", "aod-space", "", { role: "none" });
  rows = make("div", "aod-rows", "", { role: "none" });
  half = make("div", "", "", { role: "none" });
  more = button("aod-more", "", () => this.#follow(), { hidden: "" });
  questions = make("div", "aod-questions");
  form = make("form", "aod-prompt", "", { hidden: "" });
  prompt = make("textarea", "aod-input", "", { rows: "1", "aria-label": "Next prompt" });
  sender = make("button", "aod-button aod-send", "Send", { type: "submit" });
  notes = make("div", "aod-note", "", { role: "status", hidden: "" });

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    this.store = page.store;
    this.seen = 0; // rows taken from the store
    /** @type {number[]} */ this.list = []; // the rows that are not hidden
    this.heights = new Heights();
    /** @type {Set<number>} */ this.folded = new Set();
    /** @type {Set<number>} */ this.hidden = new Set([MINOR]); // kinds
    /** @type {Set<number>} groups that the reader has folded or unfolded */ this.handled = new Set();
    /** @type {Set<number>} */ this.errors = new Set();
    this.looked = 0; // rows looked at for errors
    /** @type {HTMLElement?} */ this.foldButton = null;
    /** @type {HTMLElement?} */ this.rawButton = null;
    /** @type {HTMLElement?} */ this.wrapButton = null;
    this.raw = false; // whether Markdown is shown as it was written
    this.onlyErrors = false;
    /** @type {Map<number, number>} */ this.wanted = new Map(); // characters, by row
    /** @type {Map<number, HTMLElement>} */ this.drawn = new Map();
    /** @type {number[]} */ this.hits = [];
    /** @type {RegExp?} */ this.query = null;
    this.hit = -1;
    this.active = -1; // the row that the keys act on
    this.follows = true;
    this.leftAt = 0; // how many rows there were when the reader scrolled up
    this.scrollTop = 0;
    this.scheduled = false;
    this.mustRelist = false;
    this.stale = false; // rows that are drawn have to be drawn anew
    this.wraps = true;
    this.columns = 120;
    this.stopping = false;
    this.sending = false;
    this.parted = ""; // what is said because the kernel has gone
    /** @type {HTMLElement?} */ this.focused = null;
    /** @type {[any, number, any, number]?} */ this.selected = null;
    this.#build();
    this.header();
  }

  // -- the frame

  #build() {
    const head = make("div", "aod-head");
    head.append(this.chip, this.heading, this.idButton, this.stopButton, this.about);
    this.now.append(this.nowWhat, this.nowSince);
    const tools = make("div", "aod-tools", "", { role: "toolbar", "aria-label": "View" });
    const fold = button("", "Fold all", () => this.#foldAll(), { title: "Fold all turns (f)" });
    this.foldButton = fold;
    const wrap = button("aod-toggle", "Wrap", (toggle) => this.#wrap(toggle), { "aria-pressed": "true", title: "Wrap long lines (w)" });
    const raw = button("aod-toggle", "Raw", () => this.#raw(), { "aria-pressed": "false", title: "Show Markdown as it was written (r)" });
    this.wrapButton = wrap;
    this.rawButton = raw;
    const only = button("aod-toggle", "Only errors", (toggle) => this.#onlyErrors(toggle), { "aria-pressed": "false" });
    const view = button("aod-view", "View", (toggle) => {
      const opens = tools.classList.toggle("aod-open");
      toggle.setAttribute("aria-expanded", String(opens));
    }, { "aria-expanded": "false" });
    const copy = button("", "Copy", () => this.#copy(this.list), {
      title: "Copy the rows that are shown as text",
    });
    const rest = make("div", "aod-rest");
    rest.append(...this.filters, only, fold, raw, wrap, copy);
    tools.append(this.search, this.found, this.errorButton, view, rest);
    this.search.addEventListener("input", () => this.#search());
    this.search.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.#nextHit(event.shiftKey ? -1 : 1);
      if (event.key === "Escape") {
        this.search.value = "";
        this.#search();
      }
    });

    this.space.append(this.rows);
    this.scroller.append(this.space, this.half);
    this.scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    // A wheel begins slowly: drawing must not take the reader back meanwhile.
    this.scroller.addEventListener("wheel", ({ deltaY }) => {
      if (deltaY < 0 && this.scroller.scrollTop > 0) this.#unfollow();
    }, { passive: true });
    this.scroller.addEventListener("keydown", (event) => this.#key(event));
    this.scroller.addEventListener("click", (event) => this.#click(event));
    this.scroller.addEventListener("pointermove", (event) => event.buttons && this.#unfollow()); // selects
    const middle = make("div", "aod-middle");
    middle.append(this.scroller, this.more);

    this.prompt.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) this.#prompt(event);
    });
    this.form.addEventListener("submit", (event) => this.#prompt(event));
    this.form.append(this.prompt, this.sender);
    this.root.append(head, tools, middle, this.now, this.questions, this.form, this.notes);
    this.root.addEventListener("focusin", (event) => {
      this.focused = /** @type {HTMLElement} */ (event.target);
      this.selected = null;
    });
    new ResizeObserver(() => this.#resized()).observe(this.scroller);
    Object.assign(this.root, { viewer: this });
  }

  /** Bring the header up to date. */
  header() {
    const { page } = this;
    const { facts } = page;
    if (!facts.title) return;
    const waited = (Date.now() - page.factsAt) / 1000;
    const silent = !facts.final && Date.now() - page.lastNews > SILENCE_MS;
    this.#text(this.chip, silent ? `was ${facts.label}` : facts.label);
    this.chip.dataset.status = silent ? "" : facts.status;
    this.#text(this.heading, facts.title);
    const about = facts.elapsed ? [duration(facts.elapsed + (facts.final || silent ? 0 : waited))] : [];
    if (facts.about) about.push(facts.about);
    if (silent) about.push("no news from the kernel");
    else if (page.talk.waited >= UNANSWERED_S) about.push("the kernel does not answer yet");
    this.#text(this.about, about.join(" · "));
    const works = page.talk.arrives && !silent;
    this.stopButton.hidden = facts.final || !facts.can.includes("stop");
    this.form.hidden = !facts.can.includes("prompt");
    this.prompt.placeholder = facts.final ? "Next prompt" : "Next prompt, sent when this turn has ended";
    if (facts.final) this.stopping = false;
    if (page.talk.isGone) this.stopping = this.sending = false;
    this.stopButton.disabled = this.stopping || !works;
    this.stopButton.title = works ? "" : "The kernel has not answered; the notebook's own stop button works, too";
    this.prompt.readOnly = this.sending || !works;
    this.sender.disabled = this.sending || !works;
    this.#ask(facts.questions);
    this.questions.inert = !works;
    this.#say(silent || page.talk.isGone ? "" : facts.activity ?? "", (facts.waited ?? 0) + waited);
    this.idButton.hidden = !facts.id;
    this.#text(this.idButton, (facts.id ?? "").slice(0, 8));
    this.#part(page.talk.isGone && !facts.frozen);
  }

  /** Say what goes on. @param {string} what @param {number} since in seconds */
  #say(what, since) {
    this.now.hidden = !what;
    this.#text(this.nowWhat, what);
    this.#text(this.nowSince, what ? took(Math.max(0.1, Math.floor(since))) : "");
  }

  /** Say what to do once the kernel has gone. @param {boolean} isGone */
  #part(isGone) {
    if (isGone === !!this.parted) return;
    const { again } = this.page.facts;
    const kept = this.prompt.value ? " The text in the box stays." : "";
    const next = again ? ` %load_ext aod_notebook and ${again} in a cell show it again.` : "";
    this.parted = isGone ? `The kernel has gone: nothing can be sent from here.${next}${kept}` : "";
    this.notes.textContent = this.parted;
    this.notes.hidden = !isGone;
  }

  /** @param {Element} element @param {string} text */
  #text(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  /** @param {Facts["questions"]} questions */
  #ask(questions) {
    const boxes = [...this.questions.querySelectorAll("form")];
    for (const box of boxes) if (!questions.some(({ key }) => key === box.dataset.key)) box.remove();
    for (const { key, text, choices } of questions) {
      if (boxes.some((box) => key === box.dataset.key)) continue; // it may be half answered
      const box = make("form", "aod-question", "", { "aria-label": "Question of the agent", "data-key": key });
      /** @param {string} reply */
      const answer = (reply) => this.page.talk.ask({ type: "answer", key, text: reply });
      box.append(make("p", "", text));
      for (const choice of choices) box.append(button("aod-choice", choice, () => answer(choice)));
      if (!choices.length) {
        const input = make("input", "aod-input", "", { "aria-label": "Your answer" });
        box.append(input, make("button", "aod-button aod-send", "Answer", { type: "submit" }));
        box.addEventListener("submit", (event) => {
          event.preventDefault();
          answer(input.value);
        });
      }
      this.questions.append(box);
    }
  }

  /** @param {string} text */
  note(text, isError = false) {
    this.notes.textContent = text;
    this.notes.hidden = !text;
    this.notes.classList.toggle("aod-bad", isError);
    this.stopping = false;
    this.header();
  }

  /** Remember what is selected: elements that leave the page lose it. */
  noteSelection() {
    const now = getSelection();
    const isHere = now?.type === "Range" && this.rows.contains(now.anchorNode);
    this.selected = isHere ? [now.anchorNode, now.anchorOffset, now.focusNode, now.focusOffset] : null;
  }

  /** Be in an output, perhaps again: with the place, focus and selection that were there. */
  attached() {
    this.scroller.scrollTop = this.scrollTop;
    this.schedule();
    const { selected } = this; // focus forgets it
    if (document.activeElement !== document.body) return;
    this.focused?.focus({ preventScroll: true });
    try {
      if (selected && getSelection()?.type !== "Range") getSelection()?.setBaseAndExtent(...selected);
    } catch {
      // Its rows have left.
    }
  }

  #stop() {
    this.stopping = true;
    this.page.talk.ask({ type: "stop" });
    this.header();
  }

  /** @param {Event} event */
  #prompt(event) {
    event.preventDefault();
    const text = this.prompt.value;
    if (!text.trim() || this.sender.disabled) return;
    this.sending = true;
    this.page.talk.ask({ type: "prompt", text }, () => {
      this.sending = false;
      this.prompt.value = "";
    });
    this.header();
    this.#follow();
  }

  // -- which rows are shown

  /** @param {number} n whether a filter or a fold hides it */
  #isHidden(n) {
    const kind = this.store.kind(n);
    if (kind === GHOST || this.hidden.has(kind)) return true;
    if (this.onlyErrors && kind !== TURN && !this.store.isTrouble(n) && !this.store.troubled.has(n)) {
      const above = this.store.parents[n];
      if (above < 0 || this.store.kind(above) !== TOOL || !this.store.isTrouble(above)) return true;
    }
    if (!this.folded.size) return false;
    for (let g = this.store.parents[n]; g >= 0; g = this.store.parents[g]) {
      if (this.folded.has(g)) return true;
    }
    return false;
  }

  /** A guess of a row's height, until it is drawn. @param {number} n */
  #estimate(n) {
    const kind = this.store.kind(n);
    const pad = kind === OUTPUT || kind === STDERR ? 0 : PAD_PX;
    const whole = this.store.texts[n];
    if (whole.length <= this.columns && !whole.includes("\n")) return LINE_PX + pad;
    const row = this.store.row(n);
    const text = shown(row, this.wanted.get(n));
    let lines = text.length < row.text.length ? 2 : 1;
    if (!this.wraps || (text.length <= this.columns && !text.includes("\n"))) {
      for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) lines++;
    } else {
      lines--;
      for (const line of text.split("\n")) lines += Math.ceil(line.length / this.columns) || 1;
    }
    return lines * LINE_PX + pad;
  }

  #takeNew() {
    const { store } = this;
    const stop = Math.min(store.length, this.seen + ROWS_PER_FRAME);
    if (stop < store.length) this.schedule();
    for (; this.seen < stop; this.seen++) {
      const n = this.seen;
      const kind = store.kind(n);
      if (kind === GHOST) {
        this.#restate(/** @type {number} */ (store.states.get(n)));
        continue;
      }
      if (kind === TURN) this.#foldStages();
      if (!this.#isHidden(n)) {
        this.list.push(n);
        this.heights.push(this.#estimate(n));
      }
      if (this.#matches(n)) this.hits.push(n);
    }
    if (this.mustRelist) {
      this.mustRelist = false;
      this.#relist();
    }
    this.#countErrors();
    FILTERS.forEach(([, kinds], i) => {
      this.filters[i].hidden = !kinds.some((kind) => store.counts[kind]);
    });
  }

  /** Show a row in a later state. @param {number} n */
  #restate(n) {
    this.drawn.get(n)?.remove();
    this.drawn.delete(n);
    if (this.store.extras.get(n)?.folds && !this.handled.has(n) && !this.folded.has(n)) {
      this.folded.add(n);
      this.mustRelist = true;
    }
    if (this.onlyErrors && this.store.isTrouble(n)) this.mustRelist = true;
  }

  /** Stages are of little interest once the agent runs. */
  #foldStages() {
    const { size } = this.folded;
    for (const n of this.store.below.keys()) {
      if (this.store.kind(n) === STAGES && !this.store.troubled.has(n)) this.folded.add(n);
    }
    if (this.folded.size > size) this.#relist();
  }

  /** Make the list of shown rows anew; the row at the top of the view stays there. */
  #relist() {
    const top = this.list[this.heights.at(this.scrollTop)] ?? 0;
    this.list = [];
    this.heights = new Heights();
    let anchor = 0;
    for (let n = 0; n < this.seen; n++) {
      if (this.#isHidden(n)) continue;
      if (n <= top) anchor = this.list.length;
      this.list.push(n);
      this.heights.push(this.#estimate(n));
    }
    this.stale = true;
    if (!this.follows) this.#scrollTo(this.heights.top(anchor));
    this.schedule();
  }

  /** @param {HTMLElement} toggle @param {number[]} kinds */
  #filter(toggle, kinds) {
    const shows = toggle.getAttribute("aria-pressed") !== "true";
    toggle.setAttribute("aria-pressed", String(shows));
    for (const kind of kinds) shows ? this.hidden.delete(kind) : this.hidden.add(kind);
    this.#relist();
    this.#search();
  }

  /** @param {number} n @param {boolean} folds */
  #fold(n, folds) {
    if (!this.store.below.has(n) || this.folded.has(n) === folds) return;
    folds ? this.folded.add(n) : this.folded.delete(n);
    this.handled.add(n);
    if (!folds) this.#unfollow();
    this.#relist();
  }

  /** @param {HTMLElement} toggle */
  #wrap(toggle) {
    this.wraps = !this.wraps;
    toggle.setAttribute("aria-pressed", String(this.wraps));
    this.scroller.classList.toggle("aod-nowrap", !this.wraps);
    this.#relist();
  }

  #foldAll() {
    const folds = this.foldButton?.textContent === "Fold all";
    this.folded = new Set(folds ? this.store.below.keys() : []);
    for (const n of this.store.below.keys()) this.handled.add(n);
    this.#relist();
    if (this.foldButton) this.foldButton.textContent = folds ? "Unfold all" : "Fold all";
  }

  #raw() {
    this.raw = !this.raw;
    this.rawButton?.setAttribute("aria-pressed", String(this.raw));
    this.#relist();
  }

  /** @param {HTMLElement} toggle */
  #onlyErrors(toggle) {
    this.onlyErrors = !this.onlyErrors;
    toggle.setAttribute("aria-pressed", String(this.onlyErrors));
    this.#relist();
  }

  // -- errors

  #countErrors() {
    const { store } = this;
    for (; this.looked < this.seen; this.looked++) {
      const n = store.states.get(this.looked) ?? this.looked;
      if (store.isTrouble(n)) this.errors.add(n);
    }
    const { size } = this.errors;
    this.errorButton.hidden = !size;
    this.#text(this.errorButton, `Next error ${size.toLocaleString("en")}`);
  }

  /** @param {number} step */
  #nextError(step) {
    const all = [...this.errors].sort((a, b) => a - b);
    if (!all.length) return;
    const later = step > 0 ? all.find((n) => n > this.active) : all.filter((n) => n < this.active).pop();
    this.#reveal(later ?? (step > 0 ? all[0] : all[all.length - 1]));
  }

  /** Unfold what a row is in, and go there. @param {number} n */
  #reveal(n) {
    const { size } = this.folded;
    for (let g = this.store.parents[n]; g >= 0; g = this.store.parents[g]) this.folded.delete(g);
    if (this.folded.size < size) this.#relist();
    this.#activate(n);
  }

  // -- search

  /** @param {number} n */
  #matches(n) {
    const { query } = this;
    if (!query || this.hidden.has(this.store.kind(n))) return false;
    // No `test`: it would leave its place in the query.
    return this.store.texts[n].search(query) >= 0 || (this.store.titles.get(n) ?? "").search(query) >= 0;
  }

  #search() {
    this.query = searchFor(this.search.value);
    this.hits = [];
    this.hit = -1;
    for (let n = 0; n < this.seen; n++) if (this.#matches(n)) this.hits.push(n);
    this.stale = true;
    this.#sayHits();
    this.schedule();
  }

  #sayHits() {
    const number = this.hit >= 0 ? `${(this.hit + 1).toLocaleString("en")} of ` : "";
    this.found.textContent = this.query ? `${number}${count(this.hits.length, "hit")}` : "";
  }

  /** @param {number} step */
  #nextHit(step) {
    if (!this.hits.length) return;
    this.hit = (Math.max(this.hit, step < 0 ? 0 : -1) + step + this.hits.length) % this.hits.length;
    const n = this.hits[this.hit];
    const { size } = this.folded;
    for (let g = this.store.parents[n]; g >= 0; g = this.store.parents[g]) this.folded.delete(g);
    const row = this.store.row(n);
    const end = row.text.search(/** @type {RegExp} */ (this.query)) + this.search.value.length;
    if (end > shown(row, this.wanted.get(n)).length) {
      this.wanted.set(n, end + CLIP_CHARS);
      this.redraw(n);
    }
    if (this.folded.size < size) this.#relist();
    this.#activate(n);
    this.#draw();
    this.drawn.get(n)?.querySelector(".aod-hit")?.scrollIntoView({ block: "nearest" });
    this.#sayHits();
  }

  // -- scrolling

  /** @param {number} y */
  #scrollTo(y) {
    this.space.style.height = `${this.heights.total}px`;
    this.scroller.scrollTop = y;
    this.scrollTop = this.scroller.scrollTop;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    if (clientHeight === 0) return;
    const atEnd = scrollHeight - scrollTop - clientHeight < LINE_PX / 2;
    if (scrollTop < this.scrollTop - 1 && !atEnd) this.#unfollow();
    else if (atEnd && scrollTop > this.scrollTop) this.follows = true;
    this.scrollTop = scrollTop;
    this.schedule();
  }

  #unfollow() {
    if (!this.follows) return;
    this.follows = false;
    this.leftAt = this.store.length;
  }

  #follow() {
    this.follows = true;
    this.schedule();
  }

  #resized() {
    const width = this.scroller.clientWidth;
    if (!width) return;
    const columns = Math.max(20, Math.floor((width - 24) / 7.8));
    if (columns !== this.columns) {
      this.columns = columns;
      if (this.wraps && this.seen) this.#relist();
    }
    this.schedule();
  }

  // -- drawing

  /** Draw at the next animation frame. */
  schedule() {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.#draw();
    });
  }

  /** @param {number} n */
  redraw(n) {
    this.drawn.get(n)?.remove();
    this.drawn.delete(n);
    const i = this.list.indexOf(n);
    if (i >= 0) this.heights.set(i, this.#estimate(n));
    this.schedule();
  }

  #draw() {
    if (!this.scroller.clientWidth) {
      // Hidden, perhaps for a moment that no observer tells of.
      if (this.root.isConnected) setTimeout(() => this.schedule(), 500);
      return;
    }
    this.#takeNew();
    const [kind, half] = this.page.half;
    this.half.className = `aod-half aod-is-${kind}`;
    this.half.hidden = !half;
    this.#text(this.half, half);
    const { list, heights, scroller } = this;
    const viewport = scroller.clientHeight || 400;
    for (let pass = 0; pass < 4; pass++) {
      // Not where the page has it: an output that was collapsed forgets its place.
      this.#scrollTo(this.follows ? 1e9 : this.scrollTop);
      const first = Math.max(0, heights.at(scroller.scrollTop) - OVERSCAN);
      const last = Math.min(list.length, heights.at(scroller.scrollTop + viewport) + 1 + OVERSCAN);
      this.#fill(first, last);
      this.rows.style.transform = `translateY(${heights.top(first)}px)`;
      if (!this.#measure(first, last)) break;
    }
    if (this.follows) this.#scrollTo(1e9);
    this.#offerMore();
    if (this.query) this.#sayHits();
  }

  /** Have just the rows of these places in the page. @param {number} first @param {number} last */
  #fill(first, last) {
    const { rows } = this;
    if (this.stale) {
      this.drawn.clear();
      rows.replaceChildren();
      this.stale = false;
    }
    const wanted = new Set(this.list.slice(first, last));
    for (const [n, element] of this.drawn) {
      if (wanted.has(n)) continue;
      element.remove();
      this.drawn.delete(n);
    }
    let next = rows.firstElementChild;
    for (let i = first; i < last; i++) {
      const n = this.list[i];
      let element = this.drawn.get(n);
      if (!element) {
        element = this.#row(n, i);
        this.drawn.set(n, element);
      } else this.#tellBelow(n, element);
      if (element === next) next = next.nextElementSibling;
      else rows.insertBefore(element, next);
    }
  }

  /** Note how high rows came out; say whether any changed. @param {number} first @param {number} last */
  #measure(first, last) {
    const top = this.heights.at(this.scroller.scrollTop);
    let [above, changed] = [0, false];
    for (let i = first; i < last; i++) {
      const height = this.drawn.get(this.list[i])?.offsetHeight ?? 0;
      if (!height || Math.abs(height - this.heights.rows[i]) < 1) continue;
      const change = this.heights.set(i, height);
      if (i < top) above += change;
      changed = true;
    }
    if (above && !this.follows) this.#scrollTo(this.scroller.scrollTop + above);
    return changed;
  }

  #offerMore() {
    const fresh = this.store.length - this.leftAt;
    this.more.hidden = this.follows || fresh <= 0;
    if (!this.more.hidden) this.#text(this.more, `↓ ${count(fresh, "new line")}`);
  }

  /** @param {number} n @param {number} place */
  #row(n, place) {
    const row = this.store.row(n);
    const isError = row.flags & IS_ERROR;
    const kind = KINDS[row.kind] ?? "system";
    const name = `aod-row aod-is-${kind.replace(" ", "-")}${isError ? " aod-error" : ""}`;
    const element = make("div", `${name}${n === this.active ? " aod-active" : ""}`, "", {
      id: `${this.page.id}-${n}`,
      role: "treeitem",
      "data-row": String(n),
      "aria-level": String(row.depth + 1),
      "aria-posinset": String(place + 1),
      "aria-setsize": String(this.list.length),
      "aria-selected": String(n === this.active),
    });
    if (row.depth) element.style.marginInlineStart = `${Math.min(row.depth, 12) * 18}px`;
    const text = shown(row, this.wanted.get(n));
    this.#content(element, row, text);
    this.#tellBelow(n, element);
    const isWhole = row.extra.words && !this.raw;
    if (!isWhole && (text.length < row.text.length || (this.wanted.get(n) && row.size > text.length))) {
      // No stop of the Tab key: Enter does the same.
      element.append(button("aod-all", this.#moreLabel(row, text), () => this.#showMore(n), { tabindex: "-1" }));
    }
    return element;
  }

  /** @param {HTMLElement} element @param {Row} row @param {string} text what is shown of its text */
  #content(element, row, text) {
    const { extra, kind } = row;
    if (kind === TOOL) {
      toolContent(element, row, this.query);
      if (extra.diff && !this.raw) element.append(diffOf(extra.diff, this.query));
      return;
    }
    const hasSign = row.flags & IS_ERROR && kind !== STDERR && kind !== TOOL_RESULT;
    if (hasSign) element.append(make("span", "aod-sign", "✗ "));
    else if (kind === RESULT) element.append(make("span", "aod-sign", "✓ "));
    if (kind === PROMPT) element.append(iconOf("", "prompt"));
    if (kind === THINKING) element.append(iconOf("", "think"));
    if (row.title) element.append(this.#pieces("aod-name", `${row.title} `, []));
    if (extra.words && !this.raw) {
      element.append(words(make("div", "aod-text aod-words"), extra.words, this.query));
      return;
    }
    if (extra.image) element.append(pictureOf(extra.image));
    if (text) element.append(this.#pieces("aod-text", text, text === extra.short ? [] : row.marks));
    if (kind === TURN && extra.note) element.append(make("span", "aod-fact", ` ${extra.note}`));
  }

  /** Tell how many rows a row has below it. @param {number} n @param {HTMLElement} element */
  #tellBelow(n, element) {
    const below = this.store.below.get(n);
    if (!below) return;
    const isFolded = this.folded.has(n);
    if (!element.hasAttribute("aria-expanded")) {
      element.setAttribute("aria-expanded", String(!isFolded));
      element.classList.add("aod-group");
      element.prepend(make("span", "aod-fold", isFolded ? "▸" : "▾", { "aria-hidden": "true" }));
      const says = this.store.extras.get(n);
      if (isFolded && !says?.note && !says?.bad) (element.querySelector(".aod-line") ?? element).append(make("span", "aod-quiet"));
      if (isFolded && this.store.kind(n) === TURN && this.store.kind(n + 1) === PROMPT) {
        element.querySelector(".aod-name")?.after(make("span", "aod-asked", this.store.texts[n + 1].slice(0, 200)));
      }
    }
    const told = element.querySelector(".aod-quiet");
    if (told) this.#text(told, ` ${count(below, "row")} folded`);
  }

  /** @param {Row} row @param {string} text */
  #moreLabel(row, text) {
    if (text === row.extra.short) return `show all ${count(row.text.split("\n").length, "line")}`;
    const lines = row.size === row.text.length ? row.text.slice(text.length).split("\n").length - 1 : 0;
    if (lines > 1) return `show ${count(lines, "more line")}`;
    return `show ${count(Math.min(row.size - text.length, MORE_CHARS), "more character")}`;
  }

  /** @param {string} name @param {string} text @param {number[]} marks */
  #pieces(name, text, marks) {
    return fill(make("span", name), text, marks, this.query);
  }

  // -- what a reader does

  /** @param {MouseEvent} event */
  #click(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const element = /** @type {HTMLElement?} */ (target.closest(".aod-row"));
    if (getSelection()?.toString()) return this.#unfollow();
    this.selected = null;
    if (!element || target.closest("a, button")) return;
    const n = Number(element.dataset.row);
    this.#activate(n, false);
    if (target.closest(".aod-fold, .aod-name")) this.#fold(n, !this.folded.has(n));
  }

  /** @param {number} n */
  #showMore(n) {
    const row = this.store.row(n);
    const now = shown(row, this.wanted.get(n)).length;
    this.wanted.set(n, now + MORE_CHARS);
    if (row.text.length < Math.min(row.size, now + MORE_CHARS)) {
      this.page.send({ type: "text", row: n, from: Array.from(row.text).length });
    }
    this.#unfollow();
    this.redraw(n);
  }

  /** Make a row the one that keys act on. @param {number} n @param {boolean} [scrolls] */
  #activate(n, scrolls = true) {
    const before = this.active;
    this.active = n;
    for (const each of [before, n]) {
      const element = this.drawn.get(each);
      element?.classList.toggle("aod-active", each === n);
      element?.setAttribute("aria-selected", String(each === n));
    }
    this.scroller.setAttribute("aria-activedescendant", `${this.page.id}-${n}`);
    const i = this.list.indexOf(n);
    if (i < 0 || !scrolls) return;
    const [top, height] = [this.heights.top(i), this.heights.rows[i]];
    const { scrollTop, clientHeight } = this.scroller;
    if (i < this.list.length - 1) this.#unfollow();
    if (top < scrollTop || top + height > scrollTop + clientHeight) {
      this.#scrollTo(top > scrollTop ? Math.min(top, top + height - clientHeight) : top);
    }
    this.schedule();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.target !== this.scroller || event.ctrlKey || event.metaKey || event.altKey) return;
    const last = this.list.length - 1;
    const isAway = this.active < 0 || (this.follows && !this.drawn.has(this.active));
    const at = isAway ? last : this.list.findIndex((each) => each >= this.active);
    const i = at < 0 ? last : at; // the row itself, or what stands in its place
    const n = this.list[i];
    /** @param {number} place */
    const go = (place) => this.#activate(this.list[Math.max(0, Math.min(last, place))]);
    /** @type {Record<string, () => void>} */
    const acts = {
      ArrowDown: () => go(i + 1),
      ArrowUp: () => go(this.active < 0 ? last : i - 1),
      PageDown: () => go(i + 15),
      PageUp: () => go(i - 15),
      Home: () => go(0),
      End: () => {
        go(last);
        this.#follow();
      },
      ArrowLeft: () => {
        if (this.store.below.has(n) && !this.folded.has(n)) this.#fold(n, true);
        else if (this.store.parents[n] >= 0) this.#activate(this.store.parents[n]);
      },
      ArrowRight: () => this.#fold(n, false),
      Enter: () => this.#showMore(n),
      " ": () => this.#fold(n, !this.folded.has(n)),
      c: () => this.#copy([n]),
      e: () => this.#nextError(1),
      E: () => this.#nextError(-1),
      f: () => this.#foldAll(),
      r: () => this.#raw(),
      w: () => this.wrapButton?.click(),
      "/": () => this.search.focus(),
    };
    if (last < 0 || !acts[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    acts[event.key]();
  }

  /** @param {number[]} numbers of rows */
  #copy(numbers) {
    const lines = numbers.map((n) => {
      const row = this.store.row(n);
      const changes = (row.extra.diff?.lines ?? []).map(([sign, , , text]) => `\n${sign}${text}`);
      return "  ".repeat(row.depth) + [row.title, row.text].filter(Boolean).join("  ") + changes.join("");
    });
    this.#copyText(lines.join("\n"), count(numbers.length, "row"));
  }

  /** @param {string} text @param {string} [what] */
  #copyText(text, what = text) {
    const area = make("textarea", "aod-unseen");
    area.value = "."; // to select so much text takes seconds
    area.addEventListener("copy", (event) => {
      event.clipboardData?.setData("text/plain", text);
      event.preventDefault();
    });
    const focused = /** @type {HTMLElement?} */ (document.activeElement);
    this.root.append(area);
    area.select();
    // Frames and pages that are no secure context have no other way to the clipboard.
    const done = document.execCommand("copy") ? "Copied" : "Not allowed";
    area.remove();
    focused?.focus({ preventScroll: true });
    const told = `${done}: ${what}`;
    this.note(told);
    setTimeout(() => {
      if (this.notes.textContent === told) this.note("");
    }, 3000);
  }
}

export default () => {
  /** @type {Page} */
  let page;
  return {
    /** @param {{model: Model}} context */
    initialize({ model }) {
      page = new Page(model);
      return () => page.close();
    },

    /** @param {{el: HTMLElement, signal?: AbortSignal}} context */
    render({ el }) {
      const view = page.view();
      const { root } = view;
      el.append(root);
      page.talk.hello();
      view.attached();
      requestAnimationFrame(() => {
        if (el.closest(".jp-OutputArea")) page.send({ type: "shown" });
      });
      return () => {
        if (root.parentElement === el) root.remove(); // else it lives on in another output
        page.mountSoon();
      };
    },
  };
};
