/** The machine's memory, in words. */
import { freemem, totalmem } from "node:os";

/** 4294967296 -> "4.3 GB": decimal, as everywhere. */
export function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

/** For engines that compute in the machine's own memory. */
export function machineMemory(): string {
  return `${gigabytes(freemem())} free of ${gigabytes(totalmem())}`;
}
