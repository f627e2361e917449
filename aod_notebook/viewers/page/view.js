// @ts-check
/** One output in the page that shows the rows of a session or a run. */

import { button, make, setText } from "./dom.js";
import { Errors } from "./errors.js";
import { Header } from "./header.js";
import { FILTERS, GHOST, MINOR, STAGES, TOOL, TURN } from "./kinds.js";
import { VirtualList } from "./list.js";
import { count } from "./numbers.js";
import { PromptBox, Questions } from "./prompt.js";
import { CLIP_CHARS, MORE_CHARS, estimate, plainText, rowElement, showBelow, shown } from "./rows.js";
import { Search } from "./search.js";
import { Selection, copyAndNote } from "./selection.js";
import { styled } from "./theme.js";

const CHAR_PX = 7.8;
const SIDES_PX = 24;
const LEAST_COLUMNS = 20;
const ROWS_PER_FRAME = 30_000;
const SILENCE_MS = 6000;
const PAGE_ROWS = 15; // that a Page key goes
const ERROR_LINES_PX = 160; // below a failed call, for what it says

export class View {
  root = make("section", "aod-viewer mathjax_ignore", "", { "aria-label": "Agent session" });
  scroller = make("div", "aod-log", "", {
    role: "tree",
    tabindex: "0",
    "aria-label": "Transcript: arrow keys move and fold, Enter shows all of a row, C copies it",
  });
  half = make("div", "", "", { role: "none" });
  more = button("aod-more", "", () => this.list.follow(), { hidden: "" });
  notes = make("div", "aod-note", "", { role: "status", hidden: "" });
  filters = FILTERS.map(([name, kinds]) =>
    button("aod-filter", name, (toggle) => this.#filter(toggle, kinds), {
      "aria-pressed": String(!kinds.includes(MINOR)),
      hidden: "",
    }),
  );
  foldButton = button("", "Fold all", () => this.#foldAll(), { title: "Fold all turns (f)" });
  wrapButton = button("aod-toggle aod-lesser", "Wrap", () => this.#wrap(), { "aria-pressed": "true", title: "Wrap long lines (w)" });
  rawButton = button("aod-toggle aod-lesser", "Raw", () => this.#raw(), { "aria-pressed": "false", title: "Show Markdown as it was written (r)" });

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    this.store = page.store;
    this.end = new AbortController(); // of all that listens
    const { signal } = this.end;
    this.seen = 0; // rows taken from the store
    /** @type {Set<number>} */ this.folded = new Set();
    /** @type {Set<number>} */ this.hidden = new Set([MINOR]); // kinds
    /** @type {Set<number>} groups that the reader has folded or unfolded */ this.handled = new Set();
    /** @type {Map<number, number>} */ this.wanted = new Map(); // characters, by row
    this.raw = false; // whether Markdown is shown as it was written
    this.wraps = true;
    this.onlyErrors = false;
    this.columns = 120;
    this.leftAt = 0; // how many rows there were when the reader scrolled up
    this.mustRelist = false;
    this.visits = 0; // how often the kernel has sent the reader to a row
    this.parted = ""; // what is shown because the kernel has gone
    this.list = new VirtualList(this.scroller, this.#owner(), { signal, follows: true });
    this.selection = new Selection(this.list.rows, this.root, signal);
    this.errors = new Errors(this.store, (n) => this.#goToError(n), () => this.active);
    this.search = new Search({
      text: (n) => this.store.texts[n],
      title: (n) => this.store.titles.get(n) ?? "",
      isHidden: (n) => this.hidden.has(this.store.kind(n)),
      changed: () => {
        this.list.stale = true;
        this.list.schedule();
      },
      go: (n) => this.#goToHit(n),
    }, signal);
    this.head = new Header(page, (id) => copyAndNote(this, id));
    this.prompt = new PromptBox(page, () => this.list.follow(), signal);
    this.questions = new Questions(page);
    this.#build(signal);
    this.header();
  }

  // What tests and other parts ask of a view.
  get follows() {
    return this.list.follows;
  }

  get active() {
    return this.selection.active;
  }

  get selected() {
    return this.selection.text;
  }

  /** @returns {ListOwner} */
  #owner() {
    return {
      estimate: (n) => estimate(this.store, n, this.wraps ? this.columns : 0, this.wanted.get(n) ?? 0),
      element: (n, place) =>
        rowElement(this.store, n, { query: this.search.query, raw: this.raw }, {
          id: `${this.page.id}-${n}`,
          place,
          all: this.list.keys.length,
          isActive: n === this.active,
          wanted: this.wanted.get(n) ?? 0,
          more: () => this.#showMore(n),
        }),
      update: (n, element) => showBelow(this.store, n, element, this.folded.has(n)),
      before: () => this.#before(),
      after: () => this.#offerMore(),
      left: () => {
        this.leftAt = this.store.length;
      },
    };
  }

  // -- the frame

  /** @param {AbortSignal} signal */
  #build(signal) {
    const tools = make("div", "aod-tools", "", { role: "toolbar", "aria-label": "View" });
    const only = button("aod-toggle aod-lesser", "Only errors", (toggle) => this.#onlyErrors(toggle), { "aria-pressed": "false" });
    const view = button("aod-view", "View", (toggle) => {
      const opens = tools.classList.toggle("aod-open");
      toggle.setAttribute("aria-expanded", String(opens));
    }, { "aria-expanded": "false" });
    const copy = button("", "Copy", () => this.#copy(this.list.keys), {
      title: "Copy the rows that are shown as text",
    });
    const rest = make("div", "aod-rest");
    rest.append(...this.filters, only, this.foldButton, this.rawButton, this.wrapButton, copy);
    tools.append(this.search.input, this.search.found, this.errors.button, view, rest);
    this.scroller.append(this.half);
    this.scroller.addEventListener("keydown", (event) => this.#key(event), { signal });
    this.scroller.addEventListener("click", (event) => this.#click(event), { signal });
    const middle = make("div", "aod-middle");
    middle.append(this.scroller, this.more);
    const { head, prompt, questions } = this;
    this.root.append(head.root, tools, middle, head.now, questions.root, prompt.root, this.notes);
    const observer = new ResizeObserver(() => this.#resized());
    observer.observe(this.scroller);
    signal.addEventListener("abort", () => observer.disconnect());
    Object.assign(this.root, { viewer: this });
  }

  /** Bring the header up to date. */
  header() {
    const { page } = this;
    const { facts, talk } = page;
    if (!facts.title) return;
    const silent = !facts.final && Date.now() - page.lastNews > SILENCE_MS;
    const works = talk.arrives && !silent;
    this.head.update(silent);
    this.prompt.update(works);
    this.questions.update(works);
    if (facts.at && facts.at[1] !== this.visits) this.list.schedule();
    this.#part(talk.isGone && !facts.frozen);
  }

  /** Say what to do once the kernel has gone. @param {boolean} isGone */
  #part(isGone) {
    if (isGone === !!this.parted) return;
    const { again } = this.page.facts;
    const kept = this.prompt.input.value ? " The text in the box stays." : "";
    const next = again ? ` %load_ext aod_notebook and ${again} in a cell show it again.` : "";
    this.parted = isGone ? `The kernel has gone: nothing can be sent from here.${next}${kept}` : "";
    this.notes.textContent = this.parted;
    this.notes.hidden = !isGone;
  }

  /** @param {string} text */
  note(text, isError = false) {
    this.notes.textContent = text;
    this.notes.hidden = !text;
    this.notes.classList.toggle("aod-bad", isError);
    this.head.stopping = false;
    this.header();
  }

  /** Be in an output, perhaps again: with the place, focus and selection that were there. */
  attached() {
    styled(this.root);
    this.list.attached();
    this.selection.restore();
  }

  close() {
    this.end.abort();
  }

  // -- which rows are shown

  /** @param {number} n whether a filter or a fold hides it */
  #isHidden(n) {
    const { store } = this;
    const kind = store.kind(n);
    if (kind === GHOST || this.hidden.has(kind)) return true;
    if (this.onlyErrors && kind !== TURN && !store.isTrouble(n) && !store.troubled.has(n)) {
      const above = store.parents[n];
      if (above < 0 || store.kind(above) !== TOOL || !store.isTrouble(above)) return true;
    }
    if (!this.folded.size) return false;
    for (let g = store.parents[n]; g >= 0; g = store.parents[g]) {
      if (this.folded.has(g)) return true;
    }
    return false;
  }

  /** Take what came since the last drawing. */
  #before() {
    this.#takeNew();
    this.#visit();
    if (this.search.scan(this.seen)) this.list.schedule();
    const [kind, half] = this.page.half;
    if (this.half.hidden !== !half || half) this.half.className = `aod-half aod-is-${kind}`;
    this.half.hidden = !half;
    setText(this.half, half);
  }

  /** Go to the row that the kernel has named, once it is there. */
  #visit() {
    const [row, visits] = this.page.facts.at ?? [-1, 0];
    if (visits === this.visits || row < 0 || row >= this.seen) return;
    this.visits = visits;
    this.#reveal(row);
  }

  #takeNew() {
    const { store, list } = this;
    const stop = Math.min(store.length, this.seen + ROWS_PER_FRAME);
    if (stop < store.length) list.schedule();
    for (; this.seen < stop; this.seen++) {
      const n = this.seen;
      const kind = store.kind(n);
      if (kind === GHOST) {
        this.#restate(/** @type {number} */ (store.states.get(n)));
        continue;
      }
      if (kind === TURN) this.#foldStages();
      if (!this.#isHidden(n)) list.push(n);
    }
    if (this.mustRelist) {
      this.mustRelist = false;
      this.#relist();
    }
    this.errors.take(this.seen);
    FILTERS.forEach(([, kinds], i) => {
      this.filters[i].hidden = !kinds.some((kind) => store.counts[kind]);
    });
  }

  /** Show a row in a later state. @param {number} n */
  #restate(n) {
    this.list.forget(n);
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

  /** Choose again which rows are shown. */
  #relist() {
    const keys = [];
    for (let n = 0; n < this.seen; n++) if (!this.#isHidden(n)) keys.push(n);
    this.list.set(keys);
  }

  /** @param {HTMLElement} toggle @param {number[]} kinds */
  #filter(toggle, kinds) {
    const shows = toggle.getAttribute("aria-pressed") !== "true";
    toggle.setAttribute("aria-pressed", String(shows));
    for (const kind of kinds) shows ? this.hidden.delete(kind) : this.hidden.add(kind);
    this.#relist();
    this.search.restart();
  }

  /** @param {number} n @param {boolean} folds */
  #fold(n, folds) {
    if (!this.store.below.has(n) || this.folded.has(n) === folds) return;
    folds ? this.folded.add(n) : this.folded.delete(n);
    this.handled.add(n);
    if (!folds) this.list.unfollow();
    this.#relist();
  }

  #foldAll() {
    const folds = this.foldButton.textContent === "Fold all";
    this.folded = new Set(folds ? this.store.below.keys() : []);
    for (const n of this.store.below.keys()) this.handled.add(n);
    this.#relist();
    this.foldButton.textContent = folds ? "Unfold all" : "Fold all";
  }

  #wrap() {
    this.wraps = !this.wraps;
    this.wrapButton.setAttribute("aria-pressed", String(this.wraps));
    this.scroller.classList.toggle("aod-nowrap", !this.wraps);
    this.#relist();
  }

  #raw() {
    this.raw = !this.raw;
    this.rawButton.setAttribute("aria-pressed", String(this.raw));
    this.#relist();
  }

  /** @param {HTMLElement} toggle */
  #onlyErrors(toggle) {
    this.onlyErrors = !this.onlyErrors;
    toggle.setAttribute("aria-pressed", String(this.onlyErrors));
    this.#relist();
  }

  #resized() {
    const width = this.scroller.clientWidth;
    if (!width) return;
    styled(this.root); // it may have come into a shadow root
    const columns = Math.max(LEAST_COLUMNS, Math.floor((width - SIDES_PX) / CHAR_PX));
    if (columns !== this.columns) {
      this.columns = columns;
      if (this.wraps && this.seen) this.#relist();
    }
    this.list.schedule();
  }

  #offerMore() {
    const fresh = this.store.length - this.leftAt;
    this.more.hidden = this.list.follows || fresh <= 0;
    if (!this.more.hidden) setText(this.more, `↓ ${count(fresh, "new line")}`);
  }

  // -- going to a row

  /** Unfold what a row is in. @param {number} n */
  #unfoldTo(n) {
    const { size } = this.folded;
    for (let g = this.store.parents[n]; g >= 0; g = this.store.parents[g]) this.folded.delete(g);
    if (this.folded.size < size) this.#relist();
  }

  /** @param {number} n */
  #reveal(n) {
    this.#unfoldTo(n);
    this.#activate(n);
  }

  /** @param {number} n */
  #goToError(n) {
    this.#reveal(n);
    this.list.reveal(n, ERROR_LINES_PX);
  }

  /** @param {number} n */
  #goToHit(n) {
    const row = this.store.row(n);
    const end = this.search.hitEnd(row.text);
    if (end > shown(row, this.wanted.get(n)).length) {
      this.wanted.set(n, end + CLIP_CHARS);
      this.list.redraw(n);
    }
    this.#reveal(n);
    this.list.draw();
    this.list.drawn.get(n)?.querySelector(".aod-hit")?.scrollIntoView({ block: "nearest" });
  }

  /** Make a row the one that keys act on. @param {number} n @param {boolean} [scrolls] */
  #activate(n, scrolls = true) {
    this.selection.activate(n, this.list.drawn);
    this.scroller.setAttribute("aria-activedescendant", `${this.page.id}-${n}`);
    if (scrolls) this.list.reveal(n);
  }

  // -- what a reader does

  /** @param {MouseEvent} event */
  #click(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const element = /** @type {HTMLElement?} */ (target.closest(".aod-row"));
    if (getSelection()?.toString()) return this.list.unfollow();
    this.selection.text = null;
    if (!element || target.closest("a, button")) return;
    const n = Number(element.dataset.row);
    this.#activate(n, false);
    if (target.closest(".aod-fold, .aod-name")) this.#fold(n, !this.folded.has(n));
  }

  /** @param {number} n */
  redraw(n) {
    this.list.redraw(n);
  }

  /** @param {number} n */
  #showMore(n) {
    const row = this.store.row(n);
    const now = shown(row, this.wanted.get(n)).length;
    this.wanted.set(n, now + MORE_CHARS);
    if (row.text.length < Math.min(row.size, now + MORE_CHARS)) {
      this.page.send({ type: "text", row: n, from: Array.from(row.text).length });
    }
    this.list.unfollow();
    this.redraw(n);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.target !== this.scroller || event.ctrlKey || event.metaKey || event.altKey) return;
    const { keys } = this.list;
    const last = keys.length - 1;
    const isAway = this.active < 0 || (this.list.follows && !this.list.drawn.has(this.active));
    const at = isAway ? last : keys.findIndex((each) => each >= this.active);
    const act = this.#acts(at < 0 ? last : at)[event.key]; // the row itself, or what stands in its place
    if (last < 0 || !act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  /** What each key does on the row at place `i`. @param {number} i @returns {Record<string, () => void>} */
  #acts(i) {
    const { keys } = this.list;
    const last = keys.length - 1;
    const n = keys[i];
    /** @param {number} place */
    const go = (place) => this.#activate(keys[Math.max(0, Math.min(last, place))]);
    return {
      ArrowDown: () => go(i + 1),
      ArrowUp: () => go(this.active < 0 ? last : i - 1),
      PageDown: () => go(i + PAGE_ROWS),
      PageUp: () => go(i - PAGE_ROWS),
      Home: () => go(0),
      End: () => {
        go(last);
        this.list.follow();
      },
      ArrowLeft: () => {
        if (this.store.below.has(n) && !this.folded.has(n)) this.#fold(n, true);
        else if (this.store.parents[n] >= 0) this.#activate(this.store.parents[n]);
      },
      ArrowRight: () => this.#fold(n, false),
      Enter: () => this.#showMore(n),
      " ": () => this.#fold(n, !this.folded.has(n)),
      c: () => this.#copy([n]),
      e: () => this.errors.next(1),
      E: () => this.errors.next(-1),
      f: () => this.#foldAll(),
      r: () => this.#raw(),
      w: () => this.#wrap(),
      "/": () => this.search.input.focus(),
    };
  }

  /** @param {number[]} numbers of rows */
  #copy(numbers) {
    const text = numbers.map((n) => plainText(this.store.row(n))).join("\n");
    copyAndNote(this, text, count(numbers.length, "row"));
  }
}
