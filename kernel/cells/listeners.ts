/**
 * The process's own listeners stay: Node's, by which signals arrive, and the kernel's, for signals and for errors that nobody
 * catches. Cells share the process, and `process.removeAllListeners()` of one would end the kernel at the next signal or error.
 */
type Listener = (...args: unknown[]) => void;

let kept: { event: string | symbol; listener: Listener }[] = [];

/** From now on the listeners that are there come back when a cell removes them. */
export function keepListeners(): void {
  process.on("removeListener", (event, listener) => {
    if (kept.some((one) => one.event === event && one.listener === listener)) queueMicrotask(listenAgain);
  });
  // In the order of their making: Node's own "newListener" comes first, which lets a signal reach its listeners.
  kept = process
    .eventNames()
    .flatMap((event) => (process.rawListeners(event as "exit") as Listener[]).map((listener) => ({ event, listener })))
    .filter(({ listener }) => !("listener" in listener)); // one that listens once may have done so
}

/** All of them anew where one is missing: a listener of a signal that was added without Node's own hears nothing. */
export function listenAgain(): void {
  if (kept.every(({ event, listener }) => process.listeners(event as "exit").includes(listener as never))) return;
  for (const { event, listener } of kept) process.off(event, listener);
  for (const { event, listener } of kept) process.on(event as "exit", listener);
}
