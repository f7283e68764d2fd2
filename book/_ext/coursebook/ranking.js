// The order of what the search finds: lessons that are about the words first; what stands beside them last.
// The counts are filled in by coursebook/ranking.py: lesson, stem of a word, how often it is there.
var Scorer = {
  counts: /* COUNTS */ {},

  beside: ["book/api/", "book/moving", "book/teach/"],

  score: ([page, , , , score]) => {
    if (Scorer.beside.some((start) => page.startsWith(start))) return score / 2;
    const counts = Scorer.counts[page];
    if (!counts) return score;
    const query = Scorer.words ?? new URLSearchParams(window.location.search).get("q") ?? "";
    const stemmer = new Stemmer();
    const stems = splitQuery(query.toLowerCase()).map((word) => stemmer.stemWord(word));
    const least = Math.min(...stems.map((stem) => counts[stem] || 0));
    // Of two lessons that have the words, the earlier one introduces them.
    const number = Number(page.match(/\d+/)?.[0] ?? 0);
    return score + 4 * Math.log2(1 + least) + 0.4 * (25 - number);
  },

  // What is asked for, where it does not stand in the address (the page for unknown addresses).
  words: null,

  // The rest is Sphinx's own.
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
