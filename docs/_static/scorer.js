/* Pages that answer come before pages that list: a guide before a name, both before the changes. */
var Scorer = {
  score: ([page, title, anchor, description, score, filename]) =>
    page.startsWith("_generated/") ? score - 20 : page === "changelog" ? score - 30 : score,
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
