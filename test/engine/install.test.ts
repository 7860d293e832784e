/** Installations that go wrong: pip itself fails in each way, and one clear error comes of it; nothing half made is left. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { diskCheck } from "../../src/commands/verbs/doctor.js";
import { silentContext, type Context, type Progress } from "../../src/context.js";
import { installNative } from "../../src/engine/index.js";
import { nativeFolder, tensorflowVersion } from "../../src/engine/native/files.js";
import { findPython, pipFailure } from "../../src/engine/native/python.js";
import type { Surroundings } from "../../src/engine/surroundings.js";
import { AmsError } from "../../src/errors.js";
import { isRunning } from "../../src/processes.js";

const linux: Surroundings = { platform: "linux", arch: "x64", node: "22.21.0", glibc: "2.36", nvidia: undefined };
const wheel = `tensorflow_cpu-${tensorflowVersion}-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl`;
const root = mkdtempSync(path.join(tmpdir(), "ams-install-"));
const saved = { ...process.env };
after(() => rmSync(root, { recursive: true }));

/** A Python whose pip does as it is told, and which does everything else for real. */
const pythonWithPip = async (name: string, does: string): Promise<string[]> => {
  const real = (await findPython()).program;
  const file = path.join(root, name);
  writeFileSync(file, `#!/bin/sh\nif [ "$1 $2" = "-m pip" ]; then\n${does}\nelse exec ${real} "$@"\nfi\n`);
  chmodSync(file, 0o755);
  return [file];
};
const lastArgument = 'for folder in "$@"; do [ "$before" = "-d" ] && break; before="$folder"; done';

describe("an installation that fails", () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(path.join(root, "home-"));
    process.env["AMS_HOME"] = home;
  });
  after(() => {
    for (const name of ["AMS_HOME", "PIP_INDEX_URL", "PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_RETRIES"]) {
      if (saved[name] === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = saved[name];
    }
  });

  const failsWith = async (
    message: RegExp,
    hint: RegExp,
    { gpu = false, ...around }: Parameters<typeof installNative>[2] & { gpu?: boolean } = {},
    context: Context = silentContext,
  ): Promise<AmsError> => {
    const error: unknown = await installNative({ gpu }, context, { machine: linux, ...around }).then(
      () => assert.fail("it was installed"),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof AmsError, String(error));
    assert.match(error.message, message);
    assert.match(error.hint ?? "", hint);
    assert.equal(error.lines().length, 3);
    assert.ok(error.lines().every((line) => !line.includes("\n")));
    assert.ok(!existsSync(nativeFolder()));
    assert.deepEqual(existsSync(path.join(home, "engine")) ? readdirSync(path.join(home, "engine")) : [], []);
    return error;
  };

  for (const gpu of [false, true]) {
    test(`without a network (${gpu ? "CUDA" : "CPU"})`, async () => {
      process.env["PIP_INDEX_URL"] = "http://127.0.0.1:9/simple";
      process.env["PIP_RETRIES"] = "1";
      const name = gpu ? "ams engine install --gpu" : "ams engine install";
      await failsWith(/^the Python package index cannot be reached \(while /, new RegExp(`run: ${name}$`), { gpu });
    });
  }

  for (const gpu of [false, true]) {
    test(`from a wheel that was cut short on its way (${gpu ? "CUDA" : "CPU"})`, async () => {
      const links = mkdtempSync(path.join(root, "links-"));
      const file = gpu ? "tensorflow-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl" : wheel;
      writeFileSync(path.join(links, file), "PK\x03\x04 and no more");
      process.env["PIP_NO_INDEX"] = "1";
      process.env["PIP_FIND_LINKS"] = links;
      const again = gpu ? /try again: ams engine install --gpu/ : /try again: ams engine install/;
      await failsWith(/its hash differs \(cut short, or changed on the way\)/, again, { gpu });
    });
  }

  test("from an index that lacks the wheel", async () => {
    process.env["PIP_NO_INDEX"] = "1";
    process.env["PIP_FIND_LINKS"] = mkdtempSync(path.join(root, "empty-"));
    await failsWith(/the Python package index has no such wheel/, /pip config list/);
  });

  test("on a disk that fills up", async () => {
    const says = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device";
    const pythons = await pythonWithPip("full", `echo "${says}" >&2; exit 1`);
    const error = await failsWith(/^the disk is full/, /AMS_HOME/, { pythons });
    assert.equal(error.where, says);
  });

  test("with a wheel that pip lets through and that is none", async () => {
    const pythons = await pythonWithPip("torn", `${lastArgument}\nprintf 'PK and no more' > "$folder/${wheel}"`);
    await failsWith(/^the download was cut short \(while unpacking tensorflow_cpu/, /try again/, { pythons });
  });

  test("with a wheel that lacks the libraries", async () => {
    const zip = `import sys, zipfile; zipfile.ZipFile(sys.argv[1], "w").writestr("tensorflow/other.txt", "x")`;
    const real = (await findPython()).program;
    const pythons = await pythonWithPip("hollow", `${lastArgument}\n${real} -c '${zip}' "$folder/${wheel}"`);
    await failsWith(/the wheel has no libtensorflow_framework\.so\.2/, /ams engine wasm/, { pythons });
  });

  test("after its download was shown to its end, in megabytes", async () => {
    const reports: Progress[] = [];
    const context = { ...silentContext, progress: (report: Progress) => reports.push(report) };
    const slowly = `${lastArgument}\nprintf 'PK and no more' > "$folder/${wheel}"\nsleep 1.5`;
    const pythons = await pythonWithPip("watched", slowly);
    await failsWith(/^the download was cut short \(while unpacking/, /try again/, { pythons }, context);
    const downloading = reports.filter(({ label }) => label === `downloading TensorFlow ${tensorflowVersion}`);
    assert.ok(downloading.length >= 2, "shown while it goes on, and at its end");
    assert.ok(downloading.every(({ total, note }) => total === 214 && note === "MB"));
    assert.equal(downloading.at(-1)?.done, 214);
    assert.ok((downloading[0]?.done ?? 214) < 214);
  });

  test("where nothing may be written", async () => {
    writeFileSync(path.join(home, "engine"), "a file in the folder's place");
    const pythons = await pythonWithPip("unused", "exit 1");
    await assert.rejects(installNative({}, silentContext, { machine: linux, pythons }), (error: unknown) => {
      assert.ok(error instanceof AmsError);
      assert.match(error.message, /^the folder cannot be made: (ENOTDIR|EEXIST)/);
      return true;
    });
  });

  test("by an interrupt: it ends within a second, and leaves nothing", async () => {
    const pythons = await pythonWithPip("slow", "exec sleep 60");
    const controller = new AbortController();
    const started = Date.now();
    setTimeout(() => controller.abort(), 300);
    const context = { ...silentContext, signal: controller.signal };
    await assert.rejects(installNative({}, context, { machine: linux, pythons }), { name: "AbortError" });
    assert.ok(Date.now() - started < 2000, `${Date.now() - started} ms`);
    assert.deepEqual(readdirSync(path.join(home, "engine")), []);
  });

  test("by SIGTERM: pip ends, and the process by the signal, and nothing is left", async () => {
    const [python] = await pythonWithPip("patient", `echo $$ > ${path.join(root, "pip.pid")}; exec sleep 60`);
    const module = path.resolve(__dirname, "../../src/engine/index.js");
    const script = `require(${JSON.stringify(module)}).installNative({}, { signal: new AbortController().signal,
      progress() {}, note() {} }, ${JSON.stringify({ machine: linux, pythons: [python] })});`;
    const child = spawn(process.execPath, ["-e", script], { env: { ...process.env, AMS_HOME: home } });
    const ended = once(child, "exit");
    while (!existsSync(path.join(root, "pip.pid"))) await sleep(50);
    child.kill("SIGTERM");
    assert.deepEqual(await ended, [null, "SIGTERM"]);
    assert.deepEqual(readdirSync(path.join(home, "engine")), []);
    const pip = Number(readFileSync(path.join(root, "pip.pid"), "utf8"));
    while (isRunning(pip)) await sleep(50); // it was told, and may take a moment
  });

  test("by a kill: the next one removes what is left, and nothing of a process that lives", async () => {
    const engines = path.join(home, "engine");
    const gone = spawnSync(process.execPath, ["--version"]).pid;
    const [dead, alive] = [`.install-gpu-${gone}`, `.install-gpu-${process.ppid}`];
    for (const name of [dead, alive]) {
      mkdirSync(path.join(engines, name, "site"), { recursive: true });
      writeFileSync(path.join(engines, name, "site", "half.so"), "half");
    }
    const pythons = await pythonWithPip("failing", "exit 1");
    await assert.rejects(installNative({}, silentContext, { machine: linux, pythons }), /pip failed/);
    assert.deepEqual(readdirSync(engines), [alive]);
  });

  test(
    "in a folder that the system denies, where Node would try for ever",
    { skip: !existsSync("/proc/self") },
    async () => {
      process.env["AMS_HOME"] = "/proc/nope";
      const pythons = await pythonWithPip("denied", "exit 1");
      await assert.rejects(installNative({}, silentContext, { machine: linux, pythons }), /the folder cannot be made/);
      assert.match(diskCheck().found, /cannot be written/);
    },
  );

  test("is tried again over a folder that holds a damaged one", async () => {
    mkdirSync(nativeFolder(), { recursive: true });
    const record = path.join(nativeFolder(), "installed.json");
    writeFileSync(record, '{"files": {}');
    truncateSync(record, 5);
    process.env["PIP_NO_INDEX"] = "1";
    process.env["PIP_FIND_LINKS"] = root;
    await assert.rejects(installNative({}, silentContext, { machine: linux }), /no such wheel/);
    // What was there stays until something better has come.
    assert.ok(existsSync(record));
  });
});

test("a library that was damaged without a change of its length is fetched again, a whole one is not", async () => {
  const home = mkdtempSync(path.join(root, "mended-"));
  process.env["AMS_HOME"] = home;
  try {
    const libraries = ["libtensorflow_framework.so.2", "libtensorflow_cc.so.2"];
    const script = path.join(root, "wheel.py");
    writeFileSync(
      script,
      [
        "import sys, zipfile",
        'with zipfile.ZipFile(sys.argv[1], "w") as wheel:',
        `    for name in ${JSON.stringify([...libraries, "THIRD_PARTY_NOTICES.txt"])}:`,
        '        wheel.writestr("tensorflow/" + name, "whole " + name)',
        '    wheel.writestr("tensorflow/include/LICENSE", "whole")',
      ].join("\n"),
    );
    const fetched = path.join(root, "fetched");
    const { program } = await findPython();
    const pythons = await pythonWithPip(
      "fetching",
      `${lastArgument}\necho >> ${fetched}\n${program} ${script} "$folder/${wheel}"`,
    );
    const notes: string[] = [];
    const context = { ...silentContext, note: (line: string) => notes.push(line) };
    const install = (): Promise<void> => installNative({}, context, { machine: linux, pythons });
    const times = (): number => readFileSync(fetched, "utf8").split("\n").length - 1;
    await install();
    assert.deepEqual([times(), notes], [1, []]);
    await install();
    assert.equal(times(), 1);
    const library = path.join(nativeFolder(), libraries[1]!);
    const whole = readFileSync(library, "utf8");
    writeFileSync(library, "\0".repeat(whole.length));
    notes.length = 0;
    await install();
    assert.equal(times(), 2);
    assert.equal(readFileSync(library, "utf8"), whole);
    assert.match(notes.join("\n"), /they are not as they were installed: installing them again/);
    assert.deepEqual(readdirSync(path.join(home, "engine")), [path.basename(nativeFolder())]);
  } finally {
    if (saved["AMS_HOME"] === undefined) Reflect.deleteProperty(process.env, "AMS_HOME");
    else process.env["AMS_HOME"] = saved["AMS_HOME"];
  }
});

describe("pip's many lines become one sentence", () => {
  const work = { label: "downloading", retry: "ams engine install" };
  for (const [output, message] of [
    [
      "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(...)'\nERROR: Could not find a version that satisfies the requirement tensorflow-cpu==2.16.2",
      /cannot be reached/,
    ],
    ["  pip._vendor.urllib3.exceptions.ReadTimeoutError: HTTPSConnectionPool: Read timed out.", /cut short/],
    ["ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/x'", /may not write there/],
    ["ERROR: something new in pip 40", /^pip failed \(while downloading\)$/],
  ] as const) {
    test(String(message), () => assert.match(pipFailure(output, work).message, message));
  }

  test("and silence is said to be silence", () => {
    assert.deepEqual(pipFailure("", work).lines(), [
      "pip failed (while downloading)",
      "where: pip said nothing",
      "to do: mend what pip says, then run: ams engine install",
    ]);
  });
});
