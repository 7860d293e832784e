/** A whole experiment as a cell of a real kernel: what it answers, what it refuses, and what the run's folder tells afterwards. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { amsHome } from "../../src/paths.js";
import type { EnvironmentRecord } from "../../src/train/environment.js";
import { startKernel, type TestKernel } from "./client.js";

describe("a cell of %%ams", () => {
  const name = `experiment-cell-${String(process.pid)}`;
  const run = path.join(amsHome(), "runs", name);
  const folder = mkdtempSync(path.join(tmpdir(), "ams-cell-"));
  const git = (...args: string[]): string =>
    execFileSync("git", ["-c", "user.name=test", "-c", "user.email=test@test", ...args], {
      cwd: folder,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  // With a remark, a mapping in two spellings and a list, none of which is the same after reading and writing it.
  const text = (steps: number): string =>
    `# two steps, then two looks
data:   { data: scenes, samples: 0 }
train:
  size: tiny
  recipe: scenes-contrast   # from random weights
  batch-size: 4
  steps: ${String(steps)}
  epochs: 1
  validate: 0
  seed: 11
  name: ${name}
runs: { last: 1 }
`;
  let kernel: TestKernel;
  before(async () => {
    git("init", "--quiet");
    writeFileSync(path.join(folder, "own.txt"), "one\n");
    git("add", "own.txt");
    git("commit", "--quiet", "--message", "first");
    kernel = await startKernel({ folder });
  });
  after(async () => {
    await kernel.stop();
    rmSync(folder, { recursive: true, force: true });
    rmSync(run, { recursive: true, force: true });
  });
  const environment = (): EnvironmentRecord[] =>
    readFileSync(path.join(run, "environment.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as EnvironmentRecord);

  test("and one with a line: errors and notes name commands as a cell takes them", async () => {
    const { error } = await kernel.execute("%ams train --epoch 2");
    assert.match(error?.evalue ?? "", /^where: %ams train --epoch 2\nto do: .*`%ams train --help` shows all options$/m);
    assert.match(error?.traceback.join("\n") ?? "", /`%ams train --help`/);
    const called = await kernel.execute('await ams.plot("history", { run: ["none-of-this-name"] });');
    assert.match(called.error?.evalue ?? "", /(`%ams runs` lists them|make one: %ams train)$/);
    const built = await kernel.execute("%ams build --size tiny --out start");
    assert.match(built.stdout, /to train it: %ams train --checkpoint start/);
  });

  test("with a mistake runs nothing and says on which line it is", async () => {
    const { status, error } = await kernel.execute(`%%ams\n${text(2).replace("batch-size", "batch-sise")}`);
    assert.equal(status, "error");
    assert.match(`${error?.evalue ?? ""}\n${error?.traceback.join("\n") ?? ""}`, /no option --batch-sise[^]*line 3/);
    assert.ok(!readdirSync(path.dirname(run)).includes(name));
  });

  test("runs its verbs, shows what each returned, and is kept in the run's folder as it was written", async () => {
    const { status, error, messages, reply } = await kernel.execute(`%%ams\n${text(2)}`);
    assert.equal(status, "ok", error?.evalue);
    const result = messages.find(({ type }) => type === "execute_result");
    const data = result?.content["data"] as Record<string, string>;
    assert.match(data["text/plain"] ?? "", /^data\n[^]*\ntrain\n[^]*\nruns\n/);
    for (const verb of ["data", "train", "runs"]) assert.ok(data["text/html"]?.includes(`<h4>${verb}</h4>`), verb);
    assert.equal(result?.parent.msg_id, reply.parent.msg_id);
    assert.equal(readFileSync(path.join(run, "experiment.yaml"), "utf8"), text(2));
    const [told, ...more] = environment();
    assert.deepEqual([more.length, told?.experiment, told?.recipe.seed], [0, "experiment.yaml", 11]);
    assert.deepEqual(told?.git, { commit: git("rev-parse", "HEAD"), changed: false });
    const { options } = JSON.parse(readFileSync(path.join(run, "run.json"), "utf8")) as { options: object };
    assert.ok(!("experiment" in options));
  });

  test("that goes on with the run is kept beside the first, with the git state of its own start", async () => {
    writeFileSync(path.join(folder, "own.txt"), "two\n");
    const next = `train: { resume: ${name}, steps: 3 }\n`;
    const { status, error } = await kernel.execute(`%%ams\n${next}`);
    assert.equal(status, "ok", error?.evalue);
    assert.equal(readFileSync(path.join(run, "experiment.yaml"), "utf8"), text(2));
    assert.equal(readFileSync(path.join(run, "experiment-2.yaml"), "utf8"), next);
    const [, told] = environment();
    assert.deepEqual([told?.experiment, told?.git?.changed, told?.recipe.seed], ["experiment-2.yaml", true, 11]);
  });

  test("leaves nothing of itself to a training that comes after it", async () => {
    const { status, error, stdout } = await kernel.execute(
      `const more = %ams train --resume ${name} --steps 4\nconsole.log(more.steps.length)`,
    );
    assert.equal(status, "ok", error?.evalue);
    assert.match(stdout, /^going on with run .* step 3 of 4\)\n4\n$/);
    assert.equal(environment().at(-1)?.experiment, undefined);
    assert.equal(environment().length, 3);
    assert.deepEqual(
      readdirSync(run).filter((file) => file.endsWith(".yaml")),
      ["experiment-2.yaml", "experiment.yaml"],
    );
  });
});
