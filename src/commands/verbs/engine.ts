/** `engine`: choose, install, show what computes. */
import { z } from "zod";
import { defineCommand, option } from "../command.js";
import type { Engine } from "../results.js";
import { shown, tablesBundle } from "../show/shown.js";

export const engineCommand = defineCommand({
  name: "engine",
  summary: "choose, install and show what computes",
  about:
    "auto takes the fastest that works: gpu (TensorFlow with CUDA), native (TensorFlow on the CPU), wasm, plain JavaScript. " +
    "install downloads TensorFlow for the CPU (214 MB), with --gpu for CUDA (2.9 GB), into the folder of everything generated.",
  options: {
    choice: option(z.enum(["auto", "gpu", "native", "wasm", "plain", "install"]).default("auto"), {
      help: "the engine to start, or install",
      value: "CHOICE",
    }),
    gpu: option(z.boolean().default(false), { help: "with install: the engine for NVIDIA GPUs" }),
    threads: option(z.int().min(1).optional(), {
      help: "threads of the native engine (default: all cores)",
      value: "N",
    }),
    measure: option(z.boolean().default(false), { help: "measure the speed of a matrix product (about a second)" }),
  },
  positional: { option: "choice" },
  aliases: {},
  examples: ["engine", "engine install", "engine native --threads 4 --measure", "engine wasm"],
  resultType: "Engine",
  run: async ({ choice, gpu, threads, measure }, context, session): Promise<Engine> => {
    const { installNative, measureMatmul, startEngine } = await import("../../engine/index.js");
    if (choice === "install") await installNative({ gpu }, context);
    const wanted = choice === "install" ? (gpu ? "gpu" : "native") : choice;
    const info = await startEngine(wanted, threads === undefined ? {} : { threads });
    session.saidWarning = info.warning; // the table below says it
    const engine = { ...info, ...(measure ? { gflops: await measureMatmul() } : {}) };
    return shown(engine, () =>
      tablesBundle({
        columns: ["engine", engine.name],
        rows: [
          ["device", engine.device],
          ["detail", engine.detail],
          ["threads", String(engine.threads)],
          ...(engine.gflops === undefined ? [] : [["matrix product", `${engine.gflops.toFixed(0)} GFLOP/s`]]),
          ...Object.entries(engine.versions),
          ...(engine.warning === undefined ? [] : [["warning", engine.warning]]),
        ],
      }),
    );
  },
  json: (engine) => engine,
});
