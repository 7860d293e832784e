/** The queues of the shell channel: the main shell's, and one for each subshell (protocol 5.5). */
import { randomUUID } from "node:crypto";
import type { Request } from "./outgoing.js";

export interface Shells {
  /** Queues a request; `null` is the main shell. False when there is no such subshell. */
  add: (id: string | null, request: Request) => boolean;
  /** The requests that wait in a shell, not the one that is being answered; the caller may take some out. */
  waiting: (id: string | null) => Request[];
  create: () => string;
  /** Removes a subshell and returns what waited in it; undefined when there is none of that name. */
  remove: (id: string) => Request[] | undefined;
  ids: () => string[];
}

interface Queue {
  waiting: Request[];
  busy: boolean;
}

/** @param answer answers one request; the next one of the same shell waits for it */
export function createShells(answer: (request: Request) => Promise<void>): Shells {
  const queues = new Map<string | null, Queue>([[null, { waiting: [], busy: false }]]);
  const run = async (queue: Queue): Promise<void> => {
    if (queue.busy) return;
    queue.busy = true;
    try {
      for (let next = queue.waiting.shift(); next !== undefined; next = queue.waiting.shift()) await answer(next);
    } finally {
      queue.busy = false;
    }
  };
  return {
    add(id, request) {
      const queue = queues.get(id);
      if (queue === undefined) return false;
      queue.waiting.push(request);
      void run(queue);
      return true;
    },
    waiting: (id) => queues.get(id)?.waiting ?? [],
    create() {
      const id = randomUUID();
      queues.set(id, { waiting: [], busy: false });
      return id;
    },
    remove(id) {
      const queue = queues.get(id);
      queues.delete(id);
      return queue?.waiting;
    },
    ids: () => [...queues.keys()].filter((id) => id !== null),
  };
}
