/** "Did you mean": the valid names nearest to a wrong one. */

/** At most three names within an edit distance of a third of the length, nearest first; names it starts count as near. */
export function nearest(wrong: string, names: Iterable<string>): string[] {
  const limit = Math.max(2, Math.ceil(wrong.length / 3));
  return [...names]
    .map((name) => ({ name, distance: name.startsWith(wrong) ? 1 : distance(wrong, name) }))
    .filter(({ distance: d }) => d <= limit)
    .sort((a, b) => a.distance - b.distance || a.name.localeCompare(b.name))
    .slice(0, 3)
    .map(({ name }) => name);
}

/** Levenshtein's edit distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++)
      next.push(Math.min(row[j + 1]! + 1, next[j]! + 1, row[j]! + (a[i] === b[j] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
