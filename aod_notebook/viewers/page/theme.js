// @ts-check
/** The look of the page: one style sheet, put where it is needed, and whether the page is dark. */

const CSS = "page.css"; // the text of that file, once the parts are joined
/** @type {WeakSet<Node>} documents and shadow roots that have the style sheet */
const styledRoots = new WeakSet();

/**
 * Put the style sheet into the document or the shadow root of a view, once. A shadow root (marimo)
 * does not see what the body says of the theme, so there the view says it.
 * @param {Element} element
 */
export function styled(element) {
  const root = element.getRootNode();
  element.classList.toggle("aod-dark", root instanceof ShadowRoot && isDark());
  const place = root instanceof ShadowRoot ? root : document;
  if (styledRoots.has(place)) return;
  styledRoots.add(place);
  const sheet = document.createElement("style");
  sheet.textContent = CSS;
  (root instanceof ShadowRoot ? root : document.head).append(sheet);
}

/** Whether the page is dark: as its front end says, otherwise by its ground. */
export function isDark() {
  const { body } = document;
  if (body.dataset.jpThemeLight) return body.dataset.jpThemeLight === "false";
  if (/\bvscode-(dark|light|high-contrast)\b/.test(body.className)) return !/\bvscode-(high-contrast-)?light\b/.test(body.className);
  const ground = getComputedStyle(body).backgroundColor;
  const [red, green, blue, alpha = 1] = (ground.match(/[\d.]+/g) ?? []).map(Number);
  const white = ground.startsWith("color(") ? 1 : 255; // color(srgb 1 1 1), as marimo's is
  return alpha > 0 && red * 0.3 + green * 0.6 + blue * 0.1 < white / 2;
}
