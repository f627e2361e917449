// @ts-check
/** The icons of tools and rows. */

const PATHS = {
  prompt: "M6 3.5 10.5 8 6 12.5",
  read: "M4 2.5h5l3 3v8H4zM9 2.5v3h3M6.5 8.5h3M6.5 11h3",
  lens: "M7 3a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM10 10l3.5 3.5",
  edit: "M10.5 3 13 5.5 6 12.5l-3 .5.5-3zM9 4.5 11.5 7",
  run: "M2.5 3.5h11v9h-11zM5 6.5 7 8l-2 1.5M8.5 10H11",
  agent: "M5 2.5v11M5 6.5h4.5a2 2 0 0 1 2 2v1.5M5 3.5a1 1 0 1 0 0-.1M11.5 12.5a1 1 0 1 0 0-.1",
  todo: "M2.5 4.5 3.5 5.5 5.5 3M8 4.5h5.5M2.5 8.5 3.5 9.5 5.5 7M8 8.5h5.5M8 12.5h5.5M3 12.5h1.5",
  think: "M8 2.5v2M8 11.5v2M2.5 8h2M11.5 8h2M4.1 4.1l1.4 1.4M10.5 10.5l1.4 1.4M4.1 11.9l1.4-1.4M10.5 5.5l1.4-1.4",
  cube: "M8 2.5 13 5.2v5.6L8 13.5l-5-2.7V5.2zM3 5.2 8 8l5-2.8M8 8v5.5",
  bars: "M2.5 4h6M5 8h7M8 12h5.5",
  web: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM2.5 8h11M8 2.5c4 4 4 7 0 11M8 2.5c-4 4-4 7 0 11",
};
/** @type {Record<string, keyof typeof PATHS>} the icon of each tool; an unknown one gets the globe */
const TOOL_ICONS = {};
/** @type {[keyof typeof PATHS, string][]} */
const ICONS = [
  ["read", "Read read read_file NotebookRead"],
  ["lens", "Grep grep Glob glob search_file_content grep_search list_directory ls LS"],
  ["edit", "Edit MultiEdit Write edit write write_file replace NotebookEdit file_change apply_patch patch"],
  ["run", "Bash bash command_execution run_shell_command"],
  ["agent", "Task Agent task spawn_agent"],
  ["todo", "TodoWrite todowrite write_todos TaskCreate TaskUpdate TaskGet TaskList To-do list"],
];
for (const [icon, names] of ICONS) for (const name of names.split(" ")) TOOL_ICONS[name] = icon;
TOOL_ICONS["To-do list"] = "todo";

/** The name of a tool's icon. @param {string} tool */
export const iconNameOf = (tool) => TOOL_ICONS[tool] ?? "web";

/** The icon of a tool, or of another kind of row. @param {string} tool @param {keyof typeof PATHS} [named] */
export function iconOf(tool, named) {
  const icon = named ?? iconNameOf(tool);
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", `aod-icon aod-k-${icon}`);
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", PATHS[icon]);
  svg.append(path);
  return svg;
}
