/** All golden numbers on WebGPU; on a software renderer, which takes a quarter of an hour, with AMS_SOFTWARE_GPU=1 only. */
import { findAdapter } from "../../src/engine/webgpu/start.js";
import { noWebgpuHere } from "../engine/setup.js";
import { goldenSuite } from "./goldenSuite.js";

void (async () => {
  const reason = await noWebgpuHere();
  const slow =
    reason === undefined && process.env["AMS_SOFTWARE_GPU"] === undefined && (await findAdapter()).software
      ? "takes a quarter of an hour on a software renderer (AMS_SOFTWARE_GPU=1 runs it)"
      : undefined;
  goldenSuite("webgpu", { slowSteps: 1, skip: reason ?? slow ?? false });
})();
