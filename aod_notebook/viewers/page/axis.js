// @ts-check
/** The time axis of a trace: which part of it is in sight, its ticks, and where a bar stands. */

import { US } from "./amounts.js";

const GROWTH = 1.25; // the axis of something that runs grows in steps, not at each frame
const CLOSEST_US = 1000;
export const ZOOM = 1.25; // of one step
const TICKS = 7;
const STEPS = [1, 2, 5, 10];

export class Axis {
  constructor() {
    this.first = 0; // of the whole, in microseconds
    this.last = 0;
    this.from = 0; // of what is in sight
    this.to = 0;
    this.isWhole = true;
  }

  /** Take how far the spans reach; say whether the axis has changed. @param {number} first @param {number} last @param {boolean} runs */
  reach(first, last, runs) {
    const grown = runs && last > this.last ? first + (last - first) * GROWTH : Math.max(last, first + CLOSEST_US);
    const fits = runs && first === this.first && last <= this.last;
    if (fits || (first === this.first && grown === this.last)) return false;
    this.first = first;
    this.last = grown;
    if (this.isWhole) [this.from, this.to] = [first, grown];
    return true;
  }

  reset() {
    [this.from, this.to, this.isWhole] = [this.first, this.last, true];
  }

  /** @param {number} factor @param {number} [at] which part of what is in sight stays, 0 to 1 */
  zoom(factor, at = 0.5) {
    const whole = this.last - this.first;
    const width = Math.min(whole, Math.max(Math.min(CLOSEST_US, whole), (this.to - this.from) * factor));
    const fixed = this.from + (this.to - this.from) * at;
    this.#show(fixed - width * at, width);
  }

  /** @param {number} part of what is in sight */
  pan(part) {
    const width = this.to - this.from;
    this.#show(this.from + width * part, width);
  }

  /** @param {number} from @param {number} width */
  #show(from, width) {
    this.from = Math.max(this.first, Math.min(from, this.last - width));
    this.to = this.from + width;
    this.isWhole = width >= this.last - this.first;
  }

  /** Where a time stands, in percent of what is in sight. @param {number} time */
  percent(time) {
    return ((time - this.from) / (this.to - this.from || 1)) * 100;
  }

  /** Times and labels of the ticks in sight. @returns {[number, string][]} */
  ticks() {
    const span = this.to - this.from;
    if (span <= 0) return [];
    const rough = span / TICKS;
    const power = 10 ** Math.floor(Math.log10(rough));
    let step = power * (STEPS.find((each) => each * power >= rough) ?? 10);
    const minutes = [60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400].map((each) => each * US);
    if (step >= 60 * US) step = minutes.find((each) => each >= rough) ?? step;
    /** @type {[number, string][]} */ const found = [];
    const begin = this.first + Math.ceil((this.from - this.first) / step - 1e-9) * step;
    for (let time = begin; time < this.to; time += step) found.push([time, label(time - this.first, step, !found.length)]);
    return found;
  }
}

/** @param {number} us since the beginning @param {number} step @param {boolean} isFirst */
function label(us, step, isFirst) {
  const s = us / US;
  if (step >= 60 * US) return step % (3600 * US) ? `${Math.round(s / 60)}${isFirst ? " min" : ""}` : `${Math.round(s / 3600)}${isFirst ? " h" : ""}`;
  const digits = step >= US ? 0 : Math.min(6, Math.ceil(-Math.log10(step / US) - 1e-9));
  return `${s.toFixed(digits)}${isFirst ? " s" : ""}`;
}

/**
 * Let the wheel with Ctrl zoom, and dragging pan, where the bars are.
 * @param {Axis} axis @param {HTMLElement} root @param {HTMLElement} ticks is as wide as the bars
 * @param {() => void} changed @param {AbortSignal} signal
 */
export function watchAxis(axis, root, ticks, changed, signal) {
  /** The box of the bars, if the pointer is over it. @param {MouseEvent} event */
  const barsAt = (event) => {
    const box = ticks.getBoundingClientRect();
    const isIn = event.clientX >= box.left && event.clientX <= box.right && /** @type {HTMLElement} */ (event.target).closest(".aod-tr");
    return isIn && box.width ? box : null;
  };
  root.addEventListener("wheel", (event) => {
    const bars = barsAt(event);
    if (!event.ctrlKey || !bars) return;
    event.preventDefault();
    axis.zoom(event.deltaY < 0 ? 1 / ZOOM : ZOOM, (event.clientX - bars.left) / bars.width);
    changed();
  }, { passive: false, signal });
  /** @type {{x: number, width: number}?} */ let held = null;
  root.addEventListener("pointerdown", (event) => {
    const bars = barsAt(event);
    held = bars && !axis.isWhole && event.button === 0 ? { x: event.clientX, width: bars.width } : null;
  }, { signal });
  root.addEventListener("pointermove", (event) => {
    if (!held || !event.buttons) return;
    axis.pan((held.x - event.clientX) / held.width);
    held.x = event.clientX;
    getSelection()?.removeAllRanges();
    changed();
  }, { signal });
  root.addEventListener("pointerup", () => {
    held = null;
  }, { signal });
}
