// @ts-check
/** The page side of a view of records: keeps each in its last state, and asks for what it lacks. */

import { make } from "./dom.js";
import { Outputs, watchKernel } from "./outputs.js";
import { GONE_S, SYNC_RETRY_MS, Talk } from "./protocol.js";

const PATIENCE_MS = 300;

/** What a message of records leaves a page with: the version that it has now. */
export class Versions {
  constructor() {
    this.version = 0;
    this.head = 0;
  }

  /** Whether a message can be taken: it begins no later than the page has come. @param {{from: number, to: number}} message */
  take({ from, to }) {
    if (from > this.version) return false;
    this.version = Math.max(this.version, to);
    return true;
  }

  get isBehind() {
    return this.version < this.head;
  }
}

/** It outlives the outputs that show it. */
export class RecordPage {
  /**
   * @param {Model} model @param {[any, DataView[]][]} early messages that came already
   * @param {{take: (number: number, record: any[]) => void}} store
   * @param {(page: RecordPage) => RecordView} view
   */
  constructor(model, early, store, view) {
    this.end = new AbortController(); // of all that listens
    this.id = Math.random().toString(36).slice(2);
    this.model = model;
    this.store = store;
    this.talk = new Talk(this.id, (content) => model.send(content));
    this.versions = new Versions();
    this.askedAt = 0;
    this.shownAt = 0; // when views last got new records
    this.factsAt = Date.now();
    this.absent = 0; // seconds without an output
    const { signal } = this.end;
    this.outputs = new Outputs(() => this.facts.key, () => view(this), signal);
    model.on("msg:custom", this.#receive.bind(this));
    model.on("change:facts", () => {
      this.factsAt = Date.now();
      this.header();
    });
    watchKernel(model, () => {
      this.talk.gone();
      this.header();
    }, signal);
    const timer = setInterval(() => this.#tick(), 1000);
    signal.addEventListener("abort", () => clearInterval(timer));
    this.talk.hello();
    for (const [message, buffers] of early) this.#receive(message, buffers);
  }

  /** @returns {any} */
  get facts() {
    return this.model.get("facts");
  }

  header() {
    for (const view of this.outputs.views) view.header();
  }

  #tick() {
    this.outputs.mount();
    const { shown } = this.outputs;
    if (!shown.length) {
      if (++this.absent === GONE_S) this.talk.send({ type: "gone" });
      return;
    }
    if (this.absent >= GONE_S) this.talk.hello();
    this.absent = 0;
    this.talk.tick();
    this.#catchUp();
    for (const view of shown) view.tick();
  }

  close() {
    this.end.abort();
    this.header();
  }

  /** @param {any} message @param {DataView[]} buffers */
  #receive(message, buffers) {
    this.talk.receive(message);
    if (message.head > this.versions.head) this.versions.head = message.head;
    if (message.page && message.page !== this.id) return;
    if (message.type === "records") {
      if (this.versions.take(message)) {
        for (const record of JSON.parse(new TextDecoder().decode(buffers[0]))) this.store.take(record.shift(), record);
        this.askedAt = 0;
        this.#show(message.more);
      }
    } else if (message.type === "welcome" || message.type === "took") this.header();
    else for (const view of this.outputs.views) view.receive(message);
    this.#catchUp();
  }

  /** Let views take what came; while more is on its way, not each time. @param {boolean} [more] */
  #show(more) {
    const now = Date.now();
    if (more && now - this.shownAt < PATIENCE_MS) return;
    this.shownAt = now;
    for (const view of this.outputs.views) view.changed();
  }

  /** Ask for what is lacking; one question at a time, again if nothing comes. */
  #catchUp() {
    if (!this.versions.isBehind || Date.now() - this.askedAt < SYNC_RETRY_MS) return;
    this.askedAt = Date.now();
    this.talk.send({ type: "sync", from: this.versions.version });
  }
}

/** @param {RecordPage} page @returns {ReturnType<WidgetMaker>} */
export function widgetOf(page) {
  return {
    close: () => page.close(),
    show(el) {
      page.talk.hello();
      return page.outputs.show(el, () => page.talk.send({ type: "shown" }));
    },
  };
}

/** Another widget of the kernel, shown below a view. */
export class Below {
  root = make("div", "aod-below", "", { hidden: "" });

  /** @param {Model} model of the view above */
  constructor(model) {
    this.model = model;
    this.shown = ""; // the id of the model that is shown
    /** @type {any} */ this.view = null;
  }

  /** Show the widget of a model. @param {string} id */
  async show(id) {
    this.root.hidden = false;
    if (id === this.shown) {
      this.root.scrollIntoView({ block: "nearest" });
      return;
    }
    this.clear();
    this.shown = id;
    const manager = this.model.widget_manager;
    const view = await manager.create_view(await manager.get_model(id));
    if (this.shown !== id) {
      view.remove();
      return;
    }
    this.view = view;
    this.root.hidden = false;
    this.root.append(view.el ?? view.node);
    view.trigger?.("displayed");
    this.root.scrollIntoView({ block: "nearest" });
  }

  /** Show an element. @param {Element} element */
  put(element) {
    this.clear();
    this.root.hidden = false;
    this.root.append(element);
    this.root.scrollIntoView({ block: "nearest" });
  }

  clear() {
    this.view?.remove();
    this.view = null;
    this.shown = "";
    this.root.replaceChildren();
    this.root.hidden = true;
  }
}
