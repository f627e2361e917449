// @ts-check
/** The board: sessions and runs as one table that updates itself. */

import { RowFilter } from "./boardfilter.js";
import { BoardHead } from "./boardhead.js";
import { COLUMNS, RowTable, Sorting, failures, isActive, meta } from "./boardrows.js";
import { SelectBar } from "./boardselect.js";
import { button, make, setText } from "./dom.js";
import { VirtualList } from "./list.js";
import { Below, RecordPage, widgetOf } from "./records.js";
import { Selection, copyAndNote } from "./selection.js";
import { still } from "./still.js";
import { fill } from "./text.js";
import { styled } from "./theme.js";

const WIDE_PX = 28;
const NARROW_PX = 48;
const NARROW_BOX_PX = 720;
const RESORT_MS = 1000; // rows that change are put in order again no more often
const ROWS_A_PAGE = 12;

class BoardView {
  root = make("section", "aod-viewer aod-board mathjax_ignore", "", { "aria-label": "Board" });
  more = button("aod-next", "", () => this.#resort(), { hidden: "" });
  header_ = make("div", "aod-br aod-hd", "", { role: "group", "aria-label": "Sort the rows" });
  scroller = make("div", "aod-log", "", {
    role: "grid", tabindex: "0", "aria-multiselectable": "true",
    "aria-label": "Sessions: arrow keys move, Enter opens the transcript below, T the trace, Space selects",
  });
  empty = make("div", "aod-nothing", "", { hidden: "" });
  peek = make("div", "aod-peek", "", { hidden: "" });
  notes = make("div", "aod-note", "", { role: "status", hidden: "" });

  /** @param {RecordPage} page */
  constructor(page) {
    this.page = page;
    this.table = /** @type {RowTable} */ (page.store);
    this.end = new AbortController();
    const { signal } = this.end;
    this.sorting = new Sorting();
    /** @type {Set<number>} */ this.selected = new Set();
    this.active = -1; // the row that keys act on
    this.opened = -1; // the row that is open below
    this.what = "transcript"; // what is open of it
    this.narrow = false;
    this.isOver = false; // whether the pointer is over the rows
    this.sortedAt = 0;
    this.leftOut = 0; // rows that the list does not show
    this.isStale = false; // whether a change may have moved a row
    this.timer = 0;
    this.mustRelist = true;
    this.fromTop = false; // whether the reader has asked for other rows, or another order
    this.filter = new RowFilter(this.table, () => this.#relist(), signal);
    this.head = new BoardHead(() => page.talk.ask({ type: "stop" }));
    this.list = new VirtualList(this.scroller, this.#owner(), { signal });
    this.selection = new Selection(this.list.rows, this.root, signal);
    this.below = new Below(page.model);
    this.selbar = new SelectBar({
      compare: () => this.#compare(),
      copy: () => copyAndNote(this, this.#chosen().map((row) => row?.id ?? "").join("\n"), "ids"),
      again: () => page.talk.ask({ type: "again", rows: [...this.selected] }),
      clear: () => this.#select([]),
    });
    this.#build(signal);
    this.header();
  }

  /** @returns {ListOwner} */
  #owner() {
    return {
      estimate: () => (this.narrow ? NARROW_PX : WIDE_PX),
      element: (n, place) => this.#show(n, place, emptyRow()),
      reuse: (n, place, element) => this.#show(n, place, element),
      update: (n, element) => this.#update(n, element),
      before: () => this.#before(),
    };
  }

  // -- the frame

  /** @param {AbortSignal} signal */
  #build(signal) {
    this.filter.found.after(this.more);
    const all = make("span", "aod-cb", "", { role: "checkbox", tabindex: "0", "aria-checked": "false", "aria-label": "Select all rows that are shown" });
    this.all = all;
    all.addEventListener("click", () => this.#selectAll(), { signal });
    all.addEventListener("keydown", (event) => {
      if (event.key !== " " && event.key !== "Enter") return;
      event.preventDefault();
      this.#selectAll();
    }, { signal });
    this.header_.append(wrap(all));
    for (const { key, head, kind } of COLUMNS) {
      const sorter = button("aod-sort", head, (_, event) => this.#sort(key, event.shiftKey), { "data-key": key, title: "Sort; with Shift as a further key" });
      const cell = make("span", kind.replace("aod-quiet", ""));
      cell.append(sorter);
      this.header_.append(cell);
    }
    this.#buildPeek();
    this.root.append(this.head.root, this.filter.tools, this.filter.chips, this.header_, this.scroller, this.empty, this.selbar.root, this.notes, this.peek, this.below.root);
    this.scroller.addEventListener("click", (event) => this.#click(event), { signal });
    this.scroller.addEventListener("dblclick", (event) => this.#rowOf(event) >= 0 && this.#open(this.#rowOf(event), "trace"), { signal });
    this.scroller.addEventListener("keydown", (event) => this.#key(event), { signal });
    this.scroller.addEventListener("pointerenter", () => (this.isOver = true), { signal });
    this.scroller.addEventListener("pointerleave", () => (this.isOver = false), { signal });
    const observer = new ResizeObserver(() => this.#resized());
    observer.observe(this.scroller);
    signal.addEventListener("abort", () => observer.disconnect());
    Object.assign(this.root, { viewer: this });
  }

  /** What stands over the row that is open. */
  #buildPeek() {
    this.peekTitle = make("b", "aod-about");
    this.other = button("aod-edged", "Trace", () => this.#open(this.opened, this.what === "trace" ? "transcript" : "trace"));
    const acts = make("span", "aod-acts");
    acts.append(
      button("aod-step", "↑", () => this.#walk(-1), { "aria-label": "Open the row above", title: "Open the row above" }),
      button("aod-step", "↓", () => this.#walk(1), { "aria-label": "Open the row below", title: "Open the row below" }),
      this.other,
      button("aod-close", "✕", () => this.#close(), { "aria-label": "Close", title: "Close (Esc)" }),
    );
    this.peek.append(this.peekTitle, acts);
  }

  header() {
    const { facts, talk } = this.page;
    if (!facts.title) return;
    this.head.update(facts, talk.arrives, talk.isGone);
    this.filter.header(facts);
    if (talk.isGone && !this.notes.textContent) this.note("The kernel has gone: this board is a copy.");
  }

  tick() {
    this.header();
    this.filter.update();
    this.list.schedule();
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
    if (message.type === "opened") void this.below.show(message.model);
    else if (message.type === "html") {
      this.#close();
      this.below.put(still(message.html));
      this.below.root.prepend(button("aod-close aod-push", "✕", () => this.below.clear(), { "aria-label": "Close the comparison" }));
    } else if (message.type === "note") {
      this.note(message.text, message.isError);
      if (!this.selbar.isStarting) return;
      this.selbar.isStarting = false;
      if (message.isError) this.#showSelected();
      else this.#select([]); // a second press would start them once more
    }
  }

  changed() {
    this.list.schedule();
  }

  #resized() {
    styled(this.root); // it may have come into a shadow root
    const { scroller } = this;
    this.root.style.setProperty("--aod-scrollbar", `${scroller.offsetWidth - scroller.clientWidth}px`);
    const narrow = this.root.clientWidth > 0 && this.root.clientWidth < NARROW_BOX_PX;
    if (narrow !== this.narrow) {
      this.narrow = narrow;
      this.#relist(false);
    }
    this.list.schedule();
  }

  // -- which rows are shown

  #before() {
    const { table } = this;
    const now = Date.now();
    // A change can move a row where rows are sorted, searched, or left out until they run.
    if (table.changed.size && (this.sorting.keys.length || this.filter.isOn || this.leftOut)) this.isStale = true;
    const isDue = this.isStale && now - this.sortedAt >= RESORT_MS;
    const isNew = table.fresh.size > 0;
    if (this.mustRelist || ((isNew || isDue) && !this.isOver)) this.#order(now);
    else {
      for (const n of table.changed) this.list.drawn.get(n)?.setAttribute("data-stale", "");
      if (this.isStale) this.#orderLater();
    }
    table.changed.clear();
    this.more.hidden = !table.fresh.size;
    if (table.fresh.size) setText(this.more, `${table.fresh.size.toLocaleString("en")} new`);
  }

  /** Choose and order the rows again. @param {number} now */
  #order(now) {
    const { table } = this;
    this.mustRelist = this.isStale = false;
    this.sortedAt = now;
    table.fresh.clear();
    const seconds = now / 1000;
    const numbers = this.filter.choose(seconds);
    this.filter.update();
    const { tool } = this.filter;
    const sorted = this.sorting.keys.length || tool ? this.sorting.sort(table.rows, numbers, seconds, tool) : numbers;
    this.list.set(sorted, this.fromTop);
    this.fromTop = false;
    this.leftOut = table.rows.size - sorted.length;
    this.scroller.setAttribute("aria-rowcount", String(sorted.length));
    this.empty.hidden = sorted.length > 0;
    setText(this.empty, table.rows.size ? "No row passes the filter." : "No sessions yet.");
    this.#showSelected();
  }

  /** The last change may have come too soon after an ordering. */
  #orderLater() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.list.schedule(), RESORT_MS);
  }

  #relist(fromTop = true) {
    this.mustRelist = true;
    this.fromTop = fromTop;
    this.list.schedule();
  }

  #resort() {
    this.isOver = false;
    this.#relist(false);
  }

  /** @param {string} key @param {boolean} adds */
  #sort(key, adds) {
    this.sorting.press(key, adds);
    for (const sorter of this.header_.querySelectorAll("button")) {
      const at = this.sorting.keys.findIndex((each) => each.key === sorter.dataset.key);
      const isDown = at >= 0 && this.sorting.keys[at].isDown;
      const head = COLUMNS.find((each) => each.key === sorter.dataset.key)?.head ?? "";
      setText(sorter, at < 0 ? head : `${head} ${isDown ? "↓" : "↑"}`);
      sorter.setAttribute("aria-pressed", String(at >= 0));
      sorter.setAttribute("aria-label", at < 0 ? head : `${head}, sorted ${isDown ? "down" : "up"}`);
    }
    this.#relist();
  }

  // -- drawing

  /** Show a row in an element, which may have shown another one. @param {number} n @param {number} place @param {HTMLElement} row */
  #show(n, place, row) {
    row.id = `${this.page.id}-${n}`;
    row.dataset.row = String(n);
    row.setAttribute("aria-rowindex", String(place + 1));
    this.#content(n, row);
    return row;
  }

  /** @param {number} n @param {HTMLElement} row */
  #content(n, row) {
    const own = /** @type {BoardRow} */ (this.table.rows.get(n));
    const now = Date.now() / 1000;
    COLUMNS.forEach(({ key, text, title }, i) => {
      const cell = /** @type {HTMLElement} */ (row.children[i + 1]);
      const shown = text(own, now);
      const tooltip = key === "status" ? shown : title?.(own) ?? "";
      if (cell.title !== tooltip) cell.title = tooltip;
      if (key === "status") {
        cell.dataset.status = own.status;
        setText(cell.children[0], shown);
      } else if (key === "prompt") {
        write(cell.children[0], shown, this.filter.query);
        setText(cell.children[1], this.narrow ? meta(own, now) : "");
      } else if (key === "tools") {
        setText(cell.children[0], shown);
        setText(cell.children[1], own.failed ? `✗${own.failed}` : "");
        /** @type {HTMLElement} */ (cell.children[1]).title = own.failed ? failures(own) : "";
      } else write(cell, shown, key === "last" || key === "id" ? this.filter.query : null);
    });
    row.removeAttribute("data-stale");
    this.#mark(n, row);
  }

  /** @param {number} n @param {HTMLElement} element */
  #update(n, element) {
    const own = this.table.rows.get(n);
    if (!own) return;
    if (element.hasAttribute("data-stale")) this.#content(n, element);
    const now = Date.now() / 1000;
    COLUMNS.forEach(({ key, text }, i) => {
      if (key === "age" || (key === "time" && isActive(own.status))) setText(element.children[i + 1], text(own, now));
    });
  }

  /** Show whether a row is selected, open, or the one that keys act on. @param {number} n @param {HTMLElement} element */
  #mark(n, element) {
    const isSelected = this.selected.has(n);
    element.classList.toggle("aod-selected", isSelected);
    element.classList.toggle("aod-opened", n === this.opened);
    element.classList.toggle("aod-active", n === this.active);
    element.setAttribute("aria-selected", String(isSelected));
    element.querySelector(".aod-cb")?.setAttribute("aria-checked", String(isSelected));
  }

  #markAll() {
    for (const [n, element] of this.list.drawn) this.#mark(n, element);
  }

  // -- what a reader does

  /** @param {Event} event */
  #rowOf(event) {
    const element = /** @type {HTMLElement?} */ (/** @type {HTMLElement} */ (event.target).closest(".aod-br"));
    return element?.dataset.row === undefined ? -1 : Number(element.dataset.row);
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const n = this.#rowOf(event);
    if (n < 0 || getSelection()?.toString()) return;
    this.#activate(n, false);
    const target = /** @type {HTMLElement} */ (event.target);
    if (target.closest(".aod-cb") || target.querySelector(".aod-cb")) this.#toggle(n);
    else if (event.detail < 2) this.#open(n, this.opened >= 0 ? this.what : "transcript");
  }

  /** @param {number} n @param {boolean} [scrolls] */
  #activate(n, scrolls = true) {
    this.active = n;
    this.scroller.setAttribute("aria-activedescendant", `${this.page.id}-${n}`);
    this.#markAll();
    if (scrolls) this.list.reveal(n);
  }

  /** Show a row's transcript or trace below. @param {number} n @param {string} what */
  #open(n, what) {
    const row = this.table.rows.get(n);
    if (!row) return;
    this.opened = n;
    this.what = what;
    this.peek.hidden = false;
    if (this.peekTitle) setText(this.peekTitle, row.prompt);
    if (this.other) setText(this.other, what === "trace" ? "Transcript" : "Trace");
    this.note("");
    const tool = this.filter.tool ? row.failing.find(([name]) => name.toLowerCase() === this.filter.tool)?.[0] : undefined;
    this.page.talk.ask({ type: "open", row: n, what, ...(tool ? { tool } : {}) });
    this.#markAll();
  }

  /** Open the row above or below the one that is open. @param {number} step */
  #walk(step) {
    const { keys } = this.list;
    const n = keys[Math.max(0, Math.min(keys.length - 1, keys.indexOf(this.opened) + step))];
    if (n === undefined || n === this.opened) return;
    this.#activate(n);
    this.#open(n, this.what);
  }

  #close() {
    this.opened = -1;
    this.peek.hidden = true;
    this.below.clear();
    this.#markAll();
  }

  /** @param {number} n */
  #toggle(n) {
    this.#select(this.selected.has(n) ? [...this.selected].filter((each) => each !== n) : [...this.selected, n]);
  }

  #selectAll() {
    const { keys } = this.list;
    this.#select(keys.every((n) => this.selected.has(n)) ? [] : keys);
  }

  /** @param {number[]} numbers */
  #select(numbers) {
    this.selected = new Set(numbers);
    this.page.talk.ask({ type: "select", rows: numbers });
    this.#showSelected();
    this.#markAll();
  }

  #showSelected() {
    const { size } = this.selected;
    const { keys } = this.list;
    this.selbar.update(this.#chosen(), this.page.facts.can?.includes("again"));
    const whole = size && keys.every((n) => this.selected.has(n));
    this.all?.setAttribute("aria-checked", whole ? "true" : size ? "mixed" : "false");
  }

  /** The rows that are selected. */
  #chosen() {
    return [...this.selected].map((n) => this.table.rows.get(n));
  }

  #compare() {
    this.note("Comparing…");
    this.page.talk.ask({ type: "compare" }, () => this.note(""));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.target !== this.scroller || event.ctrlKey || event.metaKey || event.altKey) return;
    const { keys } = this.list;
    const act = this.#acts()[event.key];
    if (!keys.length || !act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  /** @returns {Record<string, () => void>} */
  #acts() {
    const { keys } = this.list;
    const at = keys.indexOf(this.active);
    const n = keys[Math.max(0, at)];
    /** @param {number} place */
    const go = (place) => {
      const next = keys[Math.max(0, Math.min(keys.length - 1, place))];
      this.#activate(next);
      if (this.opened >= 0) this.#open(next, this.what);
    };
    return {
      ArrowDown: () => go(at + 1),
      ArrowUp: () => go(at - 1),
      PageDown: () => go(at + ROWS_A_PAGE),
      PageUp: () => go(at - ROWS_A_PAGE),
      Home: () => go(0),
      End: () => go(keys.length - 1),
      Enter: () => this.#open(n, "transcript"),
      t: () => this.#open(n, "trace"),
      " ": () => this.#toggle(n),
      a: () => this.#selectAll(),
      c: () => copyAndNote(this, this.table.rows.get(n)?.id ?? "", "id"),
      Escape: () => this.#close(),
      "/": () => this.filter.search.focus(),
    };
  }
}

/** The cells of a row that shows nothing yet. */
function emptyRow() {
  const row = make("div", "aod-br", "", { role: "row" });
  const box = make("span", "aod-cb", "", { role: "checkbox", "aria-label": "Select", "aria-checked": "false" });
  row.append(wrap(box, "gridcell"));
  for (const { key, kind } of COLUMNS) {
    const cell = make("span", kind, "", { role: "gridcell" });
    if (key === "status") cell.append(make("span", "aod-word"));
    if (key === "prompt") cell.append(make("span", "aod-line1"), make("span", "aod-meta"));
    if (key === "tools") cell.append(make("span", ""), make("span", "aod-bad"));
    row.append(cell);
  }
  return row;
}

/** @param {Element} cell @param {string} text @param {RegExp?} query its hits are marked */
function write(cell, text, query) {
  if (!query && !cell.firstElementChild) return setText(cell, text);
  cell.replaceChildren();
  fill(cell, text, [], query, false);
}

/** @param {HTMLElement} element @param {string} [role] */
function wrap(element, role) {
  const cell = make("span", "", "", role ? { role } : {});
  cell.append(element);
  return cell;
}

/** @type {WidgetMaker} */
export function board(model, early) {
  return widgetOf(new RecordPage(model, early, new RowTable(), (page) => new BoardView(page)));
}
