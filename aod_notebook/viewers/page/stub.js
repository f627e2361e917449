// @ts-check
/**
 * What each widget sends as its module. The widgets themselves are in one module, which the first
 * widget of a page brings; the others find it there, or ask the kernel for it. It stands behind
 * the joined parts, so it imports nothing.
 */

const KEY = Symbol.for("aod-notebook HASH"); // of the parts, so that versions keep apart
const NAME = "NAME";
const ASK_MS = 1000;

/** @returns {Record<string, WidgetMaker> | undefined} */
const known = () => /** @type {any} */ (globalThis)[KEY];

/** @param {string} text of the module, which makes itself known */
async function load(text) {
  if (known()) return;
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  await import(url);
  URL.revokeObjectURL(url);
}

export default () => {
  /** @type {ReturnType<WidgetMaker> | undefined} */ let widget;
  /** @type {Set<() => void>} */ const waiting = new Set();

  return {
    /** @param {{model: Model}} context */
    initialize({ model }) {
      /** @type {[any, DataView[]][]} messages that came before the module */ const early = [];
      /** @param {any} message @param {DataView[]} buffers */
      const receive = async (message, buffers) => {
        if (message.type === "source") await load(message.text);
        else early.push([message, buffers]);
        begin();
      };
      const ask = () => {
        begin();
        if (!widget) model.send({ type: "source" });
      };
      const begin = () => {
        const make = known()?.[NAME];
        if (widget || !make) return;
        clearInterval(timer);
        model.off?.("msg:custom", receive);
        widget = make(model, early);
        for (const show of waiting) show();
      };
      model.on("msg:custom", receive);
      const timer = setInterval(ask, ASK_MS);
      ask();
      return () => {
        clearInterval(timer);
        widget?.close();
      };
    },

    /** @param {{el: HTMLElement}} context */
    render({ el }) {
      /** @type {(() => void) | undefined} */ let leave;
      const show = () => {
        leave = widget?.show(el);
      };
      waiting.add(show);
      if (widget) show();
      return () => {
        waiting.delete(show);
        leave?.();
      };
    },
  };
};
