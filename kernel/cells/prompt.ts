/** The global `prompt`: the main thread sleeps while the wire thread asks the person. */
import { receiveMessageOnPort, type MessagePort } from "node:worker_threads";
import { userError } from "../magics/plugins.js";
import { slots } from "../wire/link.js";
import type { Prompt } from "./display.js";
import { createInterrupted } from "./errors.js";

/**
 * @param mailbox where the wire thread puts the answer before it wakes this thread
 * @param allowed whether the front end of the running cell can ask
 * @param isInterrupted whether the running cell has been interrupted
 */
export function createPrompt(
  shared: Int32Array,
  mailbox: MessagePort,
  allowed: () => boolean,
  isInterrupted: () => boolean,
  ask: (text: string, password: boolean) => void,
): Prompt {
  return (text = "", { password = false } = {}) => {
    if (!allowed())
      throw userError(
        "prompt() needs a front end that can ask, and this one cannot",
        "run the cell in a notebook or console",
      );
    while (receiveMessageOnPort(mailbox) !== undefined); // answers that nobody waited for
    Atomics.store(shared, slots.input, 0);
    // An interrupt that came just before has woken nobody; this thread would sleep for good.
    if (isInterrupted()) throw createInterrupted();
    ask(text, password);
    Atomics.wait(shared, slots.input, 0);
    const answer: { message: unknown } | undefined = receiveMessageOnPort(mailbox);
    if (answer === undefined) throw createInterrupted();
    return String(answer.message);
  };
}
