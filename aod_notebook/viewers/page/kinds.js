// @ts-check
/** The kinds of rows, by number, and the filters over them. */

/** The kinds of rows by number, as in `row.Kind`. */
export const KINDS = [
  "stages", "stage", "turn", "system", "text", "thinking",
  "tool", "tool result", "output", "stderr", "result", "end",
  "model", "step", "event", "question", "prompt",
];
export const [STAGES, , TURN, SYSTEM, TEXT, THINKING, TOOL, TOOL_RESULT, OUTPUT, STDERR, RESULT, , MODEL, STEP, EVENT, , PROMPT] =
  KINDS.keys();
export const MINOR = 30; // a system row that few want to see
export const GHOST = 31; // a row that is a later state of another
export const FOLDED = [THINKING, TOOL_RESULT, MODEL, STEP, EVENT];
export const IS_ERROR = 1;
export const IS_MINOR = 2;

/** @type {[string, number[]][]} the kinds that each filter hides */
export const FILTERS = [
  ["Words", [TEXT]],
  ["Thinking", [THINKING]],
  ["Tools", [TOOL, TOOL_RESULT]],
  ["Output", [OUTPUT]],
  ["Stderr", [STDERR]],
  ["Models", [MODEL]],
  ["Steps", [STEP]],
  ["Events", [EVENT]],
  ["System", [0, 1, SYSTEM]],
  ["Details", [MINOR]],
];
