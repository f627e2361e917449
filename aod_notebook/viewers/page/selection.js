// @ts-check
/** What the reader has selected: the row that keys act on, the text, and what has the focus. */

/** It alone keeps these, for elements that leave the page lose them. */
export class Selection {
  /** @param {HTMLElement} rows @param {AbortSignal} signal @param {HTMLElement} root */
  constructor(rows, root, signal) {
    this.rows = rows;
    this.active = -1; // the row that the keys act on
    /** @type {HTMLElement?} */ this.focused = null;
    /** @type {[any, number, any, number]?} */ this.text = null;
    root.addEventListener("focusin", (event) => {
      this.focused = /** @type {HTMLElement} */ (event.target);
      this.text = null;
    }, { signal });
  }

  /** @param {number} n @param {Map<number, HTMLElement>} drawn */
  activate(n, drawn) {
    const before = this.active;
    this.active = n;
    for (const each of [before, n]) {
      const element = drawn.get(each);
      element?.classList.toggle("aod-active", each === n);
      element?.setAttribute("aria-selected", String(each === n));
    }
  }

  /** Remember what text is selected. */
  note() {
    const now = getSelection();
    const isHere = now?.type === "Range" && this.rows.contains(now.anchorNode);
    this.text = isHere ? [now.anchorNode, now.anchorOffset, now.focusNode, now.focusOffset] : null;
  }

  /** Have the focus and the text that were there. */
  restore() {
    const { text } = this; // focus forgets it
    if (document.activeElement !== document.body) return;
    this.focused?.focus({ preventScroll: true });
    try {
      if (text && getSelection()?.type !== "Range") getSelection()?.setBaseAndExtent(...text);
    } catch {
      // Its rows have left.
    }
  }
}

/** Put a text on the clipboard; give whether the page may. @param {string} text @param {HTMLElement} root */
function copied(text, root) {
  const area = document.createElement("textarea");
  area.className = "aod-unseen";
  area.value = "."; // to select so much text takes seconds
  area.addEventListener("copy", (event) => {
    event.clipboardData?.setData("text/plain", text);
    event.preventDefault();
  });
  const focused = /** @type {HTMLElement?} */ (document.activeElement);
  root.append(area);
  area.select();
  // Frames and pages that are not a secure context have no other way to the clipboard.
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus({ preventScroll: true });
  return done;
}

const NOTED_MS = 3000;

/**
 * Put a text on the clipboard of the page, and note below the view for a while whether it is there.
 * @param {{root: HTMLElement, notes: HTMLElement, note: (text: string) => void}} view
 * @param {string} text
 * @param {string} [what]
 */
export function copyAndNote(view, text, what = text) {
  const note = `${copied(text, view.root) ? "Copied" : "Not allowed"}: ${what}`;
  view.note(note);
  setTimeout(() => {
    if (view.notes.textContent === note) view.note("");
  }, NOTED_MS);
}
