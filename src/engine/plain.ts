/** tfjs's plain JavaScript backend: works everywhere, slowly. */
import * as tf from "@tensorflow/tfjs-core";
import { version_cpu } from "@tensorflow/tfjs-backend-cpu";
import { registerSegmentSum } from "./segmentSum.js";
import type { EngineInfo } from "./types.js";

export function startPlain(): { backend: string; info: EngineInfo } {
  // The first use would print an advertisement for tfjs-node.
  (tf.findBackend("cpu") as unknown as { firstUse: boolean }).firstUse = false;
  registerSegmentSum("cpu");
  return {
    backend: "cpu",
    info: {
      name: "plain",
      device: "CPU",
      detail: "plain JavaScript, one thread",
      threads: 1,
      versions: { "tfjs-backend-cpu": version_cpu },
    },
  };
}
