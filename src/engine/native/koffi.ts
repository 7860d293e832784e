/** koffi, the foreign function interface; only what is used here is typed: its own types exist for ES modules alone. */

/** A C function; arguments and results are converted as its prototype says, addresses are bigints. */
export type CFunction = (...args: (bigint | NodeJS.ArrayBufferView | number | string | boolean | null)[]) => unknown;

interface Koffi {
  version: string;
  /** Opens a library; null is the process itself with everything it has loaded. */
  load(file: string | null): { func(prototype: string): CFunction };
}

// eslint-disable-next-line @typescript-eslint/no-require-imports -- see above
export const koffi = require("koffi") as Koffi;
