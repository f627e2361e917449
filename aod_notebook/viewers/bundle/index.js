"use strict";
/* Search and filters of the index: rows are hidden, nothing is made of their text. */
(() => {
  const rows = [...document.querySelectorAll("#rows > tr")];
  const search = document.getElementById("search");
  const filters = ["status", "agent", "model"].map((name) => ({
    name,
    select: document.getElementById(name),
  }));
  const count = document.getElementById("count");
  const word = (status) =>
    rows.find((row) => row.dataset.status === status).querySelector(".status").textContent;
  const none = document.getElementById("none");

  for (const { name, select } of filters) {
    const values = [...new Set(rows.map((row) => row.dataset[name]))].filter(Boolean).sort();
    for (const value of values) {
      const option = document.createElement("option");
      option.value = value;
      option.textContent = name === "status" ? word(value) : value;
      select.append(option);
    }
    select.hidden = values.length < 2;
  }

  function apply() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const fits =
        filters.every(({ name, select }) => !select.value || row.dataset[name] === select.value) &&
        words.every((word) => row.dataset.text.includes(word));
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    count.textContent = shown === rows.length ? "" : `${shown} of ${rows.length}`;
    none.hidden = shown > 0;
  }

  search.addEventListener("input", apply);
  for (const { select } of filters) select.addEventListener("change", apply);
  search.form.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== search) {
      event.preventDefault();
      search.focus();
    } else if (event.key === "Escape" && document.activeElement === search) {
      search.value = "";
      apply();
    }
  });
  apply();
})();
