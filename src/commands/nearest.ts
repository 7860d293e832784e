/** "Did you mean": the valid names nearest to a mistyped one. */

/** Least number of inserted, deleted, replaced or swapped neighbouring characters that turn `a` into `b`. */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a.charAt(i - 1) === b.charAt(j - 1);
      let best = Math.min(previous[j]! + 1, current[j - 1]! + 1, previous[j - 1]! + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a.charAt(i - 1) === b.charAt(j - 2) && a.charAt(i - 2) === b.charAt(j - 1);
      if (swapped) best = Math.min(best, before[j - 2]! + 1);
      current.push(best);
    }
    before = previous;
    previous = current;
  }
  return previous[b.length] ?? 0;
}

/** Up to three of `names` that `text` could be a slip of: few edits, or the beginning of the name. Nearest first. */
export function nearest(text: string, names: Iterable<string>): string[] {
  const wanted = text.toLowerCase();
  const limit = Math.max(1, Math.floor(wanted.length / 3) + (wanted.length > 3 ? 1 : 0));
  return [...new Set(names)]
    .map((name) => {
      const lower = name.toLowerCase();
      const begins = wanted.length >= 2 && (lower.startsWith(wanted) || wanted.startsWith(lower));
      return { name, distance: begins ? 0.5 : editDistance(wanted, lower) };
    })
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance || a.name.localeCompare(b.name))
    .slice(0, 3)
    .map(({ name }) => name);
}

/** The hint of an error about an unknown name: the nearest ones, else all (or the way to see them). */
export function suggestion(text: string, names: string[], otherwise?: string): string {
  const near = nearest(text, names);
  if (near.length > 0) return `did you mean ${near.join(" or ")}?${otherwise === undefined ? "" : ` ${otherwise}`}`;
  return otherwise ?? `use one of ${names.join(", ")}`;
}
