/** %%capture: what a cell shows is kept in place of being shown. */
import path from "node:path";
import type { MimeBundle } from "./display.js";
import type { RequestNumber } from "../wire/link.js";
import { readOptions } from "../magics/options.js";
import { userError } from "../magics/plugins.js";

export const captureUsage =
  "%%capture [NAME] [--no-stdout] [--no-stderr] [--no-display]: keeps what the cell shows, in the variable NAME; NAME.show() shows it";

/** The variable that `%%capture NAME` makes. */
export interface Captured {
  stdout: string;
  stderr: string;
  /** Displays and the result. */
  outputs: { data: MimeBundle; metadata: Record<string, unknown> }[];
  /** Shows everything now. */
  show: () => void;
}

/** Its type for cells. */
export const capturedType = `import(${JSON.stringify(path.join(__dirname, "capture"))}).Captured`;

export interface Captures {
  /** Takes an output of the request, if it is captured. */
  stream: (request: RequestNumber, name: "stdout" | "stderr", text: string) => boolean;
  output: (request: RequestNumber, message: string, content: object) => boolean;
  start: (request: RequestNumber, options: CaptureOptions) => Captured;
  end: (request: RequestNumber) => void;
}

export interface CaptureOptions {
  name: string | undefined;
  stdout: boolean;
  stderr: boolean;
  display: boolean;
}

export function readCapture(args: string): CaptureOptions {
  const flags = ["--no-stdout", "--no-stderr", "--no-display"];
  const { given, words } = readOptions(args, captureUsage, flags);
  const [name, ...more] = words;
  if (more.length > 0 || (name !== undefined && !/^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name)))
    throw userError(
      `%%capture needs one name of a variable, got ${words.join(" ")}`,
      captureUsage,
      `%%capture ${args}`,
    );
  return {
    name,
    stdout: !given.has("--no-stdout"),
    stderr: !given.has("--no-stderr"),
    display: !given.has("--no-display"),
  };
}

/** @param show how a captured output is shown later */
export function createCaptures(show: {
  stream(name: "stdout" | "stderr", text: string): void;
  bundle(data: MimeBundle, metadata: Record<string, unknown>): void;
}): Captures {
  const running = new Map<
    RequestNumber,
    { captured: Captured; options: CaptureOptions; ids: (string | undefined)[] }
  >();
  return {
    start(request, options) {
      const captured: Captured = {
        stdout: "",
        stderr: "",
        outputs: [],
        show() {
          if (captured.stdout !== "") show.stream("stdout", captured.stdout);
          if (captured.stderr !== "") show.stream("stderr", captured.stderr);
          for (const { data, metadata } of captured.outputs) show.bundle(data, metadata);
        },
      };
      running.set(request, { captured, options, ids: [] });
      return captured;
    },
    end(request) {
      running.delete(request);
    },
    stream(request, name, text) {
      const one = running.get(request);
      if (one?.options[name] !== true) return false;
      one.captured[name] += text;
      return true;
    },
    output(request, message, content) {
      const one = running.get(request);
      if (one?.options.display !== true) return false;
      const { outputs } = one.captured;
      if (message === "clear_output") {
        outputs.length = 0;
        one.ids.length = 0;
        return true;
      }
      const { data, metadata, transient } = content as {
        data: MimeBundle;
        metadata: Record<string, unknown>;
        transient?: { display_id?: string };
      };
      const id = transient?.display_id;
      const earlier = message === "update_display_data" ? one.ids.lastIndexOf(id) : -1;
      if (earlier >= 0) outputs[earlier] = { data, metadata };
      else if (message === "update_display_data")
        return false; // of a display that an earlier cell made
      else {
        outputs.push({ data, metadata });
        one.ids.push(id);
      }
      return true;
    },
  };
}
