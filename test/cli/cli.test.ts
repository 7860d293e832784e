import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { z } from "zod";
import { exitCode, main } from "../../src/cli.js";
import { defineCommand, option, type Command } from "../../src/commands/command.js";
import { displaySymbol } from "../../src/display.js";
import { AmsError } from "../../src/errors.js";
import { packageRoot } from "../../src/paths.js";

const work = defineCommand({
  name: "work",
  summary: "works",
  about: "A command for tests.",
  options: {
    outcome: option(z.enum(["done", "failed", "broken", "slow"]).default("done"), { help: "what happens" }),
  },
  aliases: {},
  examples: ["work"],
  resultType: "Result",
  run: async ({ outcome }, context) => {
    context.progress({ label: "working", done: 1, total: 2 });
    context.note("a remark");
    if (outcome === "failed") throw new AmsError("the loss is NaN", { where: "step 3", hint: "lower --learning-rate" });
    if (outcome === "broken") throw new TypeError("a bug");
    if (outcome === "slow") await new Promise((_, reject) => context.signal.addEventListener("abort", reject));
    return { value: 7, [displaySymbol]: () => ({ "text/plain": "seven", "text/html": "<b>7</b>" }) };
  },
  json: ({ value }) => ({ value }),
});

interface Outcome {
  code: number;
  out: string;
  err: string;
}

async function run(
  line: string,
  signal: AbortSignal = new AbortController().signal,
  commands?: Command[],
): Promise<Outcome> {
  const text = { out: "", err: "" };
  const code = await main(line.split(" ").filter(Boolean), {
    stdout: { write: (chunk) => (text.out += chunk) },
    stderr: { write: (chunk) => (text.err += chunk) },
    signal,
    ...(commands === undefined ? {} : { commands }),
  });
  return { code, ...text };
}

const withWork = (line: string, signal?: AbortSignal): Promise<Outcome> => run(line, signal, [work]);

test("control characters that come from data reach no terminal", async () => {
  const text = "a\tdog\u001b[2Jon the\r\u009bbeach\nand";
  const told = (fails: boolean): Command => ({
    ...(work as unknown as Command),
    run: (_, context) => {
      context.note(text);
      if (fails) throw new AmsError(text);
      return Promise.resolve({ value: 7, [displaySymbol]: () => ({ "text/plain": text, "text/html": "" }) });
    },
  });
  const clean = "a\tdog\ufffd[2Jon the\ufffd\ufffdbeach\nand\n";
  const { out, err } = await run("work", undefined, [told(false)]);
  assert.deepEqual([out, err], [clean, clean]);
  assert.equal((await run("work", undefined, [told(true)])).err, clean + clean);
});

describe("the command line", () => {
  test("prints the result's text on stdout, progress and notes on stderr", async () => {
    const { code, out, err } = await withWork("work");
    assert.deepEqual([code, out], [exitCode.done, "seven\n"]);
    assert.match(err, /working 1\/2/);
    assert.match(err, /a remark/);
  });

  test("--json prints exactly one object on stdout", async () => {
    const { out, err } = await withWork("work --json");
    assert.equal(out, '{"value":7}\n');
    assert.match(err, /working/);
  });

  test("a failure is three lines on stderr and exit code 1; with --json also one object on stdout", async () => {
    const { code, out, err } = await withWork("work --outcome failed");
    assert.deepEqual([code, out], [exitCode.failed, ""]);
    assert.ok(err.endsWith("the loss is NaN\nwhere: step 3\nto do: lower --learning-rate\n"), err);
    const { out: object } = await withWork("work --outcome failed --json");
    assert.deepEqual(JSON.parse(object), {
      error: { message: "the loss is NaN", where: "step 3", hint: "lower --learning-rate" },
    });
  });

  test("a bug keeps its stack", async () => {
    const { code, err } = await withWork("work --outcome broken");
    assert.equal(code, exitCode.failed);
    assert.match(err, /TypeError: a bug\n +at /);
  });

  test("wrong usage is exit code 2 and says what was meant", async () => {
    for (const [line, meant] of [
      ["wrok", /did you mean work\?/],
      ["work --outcom done", /--outcome/],
      ["work --outcome dne", /did you mean done\?/],
      ["help wrok", /did you mean work\?/],
    ] as const) {
      const { code, out, err } = await withWork(line);
      assert.deepEqual([code, out], [exitCode.usage, ""], line);
      assert.match(err, meant);
      assert.equal(err.trimEnd().split("\n").length, 3, err);
    }
  });

  test("errors name commands as a terminal takes them", async () => {
    const { err } = await run("train --epoch 2");
    assert.match(err, /^where: ams train --epoch 2\nto do: .*`ams train --help` shows all options$/m);
  });

  test("an interrupt is exit code 130", async () => {
    const controller = new AbortController();
    const outcome = withWork("work --outcome slow", controller.signal);
    controller.abort();
    const { code, err } = await outcome;
    assert.equal(code, exitCode.stopped);
    assert.match(err, /work was stopped/);
  });

  test("help in every form, and the version", async () => {
    for (const line of ["", "help", "--help", "-h"]) assert.match((await run(line)).out, /ams train/);
    for (const line of ["help train", "train --help", "train -h"]) assert.match((await run(line)).out, /--epochs N/);
    const { version } = JSON.parse(readFileSync(path.join(packageRoot(), "package.json"), "utf8")) as {
      version: string;
    };
    assert.equal((await run("--version")).out, `${version}\n`);
  });

  test("help and version with --json are one object too", async () => {
    const object = async (line: string): Promise<Record<string, string>> =>
      JSON.parse((await run(line)).out) as Record<string, string>;
    for (const line of ["--json", "help --json"]) assert.match((await object(line))["help"] ?? "", /ams train/, line);
    assert.match((await object("train --help --json"))["help"] ?? "", /--epochs N/);
    assert.deepEqual(Object.keys(await object("--version --json")), ["version"]);
  });

  test("a number out of range says what to give", async () => {
    const { code, err } = await run("train --steps 0");
    assert.equal(code, exitCode.usage);
    assert.match(err, /^--steps: 0 is below the least value 1\nwhere: .*--steps 0\nto do: give --steps 1 or more: /);
    assert.match((await run("train --lr 0")).err, /0 is not above 0\n.*\nto do: give --learning-rate more than 0: /);
  });

  test("the verbs of the command line alone are there", async () => {
    const { out } = await run("help");
    for (const verb of ["install", "uninstall", "lab"]) assert.ok(out.includes(`ams ${verb}`), verb);
    assert.match((await run("help install")).out, /--sys-prefix/);
  });
});

describe("the program itself", () => {
  const program = path.join(__dirname, "..", "..", "src", "cli.js");
  const spawn = (...words: string[]): ReturnType<typeof spawnSync> =>
    spawnSync(process.execPath, [program, ...words], { encoding: "utf8" });

  test("a verb without the word that it cannot do without is wrong usage too", () => {
    for (const line of ["search", "export"]) {
      const { status, stderr } = spawn(line);
      const text = String(stderr);
      assert.deepEqual([status, text.trimEnd().split("\n").length], [2, 3], text);
    }
  });

  test("begins with the line that makes it runnable", () => {
    assert.ok(readFileSync(program, "utf8").startsWith("#!/usr/bin/env node\n"));
  });

  test("exits with the codes of main, and starts quickly enough for help", () => {
    const started = Date.now();
    const { status, stdout } = spawn("help", "eval");
    assert.deepEqual([status, String(stdout).startsWith("ams eval:")], [0, true]);
    assert.ok(Date.now() - started < 8000);
    assert.equal(spawn("evl").status, 2);
    assert.equal(spawn("export", "table", "--run", "no-such-run").status, 1);
  });
});
