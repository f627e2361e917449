// @ts-check
/** How a page and its kernel talk. */

import { isDark } from "./theme.js";

export const SYNC_RETRY_MS = 1000;
export const GONE_S = 3; // without an output, a page tells its kernel that it has gone
const HASTY_TRIES = 60; // a kernel that is busy for long keeps what it is asked

/**
 * What a page asks of its kernel: asked again each second until it is answered, for messages are
 * lost while a kernel begins. The kernel passes over what it has taken already.
 */
export class Talk {
  /**
   * @param {string} page its id @param {(content: object) => void} post throws if nothing can be sent
   * @param {() => boolean} looksDark
   */
  constructor(page, post, looksDark = isDark) {
    this.page = page;
    this.post = post;
    this.looksDark = looksDark;
    this.arrives = false; // whether messages reach the kernel
    this.isGone = false; // whether the front end says that the kernel has gone
    this.tries = 0;
    this.waited = 0; // seconds, for the kernel to take something
    this.number = 0;
    this.dark = false; // as it was reported
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

  /** Report that the page is there, and how it looks, which figures follow. */
  hello() {
    this.dark = this.looksDark();
    this.send({ type: "hello", dark: this.dark });
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
    if (this.arrives && this.dark !== this.looksDark()) this.hello();
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
