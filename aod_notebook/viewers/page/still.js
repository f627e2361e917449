// @ts-check
/** The static form, in place of a frozen view. */

/** The elements and attributes of static HTML. */
const STILL = (
  "div span b pre code details summary a p h1 h2 h3 h4 h5 h6 ul ol li em strong s blockquote hr table thead " +
  "tbody tr th td br img style open target rel alt start"
).split(" ");
const PICTURE = /^data:image\/(png|jpeg|gif|webp);/;

/**
 * Static HTML of the kernel as an element; only what it is made of gets into the page.
 * @param {string} html
 */
export function still(html) {
  const { body } = new DOMParser().parseFromString(html, "text/html");
  for (const each of body.querySelectorAll("*")) {
    if (!STILL.includes(each.localName)) each.remove();
    for (const { name, value } of [...each.attributes]) {
      const isKept = name === "href" ? /^https?:/.test(value) : name === "src" ? PICTURE.test(value) : STILL.includes(name);
      if (!isKept) each.removeAttribute(name);
    }
  }
  return /** @type {Element} */ (body.firstElementChild);
}
