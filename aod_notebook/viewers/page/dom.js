// @ts-check
/** Elements: everything on the page is made here, and text goes in by `textContent` only. */

// The notebook's keys are not for what has the focus, and their selectors match that itself.
const FOCUSED = ["section", "form", "button", "input", "textarea", "select", "a"];

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag @param {string} name class @param {string} [text]
 * @param {Record<string, string>} [attributes]
 */
export function make(tag, name, text, attributes = {}) {
  const element = document.createElement(tag);
  if (FOCUSED.includes(tag) || "tabindex" in attributes) element.dataset.lmSuppressShortcuts = "";
  if (name) element.className = name;
  if (text) element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/**
 * @param {string} name class @param {string} text @param {(element: HTMLElement, event: MouseEvent) => void} act
 * @param {Record<string, string>} [attributes]
 */
export function button(name, text, act, attributes) {
  const element = make("button", `aod-button ${name}`, text, { type: "button", ...attributes });
  element.addEventListener("click", (event) => act(element, event));
  return element;
}

/** @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
