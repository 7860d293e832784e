/** Experiments as YAML: what is refused before anything runs, and a whole one on the command line. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { main } from "../../src/cli.js";
import { readExperiment } from "../../src/commands/experiment.js";
import { commands } from "../../src/commands/table.js";
import { amsHome } from "../../src/paths.js";
import { gitState } from "../../src/train/environment.js";

const folder = mkdtempSync(path.join(tmpdir(), "ams-experiment-"));
const name = `experiment-test-${String(process.pid)}`;
after(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(path.join(amsHome(), "runs", name), { recursive: true, force: true });
});

const read = (text: string): [string, unknown][] =>
  readExperiment(text, "cell", commands).map(({ command, options }) => [command.name, options]);
const refused = (text: string, message: RegExp, where: string): void => {
  assert.throws(
    () => read(text),
    (error: { message: string; where: string; hint: string }) => {
      assert.match(error.message, message);
      assert.equal(error.where, where);
      assert.ok(error.hint.length > 0);
      return true;
    },
  );
};

describe("an experiment", () => {
  test("runs verbs in their order, by flags in any spelling, lists as several calls", () => {
    const steps = read(
      "data: scenes\ntrain: { batch-size: 8, num_epochs: 2 }\neval:\n  - { split: val }\n  - { split: test }\nruns:\n",
    );
    assert.deepEqual(
      steps.map(([verb]) => verb),
      ["data", "train", "eval", "eval", "runs"],
    );
    const [data, train, val] = steps.map(([, options]) => options as Record<string, unknown>);
    assert.deepEqual([train?.["batchSize"], train?.["epochs"], val?.["split"]], [8, 2, "val"]);
    assert.ok(Object.values(data ?? {}).includes("scenes"));
  });

  test("a list that is one verb's free words stays one call", () => {
    assert.deepEqual(
      read("compare: [a, b]").map(([, options]) => (options as { sides: string[] }).sides),
      [["a", "b"]],
    );
  });

  test("mistakes are told with their line", () => {
    refused("data: scenes\ntrian: {}\n", /no command "trian"/, "cell, line 2");
    refused("data: scenes\n\ntrain: { epoch: 2 }", /no option --epoch/, "cell, line 3");
    refused("train: { epochs: many }", /--epochs/, "cell, line 1");
    refused("train: { epochs: [1", /no YAML/, "cell, line 1");
    refused("just words", /no verbs/, "cell");
    refused("runs: 5", /takes options/, "cell, line 1");
  });
});

test("ams run trains and evaluates, and the run's folder tells in what", async () => {
  const file = path.join(folder, "first.yaml");
  writeFileSync(
    file,
    `data: { data: scenes, samples: 0 }
train: { size: tiny, steps: 2, epochs: 1, batch-size: 4, validate: 0, seed: 11, recipe: scenes-contrast, name: ${name} }
eval: { split: val, images: 10 }
`,
  );
  let out = "";
  let err = "";
  const code = await main(["run", file, "--json"], {
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    signal: new AbortController().signal,
  });
  assert.equal(code, 0, err);
  const { steps } = JSON.parse(out) as { steps: { verb: string; result: { steps?: number; images?: number } }[] };
  assert.deepEqual(
    steps.map(({ verb }) => verb),
    ["data", "train", "eval"],
  );
  assert.deepEqual([steps[1]?.result.steps, steps[2]?.result.images], [2, 10]);
  const lines = readFileSync(path.join(amsHome(), "runs", name, "environment.jsonl"), "utf8")
    .trim()
    .split("\n");
  assert.equal(lines.length, 1);
  const told = JSON.parse(lines[0]!) as { node: string; backend: string; recipe: { seed: number; batchSize: number } };
  assert.deepEqual([told.node, told.recipe.seed, told.recipe.batchSize], [process.version, 11, 4]);
  assert.ok(told.backend.length > 0);
});

test("ams run --check runs nothing and says what would run", async () => {
  const file = path.join(folder, "checked.yaml");
  writeFileSync(file, "data: scenes\ntrain: { steps: 5 }\n");
  let out = "";
  let err = "";
  const code = await main(["run", file, "--check", "--json"], {
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    signal: new AbortController().signal,
  });
  assert.deepEqual([code, JSON.parse(out)], [0, { steps: [] }]);
  assert.match(err, /2 steps are in order: data, train/);
});

test("a folder that is no repository has no git state", () => {
  assert.equal(gitState(folder), undefined);
});
