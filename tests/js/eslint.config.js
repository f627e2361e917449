// What the linter holds the page side to, beside its recommended rules.
const { createRequire } = require("node:module");
const tools = createRequire(`${process.cwd()}/build/js/`);
const js = tools("@eslint/js");
const globals = tools("globals");

const markup = "text is hostile: it goes into the page by textContent only";

module.exports = [
  js.configs.recommended,
  {
    languageOptions: { globals: { ...globals.browser, ...globals.node } },
    rules: {
      "eqeqeq": ["error", "always", { null: "ignore" }],
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-var": "error",
      "prefer-const": ["error", { destructuring: "all" }],
      "no-unused-private-class-members": "error",
      "no-restricted-properties": [
        "error",
        ...["innerHTML", "outerHTML", "insertAdjacentHTML", "srcdoc", "write"].map((property) => ({
          property,
          message: markup,
        })),
      ],
    },
  },
];
