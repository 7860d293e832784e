/** Collects what cells print for a moment, so that a loop of console.log becomes a few messages and not thousands. */
import type { RequestNumber } from "./link.js";
import type { StreamName } from "./messages.js";

const delay = 30; // ms
/** A burst larger than this goes out at once, to bound memory (UTF-16 units). */
const largest = 256 * 1024;

export interface Streams {
  write: (request: RequestNumber, name: StreamName, text: string) => void;
  /** Sends what was collected; called before any other message, so that the order of outputs is kept. */
  flush: () => void;
}

export function createStreams(send: (request: RequestNumber, name: StreamName, text: string) => void): Streams {
  let pieces: { request: RequestNumber; name: StreamName; text: string }[] = [];
  let size = 0;
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    const ready = pieces;
    pieces = [];
    size = 0;
    for (const { request, name, text } of ready) send(request, name, text);
  };
  return {
    write(request, name, text) {
      const last = pieces.at(-1);
      if (last?.request === request && last.name === name) last.text += text;
      else pieces.push({ request, name, text });
      size += text.length;
      if (size > largest) flush();
      else timer ??= setTimeout(flush, delay);
    },
    flush,
  };
}
