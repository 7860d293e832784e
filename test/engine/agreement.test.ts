/** Native TensorFlow, WebGPU and WASM against plain JavaScript. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startEngine, type EngineName } from "../../src/engine/index.js";
import { cases, compute } from "./cases.js";
import { missing } from "./setup.js";

const engines: EngineName[] = ["native", "webgpu", "wasm"];

describe("every engine agrees with plain JavaScript on", () => {
  for (const engine of engines) {
    for (const one of cases) {
      test(`${one.name} (${engine})`, async (t) => {
        const reason = await missing(engine);
        if (reason !== undefined) {
          t.skip(reason);
          return;
        }
        await startEngine("plain");
        const wanted = compute(one);
        await startEngine(engine);
        const got = compute(one);
        assert.deepEqual(
          got.map(({ name }) => name),
          wanted.map(({ name }) => name),
        );
        got.forEach(({ name, values }, i) => {
          const reference = wanted[i]?.values ?? [];
          const scale = Math.max(1, ...reference.map(Math.abs));
          values.forEach((value, j) => {
            const difference = Math.abs(value - (reference[j] ?? NaN));
            assert.ok(
              difference <= 3e-6 * scale,
              `${name}[${String(j)}]: ${String(value)} is not ${String(reference[j])}`,
            );
          });
        });
      });
    }
  }
});
