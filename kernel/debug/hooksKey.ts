/** Where the main thread keeps what the debugger asks it for: `globalThis[Symbol.for(hooksKey)]`. */
export const hooksKey = "Jupyter.kernel.debug";
