/** How the kernel's process ends: at once, with its exit code. */

interface Koffi {
  load(file: string | null): { func(prototype: string): (code: number) => void };
}

/** Node's own `process.exit`, for the kernel's ends: that of cells also says that the kernel ends. */
export const exit: (code?: number | string | null) => never = process.exit.bind(process);

const works: (() => void)[] = [];

/** Work that is done before the process ends, whatever ends it; it cannot wait for promises. */
export function beforeExit(work: () => void): void {
  works.push(work);
}

/**
 * For the process's "exit" event. Node would stop the wire thread first, and ZeroMQ, whose receives still wait there,
 * answers that with an uncaught C++ exception: the process died of SIGABRT instead of ending with its code. `_exit` leaves
 * the threads to the system. Where the C library is another one, Node's own end has to do.
 */
export function endAtOnce(code: number): void {
  for (const work of works) work();
  if (process.platform === "win32") return;
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- its types exist for ES modules alone
    (require("koffi") as Koffi).load(null).func("void _exit(int status)")(code);
  } catch {
    // no koffi for this machine
  }
}
