/** `engine`: choose, install, show what computes. */
import { z } from "zod";
import type { Context } from "../../context.js";
import { engineNames, mostThreads, type EngineInfo } from "../../engine/types.js";
import { AmsError, inNotebook } from "../../errors.js";
import { defineCommand, option } from "../command.js";
import { sayOnce, whyNot } from "../engines.js";
import type { Engine } from "../results.js";
import { shown, tablesBundle } from "../show/shown.js";

export const engineCommand = defineCommand({
  name: "engine",
  summary: "choose, install and show what computes",
  about:
    "auto takes the fastest that works: gpu (TensorFlow with CUDA), native (TensorFlow on the CPU), webgpu (any other graphics " +
    "processor), wasm, plain JavaScript; each first proves itself on a small gradient with known numbers. install downloads " +
    "TensorFlow for the CPU (214 MB), with --gpu for CUDA (2.6 GB), into the folder of everything generated, and replaces damaged files. " +
    "A choice holds for one process, that is the kernel or this one command; the environment variables AMS_ENGINE, AMS_THREADS and " +
    "AMS_TF32 (0 or 1) choose for every one, e.g.: AMS_ENGINE=native AMS_THREADS=4 ams train",
  options: {
    choice: option(z.enum(["auto", ...engineNames, "install"]).default("auto"), {
      help: "the engine to start, or install",
      value: "CHOICE",
    }),
    gpu: option(z.boolean().default(false), { help: "with install: the engine for NVIDIA GPUs" }),
    threads: option(z.int().min(1).max(mostThreads).optional(), {
      help: "threads of the native engine (default: all cores)",
      value: "N",
    }),
    tf32: option(z.boolean().optional(), {
      help: "on an NVIDIA GPU: products in TF32, several times faster, 10 bits of mantissa (default: full float32)",
    }),
    measure: option(z.boolean().default(true), { help: "measure the speed of a matrix product (about a second)" }),
  },
  positional: { option: "choice" },
  aliases: {},
  examples: ["engine", "engine install", "engine native --threads 4", "engine gpu --tf32", "engine wasm --no-measure"],
  resultType: "Engine",
  run: async ({ choice, gpu, threads, tf32, measure }, context, session): Promise<Engine> => {
    const { currentEngine, installNative, measureMatmul, startEngine } = await import("../../engine/index.js");
    const wanted = choice === "install" ? (gpu ? "gpu" : "native") : choice;
    refuseIdle(choice, wanted, { gpu, threads, tf32 });
    if (choice === "install") await installNative({ gpu }, context);
    const settings = { ...(threads !== undefined && { threads }), ...(tf32 !== undefined && { tf32 }) };
    const info = await startEngine(wanted, settings).catch((error: unknown): EngineInfo => {
      const current = currentEngine();
      // What was to be installed is there: that another TensorFlow runs in this process takes nothing away from it.
      if (choice !== "install" || current === undefined || !(error instanceof AmsError)) throw error;
      context.note(`installed; to use it: ${error.hint ?? "restart the kernel"} (${error.message})`);
      return current;
    });
    noteIdle(info, { threads, tf32 }, context);
    sayOnce(info, { note: () => undefined }, session); // the table below says it
    const engine = { ...info, ...(measure ? { gflops: await measureMatmul() } : {}) };
    return shown(engine, () =>
      tablesBundle({
        columns: ["engine", engine.name],
        rows: [
          ["device", engine.device],
          ["detail", engine.detail],
          ["threads", String(engine.threads)],
          ...(choice === "auto" || choice === "install"
            ? []
            : [
                [
                  "holds for",
                  `${inNotebook() ? "this kernel" : "this command"}; AMS_ENGINE, AMS_THREADS and AMS_TF32 choose for every ${inNotebook() ? "kernel" : "command"}`,
                ],
              ]),
          ["memory", engine.memory],
          ...(engine.tf32 === undefined ? [] : [["products", engine.tf32 ? "TF32" : "float32"]]),
          ...(engine.gflops === undefined ? [] : [["matrix product", `${engine.gflops.toPrecision(3)} GFLOP/s`]]),
          ...Object.entries(engine.versions),
          ...(engine.remark === undefined ? [] : [["remark", engine.remark]]),
          ...(engine.passedOver ?? []).map((one) => [`not ${one.name}`, whyNot(one)]),
        ],
      }),
    );
  },
  json: (engine) => engine,
});

interface Settings {
  gpu?: boolean;
  threads?: number | undefined;
  tf32?: boolean | undefined;
}

/** @throws AmsError for an option that would do nothing. */
function refuseIdle(choice: string, wanted: string, { gpu = false, threads, tf32 }: Settings): void {
  const idle = (option: string, hint: string): AmsError =>
    new AmsError(`${option} does nothing here`, { where: `ams engine ${choice}`, hint });
  if (gpu && choice !== "install") throw idle("--gpu", "write: ams engine gpu, or: ams engine install --gpu");
  const tensorflow = ["auto", "native", "gpu"].includes(wanted);
  if (threads !== undefined && !tensorflow)
    throw idle("--threads", "leave it out: only TensorFlow's threads can be set");
  if (tf32 !== undefined && wanted !== "gpu" && wanted !== "auto") {
    throw idle("--tf32", "leave it out: it is for NVIDIA GPUs (ams engine gpu --tf32)");
  }
}

/** `auto` took an engine on which a setting does nothing. */
function noteIdle({ name }: EngineInfo, { threads, tf32 }: Settings, context: Pick<Context, "note">): void {
  if (threads !== undefined && name !== "native" && name !== "gpu") {
    context.note(`--threads does nothing on engine ${name}`);
  }
  if (tf32 !== undefined && name !== "gpu") context.note(`--tf32 does nothing on engine ${name}`);
}
