/** The word that was probably meant, for "did you mean": the nearest by single-letter edits, if one is near enough. */

/** Least number of letters added, dropped, changed or swapped with their neighbour that turns `a` into `b`. */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(change, last[j]! + 1, row[j - 1]! + 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        row[j] = Math.min(row[j]!, before[j - 2]! + 1);
    }
    [before, last] = [last, row];
  }
  return last[b.length]!;
}

/**
 * The nearest of `words`, or null when none is near. A key is also found by its last parts: `rate` means `train.rate`.
 */
export function nearest(word: string, words: readonly string[]): string | null {
  const longer = words.filter((candidate) => word.length > 1 && candidate.startsWith(word));
  if (longer.length === 1) return longer[0]!;
  let best: string | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of words) {
    const parts = candidate.split(".");
    const distance = Math.min(...parts.map((_, i) => editDistance(word, parts.slice(i).join(".")) + (i > 0 ? 0.5 : 0)));
    if (distance < least) [best, least] = [candidate, distance];
  }
  return least <= Math.max(2, Math.floor(word.length / 3)) + 0.5 ? best : null;
}

/** ` (did you mean "x"?)`, or nothing. */
export function didYouMean(word: string, words: readonly string[], prefix = ""): string {
  const found = nearest(word, words);
  return found === null ? "" : `; did you mean ${prefix}${found}?`;
}
