/** The machine's memory, in words. */
import { freemem, totalmem } from "node:os";

export function gibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

/** For engines that compute in the machine's own memory. */
export function machineMemory(): string {
  return `${gibibytes(freemem())} free of ${gibibytes(totalmem())}`;
}
