// @ts-check
/** What a call changes in files, as red and green lines. */

import { make } from "./dom.js";
import { fill } from "./text.js";

export const DIFF_LINES = 40; // of a diff that is not opened

/** The first lines of a diff. @param {Diff} diff @param {RegExp?} query @param {number} [limit] */
export function diffOf(diff, query, limit = Infinity) {
  const box = make("div", "aod-diff");
  const numbered = diff.lines.some(([, old, fresh]) => old !== null || fresh !== null);
  for (const [sign, old, fresh, text, start, end] of diff.lines.slice(0, limit)) {
    if (sign === "@") {
      box.append(make("div", "aod-hunk", text));
      continue;
    }
    const line = make("div", `aod-dl${sign === "+" ? " aod-add" : sign === "-" ? " aod-del" : ""}`);
    if (numbered) line.append(make("i", "", String(old ?? "")), make("i", "", String(fresh ?? "")));
    line.append(make("b", "", sign === "-" ? "−" : sign));
    const content = fill(make("span", ""), text.slice(0, start), [], query, false);
    if (start < end) content.append(fill(make("u", ""), text.slice(start, end), [], query, false));
    line.append(fill(content, text.slice(Math.max(start, end)), [], query, false));
    box.append(line);
  }
  if (diff.cut && limit > diff.lines.length) box.append(make("div", "aod-hunk", `${diff.cut} more lines`));
  return box;
}
