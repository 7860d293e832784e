import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { callsOf } from "../../src/commands/api.js";
import { createSession } from "../../src/commands/session.js";
import { silentContext, type Context } from "../../src/context.js";
import { AmsError } from "../../src/errors.js";
import { createApi } from "../../src/index.js";
import { sample } from "./sample.js";

const session = createSession(process.cwd());
const api = callsOf(sample, session, (work) => work(silentContext)) as unknown as {
  fit(options?: object): Promise<{ epochs: number }>;
  ask(query: string | object, options?: object): Promise<unknown>;
};

describe("typed calls", () => {
  test("take options by their own and their other names", async () => {
    assert.deepEqual(await api.fit({ epochs: 5, lr: 2e-5 }), {
      epochs: 5,
      learningRate: 2e-5,
      kind: "linear",
      shuffle: true,
    });
    assert.equal((await api.fit()).epochs, 3);
  });

  test("take the free word first, with or without options", async () => {
    assert.deepEqual(await api.ask("two red cars"), { query: "two red cars", k: 5, deep: false });
    assert.deepEqual(await api.ask("cars", { k: 2 }), { query: "cars", k: 2, deep: false });
    assert.deepEqual(await api.ask({ query: "cars" }), { query: "cars", k: 5, deep: false });
  });

  test("are checked by the compiler", async () => {
    const ams = createApi();
    // @ts-expect-error there is no such option
    await assert.rejects(ams.train({ epoch: 5 }), /no option --epoch/);
    // @ts-expect-error there is no such figure
    await assert.rejects(ams.plot("atention"), AmsError);
    // @ts-expect-error train has no free word
    await assert.rejects(ams.train("deep"), /takes its options as one object/);
  });

  test("run where the host says", async () => {
    const contexts: Context[] = [];
    const calls = callsOf(sample, session, (work) => {
      contexts.push(silentContext);
      return work(silentContext);
    });
    await calls["fit"]?.();
    assert.equal(contexts.length, 1);
  });

  test("the public API has every verb, evaluate under both names, frame and widget", () => {
    const names = [
      "doctor",
      "engine",
      "data",
      "build",
      "train",
      "eval",
      "evaluate",
      "compare",
      "plot",
      "index",
      "indexes",
      "search",
      "run",
      "runs",
      "export",
      "inspect",
      "frame",
      "widget",
    ];
    assert.deepEqual(Object.keys(createApi()).sort(), names.sort());
    assert.throws(() => createApi().widget({ esm: "export default {}" }), /widgets need a notebook/);
  });
});
