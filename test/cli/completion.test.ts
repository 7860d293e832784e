/** Completion in shells: what the scripts ask for, and the shells themselves where they are installed. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { main } from "../../src/cli.js";
import { completionScript, type Shell } from "../../src/shellCompletion.js";

const folder = mkdtempSync(path.join(tmpdir(), "ams-completion-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const cli = path.join(__dirname, "..", "..", "src", "cli.js");
writeFileSync(path.join(folder, "ams"), `#!/bin/sh\nexec "${process.execPath}" "${cli}" "$@"\n`);
chmodSync(path.join(folder, "ams"), 0o755);
mkdirSync(path.join(folder, "pictures"));
const env = { ...process.env, PATH: `${folder}${path.delimiter}${process.env["PATH"] ?? ""}`, HOME: folder };

async function answer(line: string): Promise<string[]> {
  let out = "";
  const signal = new AbortController().signal;
  await main(["__complete", line], { stdout: { write: (text) => (out += text) }, stderr: { write: () => 0 }, signal });
  return out
    .trimEnd()
    .split("\n")
    .map((entry) => entry.split("\t")[0]!);
}

test("verbs of the table and of the command line alone, options, their values", async () => {
  assert.deepEqual(await answer("tr"), ["train"]);
  assert.deepEqual(await answer("comp"), ["compare", "completion"]);
  assert.deepEqual(await answer("train --epo"), ["--epochs"]);
  assert.deepEqual(await answer("engine wa"), ["wasm"]);
  assert.deepEqual(await answer("completion "), ["bash", "zsh", "fish"]);
  assert.deepEqual(await answer("nothing like it "), [""]);
});

test("the published spellings, once begun", async () => {
  assert.deepEqual(await answer("train --batch-size-t"), ["--batch-size-train"]);
});

function missing(shell: Shell): string | false {
  return spawnSync(shell, ["--version"]).status === 0 ? false : `no ${shell} on this machine`;
}

/** What bash's completion makes of a line: its function called as bash calls it. */
function inBash(line: string): string[] {
  const script = `${completionScript("bash")}
compopt() { :; }
COMP_LINE=${JSON.stringify(line)}; COMP_POINT=\${#COMP_LINE}; _ams; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync("bash", ["--norc", "-c", script], { encoding: "utf8", env, cwd: folder });
  assert.equal(stderr, "");
  return stdout.trimEnd().split("\n");
}

describe("bash", { skip: missing("bash") }, () => {
  test("completes a verb, and the part behind an equals sign", () => {
    assert.deepEqual(inBash("ams do"), ["doctor"]);
    assert.deepEqual(inBash("ams build --size=sm"), ["small"]);
  });
  test("completes a folder", () => {
    assert.deepEqual(inBash("ams data flickr30k --root pic"), ["pictures/"]);
  });
});

describe("fish", { skip: missing("fish") }, () => {
  test("completes a verb with its help, and an option", () => {
    const script = completionScript("fish");
    const ask = (line: string): string => {
      const words = ["-c", `${script}\ncomplete -C ${JSON.stringify(line)}`];
      return spawnSync("fish", words, { encoding: "utf8", env, cwd: folder }).stdout.trim();
    };
    assert.match(ask("ams do"), /^doctor\t\S/);
    assert.match(ask("ams train --epo"), /^--epochs\t/);
  });
});

describe("zsh", { skip: missing("zsh") }, () => {
  test("reads the script and offers verbs with their help", () => {
    // _describe needs a line editor: a stand-in prints what it is given.
    const script = `compdef() { :; }
_describe() { print -l -- "\${(@P)3}"; }
_files() { print files; }
${completionScript("zsh")}
LBUFFER="ams do"; _ams; LBUFFER="ams nothing x"; _ams`;
    const { stdout, stderr } = spawnSync("zsh", ["-f", "-c", script], { encoding: "utf8", env, cwd: folder });
    assert.equal(stderr, "");
    assert.match(stdout, /^doctor:what is there.*\nfiles\n$/);
  });
});
