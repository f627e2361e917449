// @ts-check
/** The stream viewer: the rows of one session or run in this page, and the talk with its kernel. */

import { KINDS } from "./kinds.js";
import { Outputs, watchKernel } from "./outputs.js";
import { GONE_S, SYNC_RETRY_MS, Talk } from "./protocol.js";
import { still } from "./still.js";
import { RowStore } from "./store.js";
import { View } from "./view.js";

const FLOWS = 8; // messages with rows in a second: no other sign of life is needed

/** It outlives the outputs that show it: JupyterLab draws them again when it likes. */
export class Page {
  /** @param {Model} model @param {[any, DataView[]][]} early messages that came already */
  constructor(model, early) {
    this.end = new AbortController(); // of all that listens
    this.id = Math.random().toString(36).slice(2);
    this.model = model;
    this.talk = new Talk(this.id, (content) => model.send(content));
    this.store = new RowStore();
    this.head = 0;
    this.half = ["", ""]; // the kind and the text of the row that is being written
    this.lastNews = Date.now();
    this.factsAt = Date.now();
    this.askedAt = 0;
    this.flow = 0; // messages with rows in this second
    this.absent = 0; // seconds without an output that shows the rows
    const { signal } = this.end;
    this.outputs = new Outputs(() => this.facts.key, () => new View(this), signal);
    model.on("msg:custom", this.#receive.bind(this));
    model.on("change:facts", () => {
      this.lastNews = this.factsAt = Date.now();
      this.header();
    });
    watchKernel(model, () => this.#gone(), signal);
    signal.addEventListener("abort", () => clearInterval(this.timer));
    this.timer = setInterval(() => this.#tick(), 1000);
    this.talk.hello();
    for (const [message, buffers] of early) this.#receive(message, buffers);
  }

  /** @returns {Facts} */
  get facts() {
    return this.model.get("facts");
  }

  #gone() {
    this.talk.gone();
    this.header();
  }

  get views() {
    return this.outputs.views;
  }

  /** Stop what turns while rows flow. @param {boolean} flows */
  #flows(flows) {
    for (const { root } of this.views) root.classList.toggle("aod-flows", flows);
  }

  #tick() {
    this.outputs.mount();
    if (this.flow < FLOWS) this.#flows(false);
    this.flow = 0;
    const { shown } = this.outputs;
    if (shown.length) this.talk.tick();
    for (const view of shown) {
      view.header();
      view.list.schedule(); // it may have lost its place unseen
      view.selection.note();
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

  /** Bring the headers of all views up to date. */
  header() {
    for (const view of this.views) view.header();
  }

  /** The model has gone: nothing comes any more, and what is shown stays. */
  close() {
    this.end.abort();
    this.lastNews = 0;
    this.header();
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
          if (++this.flow === FLOWS) this.#flows(true);
          this.half = ["", ""];
          for (const view of this.views) view.list.schedule();
        }
        break;
      case "welcome":
      case "took":
        this.header();
        break;
      case "partial":
        this.half = [KINDS[message.kind], message.text];
        for (const view of this.views) view.list.schedule();
        break;
      case "text":
        this.store.extend(message.row, message.start, message.text);
        for (const view of this.views) view.redraw(message.row);
        break;
      case "still":
        if (message.page === this.id) {
          const live = `.aod-live-${this.facts.key}`;
          for (const { root } of this.views) (root.closest(live) ?? root).replaceWith(still(message.html));
          for (const view of this.views) view.close();
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

/** @type {WidgetMaker} */
export function stream(model, early) {
  const page = new Page(model, early);
  return {
    close: () => page.close(),
    show(el) {
      page.talk.hello();
      return page.outputs.show(el, () => page.send({ type: "shown" }));
    },
  };
}
