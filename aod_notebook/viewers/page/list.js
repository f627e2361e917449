// @ts-check
/**
 * A list of very many rows, of which only those in sight are in the page. It alone knows the
 * reader's place, whether the end is followed, and which elements exist.
 */

import { make } from "./dom.js";

const OVERSCAN = 8; // rows that are drawn above and below those in sight
const REUSED = 4; // the same where rows are reused
const SETTLED_MS = 200; // without a drawing, elements that are reused are put into their order
const FOLLOWED = 2; // the same while the end is followed
const NEAR_END_PX = 10;
const HIDDEN_MS = 500;

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
 * The list itself. Rows are known by a key, a number of the owner's choice:
 *
 *     const list = new VirtualList(scroller, {
 *       estimate: (key) => 24,                       // height in px until the row was drawn
 *       element: (key, place) => make("div", "", …), // called when the row comes into sight
 *       update: (key, element) => {},                // called at each drawing of a row in sight
 *       reuse: (key, place, element) => {},          // where all rows are as high: show another row in an element
 *       before: () => {},                            // before each drawing: take what is new here
 *       after: () => {},                             // after it: what depends on the place
 *     }, { signal, follows: true });
 *     list.push(key); list.set(keys); list.schedule();
 */
export class VirtualList {
  space = make("div", "aod-space", "", { role: "none" });
  rows = make("div", "aod-rows", "", { role: "none" });

  /** @param {HTMLElement} scroller @param {ListOwner} owner @param {{signal: AbortSignal, follows?: boolean}} options */
  constructor(scroller, owner, { signal, follows = false }) {
    this.scroller = scroller;
    this.owner = owner;
    /** @type {number[]} */ this.keys = [];
    this.heights = new Heights();
    /** @type {Map<number, HTMLElement>} by key */ this.drawn = new Map();
    /** @type {({key: number, element: HTMLElement} | undefined)[]} elements that are reused; place i has number i % size */ this.slots = [];
    this.settling = 0;
    this.follows = follows;
    this.scrollTop = 0;
    this.height = -1; // of the space, as it was set
    this.scheduled = false;
    this.stale = false; // rows that are drawn have to be drawn again
    this.space.append(this.rows);
    scroller.append(this.space);
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true, signal });
    // A wheel begins slowly: drawing must not take the reader back meanwhile.
    scroller.addEventListener("wheel", ({ deltaY }) => {
      if (deltaY < 0 && scroller.scrollTop > 0) this.unfollow();
    }, { passive: true, signal });
    scroller.addEventListener("pointermove", (event) => event.buttons && this.unfollow(), { signal }); // selects
  }

  /** Add a row at the end. @param {number} key */
  push(key) {
    this.keys.push(key);
    this.heights.push(this.owner.estimate(key));
  }

  /**
   * Show other rows, or the same in another order; the row at the top of the view stays there.
   * @param {number[]} keys @param {boolean} [fromTop] show the first rows instead
   */
  set(keys, fromTop = false) {
    const before = this.keys;
    let top = this.heights.at(this.scrollTop);
    this.keys = keys;
    this.heights = new Heights();
    for (const key of keys) this.heights.push(this.owner.estimate(key));
    this.stale = true;
    if (fromTop) this.scrollTo(0);
    else if (!this.follows && before.length) {
      let place = keys.indexOf(before[top]);
      const known = place < 0 ? new Set(keys) : null;
      while (known && top > 0 && !known.has(before[top])) top--;
      if (known) place = keys.indexOf(before[top]);
      this.scrollTo(this.heights.top(Math.max(0, place)));
    }
    this.schedule();
  }

  /** @param {number} y */
  scrollTo(y) {
    if (this.height !== this.heights.total) {
      this.height = this.heights.total;
      this.space.style.height = `${this.height}px`;
    }
    this.scroller.scrollTop = y;
    this.scrollTop = this.scroller.scrollTop;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    if (clientHeight === 0 || scrollTop === this.scrollTop) return; // hidden, or it is our own doing
    const atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    if (scrollTop < this.scrollTop - 1 && !atEnd) this.unfollow();
    else if (atEnd && scrollTop > this.scrollTop) this.follows = true;
    this.scrollTop = scrollTop;
    this.schedule();
  }

  unfollow() {
    if (!this.follows) return;
    this.follows = false;
    this.owner.left?.();
  }

  follow() {
    this.follows = true;
    this.schedule();
  }

  /** Bring a row into sight, with so many pixels below it. @param {number} key @param {number} below */
  reveal(key, below = 0) {
    const i = this.keys.indexOf(key);
    if (i < 0) return;
    const [top, height] = [this.heights.top(i), this.heights.rows[i] + below];
    const { scrollTop, clientHeight } = this.scroller;
    if (i < this.keys.length - 1) this.unfollow();
    if (top < scrollTop || top + height > scrollTop + clientHeight) {
      this.scrollTo(top > scrollTop ? Math.min(top, top + height - clientHeight) : top);
    }
    this.schedule();
  }

  /** The list is in the page, perhaps again: at its place. */
  attached() {
    this.scroller.scrollTop = this.scrollTop;
    this.schedule();
  }

  /** Draw at the next animation frame. */
  schedule() {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.draw();
    });
  }

  /** A row has changed. @param {number} key */
  redraw(key) {
    this.forget(key);
    const i = this.keys.indexOf(key);
    if (i >= 0) this.heights.set(i, this.owner.estimate(key));
    this.schedule();
  }

  /** Draw a row again when it is in sight. @param {number} key */
  forget(key) {
    if (!this.owner.reuse) this.drawn.get(key)?.remove();
    this.drawn.delete(key);
  }

  /** Draw now. */
  draw() {
    const { scroller, owner } = this;
    if (!scroller.clientWidth) {
      // Hidden, perhaps for a moment that no observer reports.
      if (scroller.isConnected) setTimeout(() => this.schedule(), HIDDEN_MS);
      return;
    }
    owner.before?.();
    const viewport = scroller.clientHeight || 400;
    for (let pass = 0; pass < 4; pass++) {
      // Not where the page has it: an output that was collapsed forgets its place.
      this.scrollTo(this.follows ? 1e9 : this.scrollTop);
      const more = this.follows ? FOLLOWED : owner.reuse ? REUSED : OVERSCAN;
      const first = Math.max(0, this.heights.at(this.scrollTop) - more);
      const last = Math.min(this.keys.length, this.heights.at(this.scrollTop + viewport) + 1 + more);
      if (owner.reuse) {
        this.#place(first, last, Math.ceil(viewport / owner.estimate(this.keys[0])) + 2 * REUSED + 2);
        break;
      }
      this.#fill(first, last);
      this.rows.style.transform = `translateY(${this.heights.top(first)}px)`;
      if (!this.#measure(first, last)) break;
    }
    if (this.follows) this.scrollTo(1e9);
    owner.after?.();
  }

  /** Have just the rows of these places in the page. @param {number} first @param {number} last */
  #fill(first, last) {
    const { rows } = this;
    if (this.stale) {
      this.drawn.clear();
      rows.replaceChildren();
      this.stale = false;
    }
    const wanted = new Set(this.keys.slice(first, last));
    for (const [key, element] of this.drawn) {
      if (wanted.has(key)) continue;
      element.remove();
      this.drawn.delete(key);
    }
    let next = rows.firstElementChild;
    for (let i = first; i < last; i++) {
      const key = this.keys[i];
      let element = this.drawn.get(key);
      if (!element) {
        element = this.owner.element(key, i);
        this.drawn.set(key, element);
      }
      this.owner.update?.(key, element);
      if (element === next) next = next.nextElementSibling;
      else rows.insertBefore(element, next);
    }
  }

  /**
   * Show the rows of these places, all as high, in the same few elements: what scrolls out of sight
   * is moved and filled again, for new elements cost a frame.
   * @param {number} first @param {number} last @param {number} size how many elements there are at most
   * @returns {void}
   */
  #place(first, last, size) {
    const { owner, slots, drawn } = this;
    if (slots.length !== size) {
      for (const slot of slots) slot?.element.remove();
      this.slots = new Array(size).fill(undefined);
      drawn.clear();
      this.stale = false;
      return this.#place(first, last, size);
    }
    const wanted = new Set(this.keys.slice(first, last));
    for (const [key] of drawn) if (!wanted.has(key)) drawn.delete(key);
    for (let i = last; i < first + size; i++) this.#vacate(i % size);
    for (let i = first; i < last; i++) {
      const key = this.keys[i];
      let slot = slots[i % size];
      if (!slot) {
        slot = { key, element: owner.element(key, i) };
        slots[i % size] = slot;
        const next = slots.slice((i % size) + 1).find((each) => each);
        this.rows.insertBefore(slot.element, next?.element ?? null);
      } else if (slot.key !== key || this.stale || !drawn.has(key)) {
        slot.key = key;
        owner.reuse?.(key, i, slot.element);
      }
      drawn.set(key, slot.element);
      const top = `translateY(${this.heights.top(i)}px)`;
      if (slot.element.style.transform !== top) slot.element.style.transform = top;
      owner.update?.(key, slot.element);
    }
    this.stale = false;
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.#settle(first, last), SETTLED_MS);
  }

  /** Put reused elements into the order in which they are seen, for those who hear or copy them. @param {number} first @param {number} last */
  #settle(first, last) {
    let next = this.rows.firstElementChild;
    for (let i = first; i < last; i++) {
      const element = this.slots[i % this.slots.length]?.element;
      if (!element) continue;
      if (element === next) next = next.nextElementSibling;
      else this.rows.insertBefore(element, next);
    }
  }

  /** @param {number} number */
  #vacate(number) {
    this.slots[number]?.element.remove();
    this.slots[number] = undefined;
  }

  /** Note how high rows came out; say whether any changed. @param {number} first @param {number} last */
  #measure(first, last) {
    const top = this.heights.at(this.scrollTop);
    let [above, changed] = [0, false];
    for (let i = first; i < last; i++) {
      const height = this.drawn.get(this.keys[i])?.offsetHeight ?? 0;
      if (!height || Math.abs(height - this.heights.rows[i]) < 1) continue;
      const change = this.heights.set(i, height);
      if (i < top) above += change;
      changed = true;
    }
    if (above && !this.follows) this.scrollTo(this.scrollTop + above);
    return changed;
  }
}
