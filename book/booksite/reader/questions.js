// Answers questions as people type them. Pagefind by itself finds what has all words that are asked for.
//
// A question is a few things that are asked for: terms of the glossary, by any of their names, and other words. Pagefind
// is asked for each word by itself, and a page's score is the sum over the things that are on it, the rare ones first.

// These are in a question and tell nothing of what it is about.
const EMPTY = new Set(
  `a about after all also always an and any are as at be been before best better between but by can could did difference
  different do does ever for from get give good had happen happens has have help how i if in instead into is it its just
  kind like make many me mean means more much must my myself need needed needs no not of on only or other our really same
  should so some tell than that the their them then there these they thing this those to too us use used uses using versus
  very vs want was we were what when where whether which while who why will with without would you your`.split(/\s+/)
);
const FAINT = 0.2; // of the best page's score: what has less is not shown
const QUOTED = /^\s*".+"\s*$/; // Pagefind looks for these very words
const ROOT = /(?:\bsqrt|\b(?:square )?root of|√)[\s(]*(?:the )?(?=[\p{L}\p{N}])/gu;
const WORD = /√?[\p{L}\p{N}]+(?:[-'’][\p{L}\p{N}]+)*/gu;
const SPELLED = /(?<![\p{L}\p{N}])[a-z]{4,}(?![\p{L}\p{N}])/gu;

/** Whether two words are one slip apart: a letter more, less or other, or two letters that have changed places. */
export function near(one, other) {
  const shorter = Math.min(one.length, other.length);
  let [start, end] = [0, 0];
  while (start < shorter && one[start] === other[start]) start++;
  while (end < shorter - start && one.at(-1 - end) === other.at(-1 - end)) end++;
  const [left, right] = [one, other].map((word) => word.slice(start, word.length - end));
  return Math.max(left.length, right.length) < 2 || (left.length === 2 && right === left[1] + left[0]);
}

/** Finds a name, however spaces and hyphens are set, also in the plural; a Korean one with the particle after it. */
export function pattern(name) {
  const parts = name.split(/[\s–-]+/).flatMap((part) => (/[가-힣]/.test(part) ? [...part] : part));
  const letters = parts.map((part) => part.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&")).join("[\\s–-]*");
  const end = /[가-힣]$/.test(name) ? "[가-힣]*" : "s?(?![a-z\\p{N}])";
  return new RegExp(`(?<![\\p{L}\\p{N}])${letters}${end}`, "giu");
}

/** The function, asked once for each argument. */
const once = (ask, known = new Map()) => (argument) => {
  if (!known.has(argument)) known.set(argument, ask(argument));
  return known.get(argument);
};

/**
 * @param search Pagefind's.
 * @param terms the terms of the glossary: their `names`, and those of them that are `used` in the book.
 * @param words correctly spelled ones, for those that are not.
 * @returns a search to be used in place of Pagefind's.
 */
export function answering(search, { terms, words }) {
  const named = terms.flatMap(({ names, used }) => names.map((name) => ({ name, used, pattern: pattern(name) })));
  named.sort((one, other) => other.name.length - one.name.length); // "vanishing gradient" before "gradient"

  const count = once(async () => (await search(null)).results.length);
  /** How much it tells of pages that they are so many of all, as Pagefind has it. */
  const rarity = async (pages) => Math.log(1 + ((await count()) - pages + 0.5) / (pages + 0.5));

  /** Page -> how much it is about a word, whether that is rare or not. */
  const withWord = once(async (word) => {
    const { results } = await search(word);
    const rare = await rarity(results.length);
    return new Map(results.map(({ id, score }) => [id, score / rare]));
  });

  /** The same of a name: the geometric mean over its words, so that it is little where one of them is hardly there. */
  const withName = async (name) => {
    const words = await Promise.all(name.split(" ").map(withWord));
    const mean = (id) => words.reduce((product, word) => product * (word.get(id) ?? 0), 1) ** (1 / words.length);
    return new Map([...words[0].keys()].map((id) => [id, mean(id)]));
  };

  /** A word that is nowhere in the book, and no beginning of one, becomes one that is a slip away. */
  const correct = once(async (word) => {
    if (words.some((known) => known.startsWith(word)) || (await search(`"${word}"`)).results.length) return word;
    return words.find((known) => near(word, known)) ?? word;
  });

  /** The things that are asked for: of each, the names by which the book may have it. */
  const things = async (question) => {
    let text = question.toLowerCase().replace(/([a-z0-9])(?=[가-힣])/g, "$1 ").replace(ROOT, "√");
    const corrected = new Map();
    for (const [word] of text.matchAll(SPELLED)) if (!EMPTY.has(word)) corrected.set(word, await correct(word));
    text = text.replace(SPELLED, (word) => corrected.get(word) ?? word);
    const asked = new Set();
    for (const { used, pattern } of named) {
      text = text.replace(pattern, () => {
        asked.add(used);
        return " ; ";
      });
    }
    for (const word of text.match(WORD) ?? []) {
      if (word.length > 1 && !EMPTY.has(word)) asked.add(/(^|-).(-|$)/.test(word) ? [word] : [word, word.replace(/-/g, " ")]);
    }
    return asked.size ? asked : [[question]];
  };

  return async (question, options) => {
    if (!question || QUOTED.test(question)) return search(question, options);
    const found = new Map(); // page -> its score, and the names that are on it
    for (const names of await things(question)) {
      const best = new Map(); // page -> the name that it is most about
      for (const name of names) {
        for (const [id, weight] of await withName(name)) {
          if (weight > (best.get(id)?.weight ?? 0)) best.set(id, { name, weight });
        }
      }
      const rare = await rarity(best.size);
      for (const [id, { name, weight }] of best) {
        const page = found.get(id) ?? { score: 0, names: [] };
        found.set(id, { score: page.score + weight * rare, names: [...page.names, name] });
      }
    }
    const pages = [...found].sort(([, one], [, other]) => other.score - one.score);
    const shown = pages.filter(([, { score }]) => score >= FAINT * pages[0][1].score);
    const results = shown.map(([id, { score, names }]) => ({
      id,
      score,
      words: [],
      data: async () => (await search(names.join(" "))).results.find((result) => result.id === id).data(),
    }));
    return { results, unfilteredResultCount: results.length, filters: {}, totalFilters: {}, timings: {} };
  };
}
