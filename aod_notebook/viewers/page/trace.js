// @ts-check
/** The trace: what a session or a run did, as a tree on a time axis. */

import { US, brief } from "./amounts.js";
import { Axis, ZOOM, watchAxis } from "./axis.js";
import { button, make, setText } from "./dom.js";
import { FactsHeader } from "./facts.js";
import { VirtualList } from "./list.js";
import { count, took } from "./numbers.js";
import { Below, RecordPage, widgetOf } from "./records.js";
import { Selection, copyAndNote } from "./selection.js";
import { SpanPane } from "./spanpane.js";
import { KIND_NAMES, barOf, showSpan } from "./spanrow.js";
import { FAILED, OPEN, SpanStore } from "./spans.js";
import { searchFor } from "./text.js";
import { styled } from "./theme.js";

const SPAN_PX = 26;
const SPANS_A_PAGE = 15;
const MAX_OPEN = 300; // of more spans only the outer ones are unfolded at first
const OPEN_DEPTH = 2;
const PAN = 0.2;

class TraceView {
  root = make("section", "aod-viewer aod-trace mathjax_ignore", "", { "aria-label": "Trace" });
  scroller = make("div", "aod-log", "", {
    role: "tree",
    tabindex: "0",
    "aria-label": "Spans: arrow keys move and fold, Enter shows input and output, T goes to the transcript",
  });
  axisRow = make("div", "aod-tr aod-axis", "", { "aria-hidden": "true" });
  ticks = make("div", "aod-bars");
  now = make("div", "aod-now", "", { hidden: "" });
  nowWhat = make("span", "", "", { role: "status" });
  nowSince = make("span", "aod-took");
  found = make("span", "aod-found", "", { role: "status" });
  empty = make("div", "aod-nothing", "", { hidden: "" });
  notes = make("div", "aod-note", "", { role: "status", hidden: "" });
  search = make("input", "aod-search", "", { type: "search", placeholder: "Search", "aria-label": "Search the spans" });
  only = button("aod-toggle", "Only errors", () => this.#toggleErrors(), { "aria-pressed": "false" });
  next = button("aod-next", "", (_, event) => this.#nextError(event.shiftKey ? -1 : 1), {
    title: "Go to the next error (e), with Shift to the one before",
    hidden: "",
  });
  slow = button("aod-toggle", "Slowest first", () => this.#toggleSlow(), { "aria-pressed": "false" });
  foldButton = button("", "Fold all", () => this.#foldAll(), { title: "Fold all spans (f)" });

  /** @param {RecordPage} page */
  constructor(page) {
    this.page = page;
    this.store = /** @type {SpanStore} */ (page.store);
    this.axis = new Axis();
    this.end = new AbortController();
    const { signal } = this.end;
    /** @type {Set<number>} */ this.folded = new Set();
    /** @type {Set<number>} spans that were folded or unfolded once, by the reader or at first */ this.handled = new Set();
    this.query = null;
    this.onlyErrors = false;
    this.mustRelist = true;
    this.list = new VirtualList(this.scroller, this.#owner(), { signal });
    this.selection = new Selection(this.list.rows, this.root, signal);
    this.head = new FactsHeader((id) => copyAndNote(this, id));
    this.below = new Below(page.model);
    this.pane = new SpanPane({
      close: () => this.#closePane(),
      copy: (text) => copyAndNote(this, text, "output"),
      transcript: (n) => this.#transcript(n),
      path: (n) => this.#path(n),
    });
    this.#build(signal);
    this.header();
  }

  /** @returns {ListOwner} */
  #owner() {
    return {
      estimate: () => SPAN_PX,
      element: (n, place) => this.#show(n, place, make("div", "", "", { role: "treeitem" })),
      reuse: (n, place, element) => this.#show(n, place, element),
      update: (n, element) => {
        if (this.store.records[n][3] & OPEN) this.#grow(n, element);
      },
      before: () => this.#before(),
    };
  }

  /** @param {number} n @param {number} place @param {HTMLElement} row */
  #show(n, place, row) {
    return showSpan(row, this.store, n, {
      id: `${this.page.id}-${n}`,
      place,
      size: this.list.keys.length,
      isActive: n === this.selection.active,
      isFolded: this.folded.has(n),
      query: this.query,
      axis: this.axis,
      now: this.#now(),
    });
  }

  // -- the frame

  /** @param {AbortSignal} signal */
  #build(signal) {
    const tools = make("div", "aod-tools", "", { role: "toolbar", "aria-label": "View" });
    const view = button("aod-view", "View", (toggle) => {
      toggle.setAttribute("aria-expanded", String(tools.classList.toggle("aod-open")));
    }, { "aria-expanded": "false" });
    const legend = make("span", "aod-legend", "", { "aria-hidden": "true" });
    for (const [hue, name] of KIND_NAMES) legend.append(make("span", `aod-key aod-hue-${hue}`, name));
    const rest = make("div", "aod-rest");
    rest.append(this.only, this.slow, this.foldButton, legend);
    tools.append(this.search, this.found, this.next, view, rest);
    for (const name of ["Name", "Time", "Self", "Tokens", "Cost"]) {
      this.axisRow.append(make("span", name === "Name" ? "" : `aod-r${name === "Time" ? "" : ` aod-opt aod-col-${name.toLowerCase()}`}`, name));
    }
    this.axisRow.append(this.ticks);
    this.now.append(this.nowWhat, this.nowSince);
    this.root.append(
      this.head.root, tools, this.axisRow, this.scroller, this.empty, this.now, this.pane.root, this.notes, this.below.root,
    );
    this.search.addEventListener("input", () => this.#relist(), { signal });
    this.search.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.#nextHit(event.shiftKey ? -1 : 1);
      if (event.key !== "Escape") return;
      this.search.value = "";
      this.#relist();
    }, { signal });
    this.scroller.addEventListener("keydown", (event) => this.#key(event), { signal });
    this.scroller.addEventListener("click", (event) => this.#click(event), { signal });
    this.scroller.addEventListener("dblclick", (event) => {
      const n = this.#rowOf(event);
      if (n >= 0) this.#transcript(n);
    }, { signal });
    watchAxis(this.axis, this.root, this.ticks, () => this.#redraw(), signal);
    const observer = new ResizeObserver(() => this.#resized());
    observer.observe(this.scroller);
    signal.addEventListener("abort", () => observer.disconnect());
    Object.assign(this.root, { viewer: this });
  }

  header() {
    const { facts, talk } = this.page;
    if (!facts.title) return;
    this.head.update(facts, talk.isGone);
    const { errors } = facts;
    this.next.hidden = !errors;
    if (this.next.dataset.count !== String(errors)) {
      this.next.dataset.count = String(errors);
      this.next.replaceChildren("Next error ", make("span", "aod-badge", errors.toLocaleString("en")));
    }
    this.pane.canJump = facts.transcript;
    this.#activity();
    this.#part();
  }

  /** A second has passed. */
  tick() {
    this.header();
    if (!this.page.facts.final) this.list.schedule();
    this.selection.note();
  }

  /** Show the current activity. */
  #activity() {
    const { facts, talk } = this.page;
    const what = talk.isGone ? "" : facts.activity ?? "";
    this.now.hidden = !what;
    setText(this.nowWhat, what);
    setText(this.nowSince, what && facts.since ? took(Math.max(0.1, Math.floor(Date.now() / 1000 - facts.since))) : "");
  }

  /** Say what to do once the kernel has gone. */
  #part() {
    const { facts, talk } = this.page;
    if (!talk.isGone || this.notes.textContent) return;
    const next = facts.again ? ` %load_ext aod_notebook and ${facts.again} in a cell show it again.` : "";
    this.note(`The kernel has gone: this view is a copy.${next}`);
  }

  /** @param {string} text */
  note(text, isError = false) {
    this.notes.textContent = text;
    this.notes.hidden = !text;
    this.notes.classList.toggle("aod-bad", isError);
  }

  attached() {
    styled(this.root);
    this.list.attached();
    this.selection.restore();
  }

  close() {
    this.end.abort();
  }

  /** @param {any} message */
  receive(message) {
    if (message.type === "detail") this.pane.fill(message);
    else if (message.type === "opened") void this.below.show(message.model);
    else if (message.type === "note") this.note(message.text, message.isError);
  }

  /** Records have come. */
  changed() {
    this.mustRelist = true;
    this.list.schedule();
  }

  #resized() {
    styled(this.root); // it may have come into a shadow root
    const bar = this.scroller.offsetWidth - this.scroller.clientWidth;
    this.root.style.setProperty("--aod-scrollbar", `${bar}px`);
    this.list.schedule();
  }

  // -- which spans are shown

  /** Now on the axis, in microseconds; null if nothing runs. */
  #now() {
    const { facts } = this.page;
    return facts.final || facts.base === null || facts.base === undefined ? null : (Date.now() / 1000 - facts.base) * US;
  }

  #before() {
    const { store } = this;
    if (store.arrange()) {
      this.mustRelist = true;
      this.#foldFirst();
    }
    const now = this.#now();
    const runs = now !== null && store.runs;
    const last = runs ? Math.max(store.last, /** @type {number} */ (now)) : store.last;
    if (this.axis.reach(store.first, last, runs)) this.#showTicks();
    if (!this.mustRelist) return;
    this.mustRelist = false;
    const needle = this.search.value.trim();
    this.query = searchFor(needle);
    const passes = this.query || this.onlyErrors ? (/** @type {number} */ n) => this.#passes(n) : null;
    const keys = store.visible(passes ? new Set() : this.folded, passes);
    this.hits = passes ? store.order.filter((n) => this.#passes(n)) : [];
    setText(this.found, this.query ? count(this.hits.length, "hit") : "");
    this.empty.hidden = keys.length > 0;
    setText(this.empty, passes ? "No span matches." : "Nothing has been recorded yet.");
    this.list.set(keys);
    this.#showTicks();
  }

  /** Of very many spans, only the outer ones are unfolded at first. */
  #foldFirst() {
    const { store } = this;
    if (store.order.length <= MAX_OPEN) return;
    for (const n of store.order) {
      if (store.depths[n] < OPEN_DEPTH || this.handled.has(n)) continue;
      this.handled.add(n);
      this.folded.add(n);
      setText(this.foldButton, "Unfold all");
    }
  }

  /** @param {number} n */
  #passes(n) {
    const [, , , flags, , name, text, , , , bad] = this.store.records[n];
    if (this.onlyErrors && !(flags & FAILED)) return false;
    const { query } = this;
    // No `test`: it would leave its place in the query.
    return !query || name.search(query) >= 0 || text.search(query) >= 0 || bad.search(query) >= 0;
  }

  #relist() {
    this.mustRelist = true;
    this.list.schedule();
  }

  /** Draw the rows in sight again: the axis has changed. */
  #redraw() {
    this.list.stale = true;
    this.#showTicks();
    this.list.schedule();
  }

  #showTicks() {
    const { axis } = this;
    const ticks = axis.ticks();
    this.ticks.replaceChildren(
      ...ticks.map(([time, text]) => {
        const tick = make("span", "", text);
        tick.style.left = `${axis.percent(time)}%`;
        return tick;
      }),
    );
    const [first, second] = ticks;
    const step = second ? axis.percent(second[0]) - axis.percent(first[0]) : 100;
    this.root.style.setProperty("--aod-tick", `${step}%`);
    this.root.style.setProperty("--aod-tick-from", `${first ? axis.percent(first[0]) : 0}%`);
  }

  /** Let the bar and the time of a running span grow. @param {number} n @param {HTMLElement} element */
  #grow(n, element) {
    const bars = element.querySelector(".aod-bars");
    const now = this.#now();
    if (!bars) return;
    bars.replaceChildren(...barOf(this.store.span(n), this.axis, now));
    const time = element.querySelector(".aod-time");
    const start = this.store.records[n][1];
    if (time && now !== null && start !== null) setText(time, brief((now - start) / US));
  }

  // -- folding

  /** @param {number} n @param {boolean} folds */
  #fold(n, folds) {
    if (!this.store.below[n] || this.folded.has(n) === folds) return;
    folds ? this.folded.add(n) : this.folded.delete(n);
    this.handled.add(n);
    this.#relist();
  }

  #foldAll() {
    const folds = this.foldButton.textContent === "Fold all";
    this.folded = new Set(folds ? this.store.order.filter((n) => this.store.below[n]) : []);
    for (const n of this.store.order) this.handled.add(n);
    this.foldButton.textContent = folds ? "Unfold all" : "Fold all";
    this.#relist();
  }

  #toggleErrors() {
    this.onlyErrors = !this.onlyErrors;
    this.only.setAttribute("aria-pressed", String(this.onlyErrors));
    this.#relist();
  }

  #toggleSlow() {
    this.store.slowestFirst = !this.store.slowestFirst;
    this.store.isStale = true;
    this.slow.setAttribute("aria-pressed", String(this.store.slowestFirst));
    this.#relist();
  }

  // -- going to a span

  /** @param {number} n */
  #reveal(n) {
    for (let g = this.store.records[n][0]; g >= 0; g = this.store.records[g][0]) {
      this.folded.delete(g);
      this.handled.add(g);
    }
    this.mustRelist = true;
    this.list.draw();
    this.#activate(n);
  }

  /** @param {number} n @param {boolean} [scrolls] */
  #activate(n, scrolls = true) {
    this.selection.activate(n, this.list.drawn);
    this.scroller.setAttribute("aria-activedescendant", `${this.page.id}-${n}`);
    if (this.pane.span >= 0 && this.pane.span !== n) this.#detail(n);
    if (scrolls) this.list.reveal(n);
  }

  /** @param {number} step @param {number[]} among in the order shown */
  #walk(step, among) {
    if (!among.length) return;
    const place = new Map(this.store.order.map((n, i) => [n, i]));
    const at = place.get(this.selection.active) ?? -1;
    const where = (/** @type {number} */ n) => place.get(n) ?? 0;
    const later = step > 0 ? among.find((n) => where(n) > at) : among.filter((n) => where(n) < at).pop();
    this.#reveal(later ?? (step > 0 ? among[0] : among[among.length - 1]));
  }

  /** @param {number} step */
  #nextError(step) {
    this.#walk(step, this.store.failed);
    if (this.store.failed.length) this.#detail(this.selection.active);
  }

  /** @param {number} step */
  #nextHit(step) {
    this.list.draw();
    this.#walk(step, this.hits ?? []);
  }

  /** The names of what a span is in, the nearest first. @param {number} n */
  #path(n) {
    const names = [];
    for (let g = this.store.records[n][0]; g >= 0 && names.length < 4; g = this.store.records[g][0]) names.push(this.store.records[g][5]);
    return names.join(" · ");
  }

  // -- what a reader does

  /** @param {Event} event */
  #rowOf(event) {
    const element = /** @type {HTMLElement?} */ (/** @type {HTMLElement} */ (event.target).closest(".aod-tr"));
    return element?.dataset.row === undefined ? -1 : Number(element.dataset.row);
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const n = this.#rowOf(event);
    if (n < 0 || getSelection()?.toString()) return;
    if (/** @type {HTMLElement} */ (event.target).closest(".aod-fold")) this.#fold(n, !this.folded.has(n));
    else this.#detail(n);
    this.#activate(n, false);
  }

  /** Show input and output of a span. @param {number} n */
  #detail(n) {
    this.pane.open(n, this.store.span(n), this.store.first);
    this.page.talk.ask({ type: "detail", span: n });
  }

  #closePane() {
    this.pane.close();
    this.scroller.focus({ preventScroll: true });
  }

  /** Show the row of a span in the transcript. @param {number} n */
  #transcript(n) {
    if (!this.page.facts.transcript) return;
    this.page.talk.ask({ type: "transcript", order: this.store.records[n][11] || 1 });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.target !== this.scroller || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = this.#acts()[event.key];
    if (!this.list.keys.length || !act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  /** @returns {Record<string, () => void>} */
  #acts() {
    const { keys } = this.list;
    const i = Math.max(0, keys.indexOf(this.selection.active));
    const n = keys[i];
    const isNew = !keys.includes(this.selection.active);
    /** @param {number} place */
    const go = (place) => this.#activate(keys[isNew ? 0 : Math.max(0, Math.min(keys.length - 1, place))]);
    return {
      ArrowDown: () => go(i + 1),
      ArrowUp: () => go(i - 1),
      PageDown: () => go(i + SPANS_A_PAGE),
      PageUp: () => go(i - SPANS_A_PAGE),
      Home: () => go(0),
      End: () => go(keys.length - 1),
      ArrowLeft: () => {
        const parent = this.store.records[n][0];
        if (this.store.below[n] && !this.folded.has(n)) this.#fold(n, true);
        else if (parent >= 0) this.#activate(parent);
      },
      ArrowRight: () => (this.folded.has(n) ? this.#fold(n, false) : this.store.below[n] && go(i + 1)),
      Enter: () => this.#detail(n),
      Escape: () => this.#closePane(),
      " ": () => this.#fold(n, !this.folded.has(n)),
      c: () => copyAndNote(this, [this.store.records[n][5], this.store.records[n][6]].join("  "), "span"),
      e: () => this.#nextError(1),
      E: () => this.#nextError(-1),
      f: () => this.#foldAll(),
      t: () => this.#transcript(n),
      "+": () => this.#zoom(1 / ZOOM),
      "-": () => this.#zoom(ZOOM),
      "<": () => this.#pan(-PAN),
      ">": () => this.#pan(PAN),
      0: () => {
        this.axis.reset();
        this.#redraw();
      },
      "/": () => this.search.focus(),
    };
  }

  /** @param {number} factor */
  #zoom(factor) {
    this.axis.zoom(factor);
    this.#redraw();
  }

  /** @param {number} part */
  #pan(part) {
    this.axis.pan(part);
    this.#redraw();
  }
}

/** @type {WidgetMaker} */
export function trace(model, early) {
  return widgetOf(new RecordPage(model, early, new SpanStore(), (page) => new TraceView(page)));
}
