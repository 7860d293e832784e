/** What replies say of requests that failed. */
import type { ErrorContent } from "./messages.js";

export type Failure = { status: "error" } & ErrorContent;

/** @param traceback for people; by default the error in one line */
export function failure(ename: string, evalue: string, traceback = [`${ename}: ${evalue}`]): Failure {
  return { status: "error", ename, evalue, traceback };
}

export const interrupted = failure("Interrupted", "the cell was interrupted", ["\u001b[31mInterrupted\u001b[39m"]);

export const unknownSubshell = (id: string | null | undefined): Failure =>
  failure("UnknownSubshell", `there is no subshell ${JSON.stringify(id)}`);
