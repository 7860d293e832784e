/** What cells and libraries write to stdout and stderr goes to the front end, under the cell that wrote it. */
import { StringDecoder } from "node:string_decoder";
import type { RequestNumber } from "../wire/link.js";
import type { StreamName } from "../wire/messages.js";
import { currentRequest } from "./parents.js";

/** Takes over process.stdout.write and process.stderr.write, and with them `console`. */
export function captureOutput(send: (request: RequestNumber, name: StreamName, text: string) => void): void {
  for (const name of ["stdout", "stderr"] as const) {
    const decoder = new StringDecoder("utf8");
    const write = (
      chunk: Uint8Array | string,
      encoding?: BufferEncoding | ((error?: Error | null) => void),
      done?: (error?: Error | null) => void,
    ): boolean => {
      const text =
        typeof chunk === "string"
          ? typeof encoding === "string" && !/^utf-?8$/i.test(encoding)
            ? Buffer.from(chunk, encoding).toString("utf8")
            : chunk
          : decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
      if (text !== "") send(currentRequest(), name, text);
      const finished = typeof encoding === "function" ? encoding : done;
      if (finished !== undefined) process.nextTick(finished);
      return true;
    };
    process[name].write = write;
  }
}
