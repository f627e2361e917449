// @ts-check
/**
 * The widgets of the page. A new one is a file beside these, which exports a `WidgetMaker`, a line
 * below, and a Python class: a `widget.PageWidget` with that name as its `_widget`.
 *
 * What such a file finds here:
 *
 * - `list.js`: `VirtualList`, for rows of any kind by the thousand;
 * - `theme.js`: `styled(root)` puts `page.css` where the widget is, `isDark()`;
 * - `protocol.js`: `Talk`, for what the page asks of its kernel;
 * - `dom.js`, `text.js`, `numbers.js`, `icons.js`: elements, hostile text, durations, icons.
 */

import { board } from "./board.js";
import { stream } from "./stream.js";
import { trace } from "./trace.js";

/** @type {Record<string, WidgetMaker>} */
export const widgets = { board, stream, trace };
