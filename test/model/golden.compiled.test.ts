/** All golden numbers on native TensorFlow with every formula compiled, however small its tensors. */
import assert from "node:assert/strict";
import { compileFrom } from "../../src/engine/formula.js";
import { nativeOps, startEngine } from "../../src/engine/index.js";
import { refusal } from "../../src/engine/refusals.js";
import { nativeHere } from "../engine/setup.js";
import { goldenSuite } from "./goldenSuite.js";

goldenSuite("native", {
  skip: refusal("native") === undefined ? false : "no native engine for this platform",
  prepare: async () => {
    await nativeHere();
    compileFrom(0);
    await startEngine("native");
    assert.equal(nativeOps()?.compiles, true);
  },
});
