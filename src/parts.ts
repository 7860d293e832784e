/** Work in parts: a generator that yields wherever its caller may do something else, or end it. */

/** Does all parts at once. */
export function finish<T>(parts: Generator<void, T>): T {
  for (;;) {
    const next = parts.next();
    if (next.done === true) return next.value;
  }
}
