/** What tfjs-node's kernels need mended before they work here: functions that newer versions of Node lack, and rounding. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import { startEngine } from "../../src/engine/index.js";
import type { NativeBackend } from "../../src/engine/native/backend.js";
import { refusal } from "../../src/engine/refusals.js";
import { nativeHere } from "./setup.js";

const skip = refusal("native")?.found;

test("the native engine computes where Node's util has neither isNullOrUndefined nor isArray", { skip }, async () => {
  await nativeHere();
  // As in Node 23 and later; on older ones the two are taken away before anything of ours is loaded.
  const program = `
    const util = require("node:util");
    delete util.isNullOrUndefined;
    delete util.isArray;
    const tf = require("@tensorflow/tfjs-core");
    require(${JSON.stringify(path.resolve(__dirname, "../../src/engine/index.js"))}).startEngine("native").then((info) => {
      const x = tf.tensor1d([3, 1, 2]);
      const results = [tf.add(x, 1), tf.topk(x, 2).values, tf.concat([x, x]), tf.stack([x, x])];
      console.log(JSON.stringify([info.name, ...results.map((one) => [...one.dataSync()])]));
      process.exit(0);
    });`;
  const { stdout } = await promisify(execFile)(process.execPath, ["-e", program], { cwd: __dirname });
  assert.deepEqual(JSON.parse(stdout), ["native", [4, 2, 3], [3, 2], [3, 1, 2, 3, 1, 2], [3, 1, 2, 3, 1, 2]]);
});

test(
  "whole numbers are their own rounding: TensorFlow, which makes zeros of them, is not asked",
  { skip },
  async () => {
    await nativeHere();
    await startEngine("native");
    const { binding } = tf.backend() as NativeBackend;
    const { executeOp } = binding;
    const names: string[] = [];
    binding.executeOp = (name, ...rest) => {
      names.push(name);
      return executeOp(name, ...rest);
    };
    try {
      const [before, below] = [tf.memory().numTensors, binding.getNumOfTensors()];
      tf.tidy(() => {
        const whole = tf.tensor1d([7, -3, 0], "int32");
        // Once before TensorFlow knows the tensor and once after.
        for (const x of [whole, tf.add(whole, tf.scalar(0, "int32"))]) {
          const rounded = tf.round(x);
          assert.equal(rounded.dtype, "int32");
          assert.deepEqual([...rounded.dataSync()], [7, -3, 0]);
        }
        assert.ok(names.length > 0 && !names.includes("Round"), names.join());
        assert.deepEqual([...tf.round(tf.tensor1d([1.4, -1.6])).dataSync()], [1, -2]);
        assert.ok(names.includes("Round"));
      });
      assert.deepEqual([tf.memory().numTensors, binding.getNumOfTensors()], [before, below]);
    } finally {
      binding.executeOp = executeOp;
    }
  },
);
