/** A thread that waits for tiles in shared memory and works on its share of each. */
import { workerData } from "node:worker_threads";
import { control, shareOf, type TileLayout } from "./fusedShare.js";
import type { SharedMemory } from "./wasmKernels.js";

const { memory, layout, index } = workerData as { memory: SharedMemory; layout: TileLayout; index: number };
const state = new Int32Array(memory.buffer, 0, control.length);
const work = shareOf(memory, layout, index);
for (let seen = 0; ;) {
  Atomics.wait(state, control.generation, seen);
  seen = Atomics.load(state, control.generation);
  if (seen < 0) break; // the scorer is closed
  Atomics.add(state, control.begun, 1);
  try {
    work();
  } catch {
    Atomics.store(state, control.failed, 1);
  }
  Atomics.add(state, control.finished, 1);
  Atomics.notify(state, control.finished);
}
