/**
 * setImmediate that a forced termination cannot break.
 *
 * Node marks an immediate as done, calls it and moves on to the next one in a `finally`, which a termination does not run. When
 * the immediate was not the first of its turn, Node finds it again at the head of its list, takes it for one that was cleared,
 * fails with a TypeError, and does so for ever. The immediate is therefore given back to Node as one with nothing to do.
 */

/** What Node keeps of an immediate (lib/internal/timers.js). */
interface Internals {
  _destroyed: boolean;
  _onImmediate: (() => void) | null;
  _idleNext: Internals | null;
  _idlePrev: Internals | null;
}

type Callback = (...args: unknown[]) => void;

const native = globalThis.setImmediate;

/** The immediate whose callback has begun and not come to its end. */
let begun: NodeJS.Immediate | undefined;

export function setImmediate(callback: Callback, ...args: unknown[]): NodeJS.Immediate {
  const immediate = native(() => {
    begun = immediate;
    try {
      callback(...args);
    } finally {
      begun = undefined;
    }
  });
  return immediate;
}

/**
 * For the handler of uncaught exceptions.
 * @returns whether the error was Node's own, about an immediate that a termination has left half done; it is mended then
 */
export function mendImmediates(error: unknown): boolean {
  if (begun === undefined || !(error instanceof TypeError) || !error.message.includes("_idleNext")) return false;
  const left = internals(begun);
  begun = undefined;
  if (!left._destroyed) return false;
  left._onImmediate = nothing;
  left._destroyed = false;
  // Node will count it off a second time: one more is counted in, and taken out of the list before it is counted off.
  const [before, extra, after] = [native(nothing), native(nothing), native(nothing)];
  extra.unref();
  internals(before)._idleNext = internals(after);
  internals(after)._idlePrev = internals(before);
  return true;
}

function internals(immediate: NodeJS.Immediate): Internals {
  return immediate as unknown as Internals;
}

function nothing(): void {
  // The place of an immediate that was stopped.
}
