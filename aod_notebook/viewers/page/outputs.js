// @ts-check
/** The outputs of the page that show a widget, which come and go as the front end draws them again. */

/** States of a kernel in which it takes no messages. */
const GONE = ["restarting", "autorestarting", "terminating", "dead"];
const FRAMES = 30; // for so many an output that is being drawn again is looked for

/** @template {OutputView} V */
export class Outputs {
  /**
   * @param {() => string} key of the HTML that outputs keep, and over which a view is put
   * @param {() => V} make @param {AbortSignal} signal ends it
   */
  constructor(key, make, signal) {
    this.key = key;
    this.make = make;
    /** @type {Set<V>} */ this.views = new Set();
    this.observer = new MutationObserver(() => this.mount());
    signal.addEventListener("abort", () => this.observer.disconnect());
  }

  /** Those that are in the page. */
  get shown() {
    return [...this.views].filter((view) => view.root.isConnected);
  }

  /** A view that is in no output, or a new one. */
  view() {
    let view = [...this.views].find((each) => !each.root.isConnected);
    if (!view) this.views.add((view = this.make()));
    return view;
  }

  /** Put views over the HTML that outputs keep for them, and which shows without a kernel. */
  mount() {
    for (const place of document.getElementsByClassName(`aod-live-${this.key()}`)) {
      if (place.firstElementChild?.classList.contains("aod-viewer")) continue;
      const view = this.view();
      place.replaceChildren(view.root);
      if (place.parentElement) this.observer.observe(place.parentElement, { childList: true });
      view.attached();
    }
  }

  /** An output is being drawn again. */
  mountSoon(frames = FRAMES) {
    this.mount();
    if (frames) requestAnimationFrame(() => this.mountSoon(frames - 1));
  }

  /** @param {HTMLElement} el @param {() => void} inOutput @returns {() => void} called when it is taken away */
  show(el, inOutput) {
    const view = this.view();
    const { root } = view;
    el.append(root);
    view.attached();
    requestAnimationFrame(() => {
      if (el.closest(".jp-OutputArea") && !el.closest(".aod-below")) inOutput();
    });
    return () => {
      if (root.parentElement === el) root.remove(); // else it lives on in another output
      this.mountSoon();
    };
  }
}

/** Call `gone` when the front end says that the kernel has gone. @param {Model} model @param {() => void} gone @param {AbortSignal} signal */
export function watchKernel(model, gone, signal) {
  model.on("comm_live_update", gone);
  const changed = model.widget_manager?.kernel?.statusChanged;
  const look = (/** @type {any} */ _, /** @type {string} */ status) => GONE.includes(status) && gone();
  changed?.connect(look);
  signal.addEventListener("abort", () => changed?.disconnect(look));
}
