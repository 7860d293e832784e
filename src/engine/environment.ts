/** What a person chose for every process: the way to choose an engine where each command is a process of its own. */
import { AmsError } from "../errors.js";
import { engineNames, mostThreads, type EngineName } from "./types.js";

export interface EnvironmentChoice {
  /** AMS_ENGINE: what `auto` takes. */
  engine?: EngineName;
  /** AMS_THREADS: of TensorFlow, instead of all cores. */
  threads?: number;
  /** AMS_TF32: 1 or 0, see `NativeOptions`. */
  tf32?: boolean;
}

/**
 * AMS_ENGINE, AMS_THREADS and AMS_TF32, as far as they are set and not empty; AMS_ENGINE=auto chooses nothing.
 * @throws AmsError that names the variable with a wrong value.
 */
export function environmentChoice(environment: NodeJS.ProcessEnv = process.env): EnvironmentChoice {
  const [engine = "", threads = "", tf32 = ""] = ["AMS_ENGINE", "AMS_THREADS", "AMS_TF32"].map(
    (name) => environment[name],
  );
  const wrong = (name: string, value: string, hint: string): AmsError =>
    new AmsError(`${name} cannot be "${value}"`, { where: `the environment variable ${name}`, hint });
  const name = engineNames.find((one) => one === engine);
  if (name === undefined && engine !== "" && engine !== "auto") {
    throw wrong("AMS_ENGINE", engine, `set it to one of: auto, ${engineNames.join(", ")}; or unset it`);
  }
  const count = Number(threads);
  if (threads !== "" && !(Number.isInteger(count) && count >= 1 && count <= mostThreads)) {
    throw wrong("AMS_THREADS", threads, `set it to 1 to ${String(mostThreads)}; or unset it, for all cores`);
  }
  if (!["", "0", "1"].includes(tf32)) {
    throw wrong("AMS_TF32", tf32, "set it to 1 for products in TF32 on an NVIDIA GPU, or to 0");
  }
  return {
    ...(name !== undefined && { engine: name }),
    ...(threads !== "" && { threads: count }),
    ...(tf32 !== "" && { tf32: tf32 === "1" }),
  };
}

/** How to choose an engine, for hints: in a notebook for the kernel, in a terminal for the commands to come. */
export function choosing(name: EngineName): string {
  return `ams engine ${name} (in a terminal, for each command: AMS_ENGINE=${name})`;
}
