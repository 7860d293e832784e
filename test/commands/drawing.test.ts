/** Before the weights of a large model are drawn: what is refused, and what is shown. */
import assert from "node:assert/strict";
import { afterEach, before, mock, test } from "node:test";
import type { Command } from "../../src/commands/command.js";
import { checkOptions } from "../../src/commands/parse.js";
import { createSession } from "../../src/commands/session.js";
import { buildCommand } from "../../src/commands/verbs/build.js";
import { trainCommand } from "../../src/commands/verbs/train.js";
import { silentContext } from "../../src/context.js";
import type { Dataset } from "../../src/data/dataset.js";
import { startEngine } from "../../src/engine/index.js";
import { AmsError } from "../../src/errors.js";
import * as parameters from "../../src/model/parameters.js";
import * as memory from "../../src/train/memory.js";
import { missing } from "../engine/setup.js";

const data: Dataset = {
  name: "four",
  root: ".",
  fingerprint: "f",
  splits: { train: ["a", "b", "c", "d"].map((id) => ({ id, image: `${id}.png`, captions: [{ text: "a cat" }] })) },
};

before(() => startEngine("plain"));
afterEach(() => {
  mock.restoreAll();
});

/** What a command does, in order: progress as it is shown; "drawn" where it would draw the weights, which ends it. */
async function events(command: Command, options: Record<string, unknown>): Promise<string[]> {
  const seen: string[] = [];
  mock.method(parameters, "createParameters", () => {
    seen.push("drawn");
    throw new Error("enough");
  });
  const progress = ({ label }: { label: string }): void => {
    seen.push(label);
    setImmediate(() => seen.push("a turn of the host"));
  };
  const given = checkOptions(command, options);
  const context = { ...silentContext, progress, note: (line: string) => void seen.push(line) };
  await assert.rejects(command.run(given, context, createSession(".")), (error: Error) => {
    if (error.message !== "enough") seen.push(...(error instanceof AmsError ? error.lines() : [String(error)]));
    return true;
  });
  return seen;
}

const told = ["building a base model: drawing 190 million weights", "a turn of the host", "drawn"];

test("build and train say that they draw a base model's weights, and only then draw them", async () => {
  assert.deepEqual(await events(buildCommand, { size: "base" }), told);
  mock.method(memory, "availableMemory", () => Infinity);
  assert.deepEqual(await events(trainCommand, { data, size: "base", batchSize: 2 }), told);
  // The recipe's own head has one scale instead of six.
  const [single] = await events(buildCommand, { size: "base", recipe: "vse" });
  assert.match(single ?? "", /drawing 182 million weights/);
});

test("bfloat16 that the engine does not have is told, of a setting as of the option", async (t) => {
  const options = { data, size: "tiny", batchSize: 2 };
  const idle = "precision bfloat16 does nothing on engine plain: only TensorFlow has such products";
  assert.deepEqual(await events(trainCommand, { ...options, precision: "bfloat16" }), [idle, "drawn"]);
  assert.deepEqual(await events(trainCommand, { ...options, overrides: { precision: "bfloat16" } }), [idle, "drawn"]);
  // Recipes that have it by themselves mean it where it can be had.
  assert.deepEqual(await events(trainCommand, { ...options, recipe: "scenes-contrast" }), ["drawn"]);
  const reason = await missing("native");
  if (reason !== undefined) {
    t.diagnostic(`not with TensorFlow: ${reason}`);
    return;
  }
  await startEngine("native");
  try {
    assert.deepEqual(await events(trainCommand, { ...options, precision: "bfloat16" }), ["drawn"]);
  } finally {
    await startEngine("plain");
  }
});

test("a small model's are drawn in no time and without a word", async () => {
  assert.deepEqual(await events(buildCommand, { size: "small" }), ["drawn"]);
});

test("a training that does not fit is refused before anything is drawn", async () => {
  mock.method(memory, "availableMemory", () => 4e9);
  const [first, second, third, ...more] = await events(trainCommand, { data, size: "base", batchSize: 2 });
  assert.match(first ?? "", /^a step of 2 pairs needs about \d+\.\d GB of memory, .*; 4\.0 GB are available$/);
  assert.match(second ?? "", /recipe ams-published, model of size base/);
  assert.match(third ?? "", /free memory, or choose a smaller model/);
  assert.deepEqual(more, []);
  const tooLarge = await events(trainCommand, { data, size: "base", batchSize: 9 });
  assert.match(tooLarge[0] ?? "", /a batch of 9 does not fit into 4 pairs/);
  assert.match(tooLarge[2] ?? "", /choose --batch-size 4 or less \(that many make one step an epoch\)/);
  assert.ok(!tooLarge.includes("drawn"));
});
