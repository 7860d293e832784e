/** Machines that cannot have an engine: what the choice, the doctor and the installation say there, each with its reason. */
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import { silentContext } from "../../src/context.js";
import { engineReport, installNative, startEngine, type EngineName } from "../../src/engine/index.js";
import { beyondWasm, gpuRemark, refusal } from "../../src/engine/refusals.js";
import {
  atLeast,
  parseDriverFile,
  parseNvidiaSmi,
  type NvidiaGpu,
  type Surroundings,
} from "../../src/engine/surroundings.js";
import { AmsError } from "../../src/errors.js";

const linux: Surroundings = { platform: "linux", arch: "x64", node: "22.21.0", glibc: "2.36", nvidia: undefined };
const mac: Surroundings = { ...linux, platform: "darwin", arch: "arm64", glibc: undefined };
const windows: Surroundings = { ...linux, platform: "win32", glibc: undefined };
const alpine: Surroundings = { ...linux, glibc: undefined };
const arm: Surroundings = { ...linux, arch: "arm64" };
const withGpu = (driver: string, name: string, compute: number): Surroundings => ({
  ...linux,
  nvidia: { driver, gpus: [{ name, megabytes: 24_576, compute } satisfies NvidiaGpu] },
});

/** [machine, engine, what is found, what to do]; undefined: nothing stands in the way. */
const rows: [string, Surroundings, EngineName, RegExp | undefined, RegExp?][] = [
  ["Linux on x86-64", linux, "native", undefined],
  ["Linux on x86-64", linux, "webgpu", undefined],
  ["Linux on ARM", arm, "native", undefined],
  ["macOS", mac, "native", /used on Linux only; this is macOS/, /WebGPU \(Metal\) is tried there, then WASM/],
  ["macOS", mac, "gpu", /no CUDA on macOS/, /WebGPU \(Metal\)/],
  ["macOS", mac, "webgpu", undefined],
  [
    "Windows",
    windows,
    "native",
    /used on Linux only; this is Windows/,
    /WebGPU \(Direct3D 12\) is tried there, then WASM/,
  ],
  ["Windows", windows, "gpu", /no CUDA libraries for Windows/, /WSL 2/],
  ["Windows", windows, "webgpu", undefined],
  ["Alpine", alpine, "native", /need glibc; .*musl/, /WASM is used there.*Debian/],
  ["Alpine", alpine, "gpu", /need glibc; .*musl/, /WASM is used there/],
  ["Alpine", alpine, "webgpu", /need glibc; .*musl/, /WASM is used there/],
  ["an old glibc", { ...linux, glibc: "2.12" }, "native", /glibc 2\.12 is too old: its libraries need 2\.17/, /WASM/],
  ["an old glibc", { ...linux, glibc: "2.17" }, "gpu", /glibc 2\.17 is too old: its libraries need 2\.27/, /WASM/],
  ["an old glibc", { ...linux, glibc: "2.31" }, "webgpu", /glibc 2\.31 is too old: its libraries need 2\.34/, /WASM/],
  [
    "a RISC-V machine",
    { ...linux, arch: "riscv64" },
    "native",
    /no TensorFlow [\d.]+ wheel for Linux on riscv64/,
    /WASM/,
  ],
  [
    "a RISC-V machine",
    { ...linux, arch: "riscv64" },
    "webgpu",
    /no WebGPU \(npm webgpu\) for Linux on riscv64/,
    /WASM/,
  ],
  ["FreeBSD", { ...linux, platform: "freebsd" }, "native", /this is freebsd/, /WASM is used there/],
  ["a GPU on ARM", arm, "gpu", /no CUDA wheels of TensorFlow for Linux on arm64/, /ams engine native/],
  ["no GPU", linux, "gpu", /no NVIDIA driver/, /ams engine native/],
  [
    "an old driver",
    withGpu("470.256.02", "Tesla T4", 7.5),
    "gpu",
    /driver 470\.256\.02 is too old for CUDA 12/,
    /525\.60\.13/,
  ],
  ["an old GPU", withGpu("550.54.15", "GeForce GTX 980", 5.2), "gpu", /GTX 980 has compute capability 5\.2/, /native/],
  [
    "a new GPU with a driver that cannot compile for it",
    withGpu("535.183.01", "NVIDIA H100 80GB HBM3", 9),
    "gpu",
    /driver 535\.183\.01 cannot compile TensorFlow's code for NVIDIA H100/,
    /555\.42\.02/,
  ],
  [
    "a container without the GPU",
    { ...linux, nvidia: { driver: "570.86.10", gpus: [] } },
    "gpu",
    /lists no GPU/,
    /--gpus all/,
  ],
  ["a driver that nothing can be asked about", { ...linux, nvidia: {} }, "gpu", undefined],
  ["an A100", withGpu("535.183.01", "NVIDIA A100-SXM4-80GB", 8), "gpu", undefined],
  ["an H100", withGpu("570.86.10", "NVIDIA H100 80GB HBM3", 9), "gpu", undefined],
  ["anything", { ...alpine, arch: "riscv64" }, "wasm", undefined],
  ["anything", { ...alpine, platform: "aix" }, "plain", undefined],
];

describe("an engine is refused for its own reason, and what is tried instead is said", () => {
  for (const [name, machine, engine, found, hint] of rows) {
    test(`${engine} with ${name}: ${found === undefined ? "nothing stands in the way" : found.source}`, () => {
      const reason = refusal(engine, machine);
      if (found === undefined) {
        assert.equal(reason, undefined);
        return;
      }
      assert.match(reason?.found ?? "", found);
      assert.match(reason?.hint ?? "", hint ?? /$^/);
    });
  }

  test("one that is named says it in three lines", async () => {
    await assert.rejects(startEngine("native", { machine: mac }), (error: unknown) => {
      assert.ok(error instanceof AmsError);
      assert.deepEqual(error.lines().slice(1), [
        "where: engine native",
        "to do: nothing to do: WebGPU (Metal) is tried there, then WASM",
      ]);
      return true;
    });
  });
});

describe("the doctor explains", () => {
  const checks = async (machine: Surroundings, pythons?: string[]) =>
    new Map((await engineReport(machine, pythons)).map((check) => [check.name, check]));

  test("that Node 23 and later get back what tfjs-node needs, and that Node 18 is too old", async () => {
    assert.match(
      (await checks({ ...linux, node: "24.11.0" })).get("Node")?.found ?? "",
      /Node 23 removed are put back/,
    );
    assert.doesNotMatch((await checks(linux)).get("Node")?.found ?? "", /put back/);
    const old = (await checks({ ...linux, node: "18.20.4" })).get("Node");
    assert.deepEqual([old?.ok, old?.hint], [false, "install Node 20, 22 or 24"]);
  });

  test("every refusal of a machine in its own line", async () => {
    const onMusl = await checks(alpine);
    assert.equal(onMusl.get("native engine")?.ok, false);
    assert.match(onMusl.get("native engine")?.found ?? "", /musl/);
    assert.match(onMusl.get("WebGPU engine")?.found ?? "", /musl/);
    const oldDriver = (await checks(withGpu("470.256.02", "Tesla T4", 7.5))).get("GPU engine");
    assert.deepEqual([oldDriver?.ok, /470\.256\.02 is too old/.test(oldDriver?.found ?? "")], [false, true]);
    const good = (await checks(withGpu("570.86.10", "NVIDIA L4", 8.9))).get("GPU engine");
    assert.deepEqual([good?.ok, good?.hint], [false, "run: ams engine install --gpu"]);
    assert.match(good?.found ?? "", /^NVIDIA L4, driver 570\.86\.10: .*not installed/);
    assert.equal((await checks(linux)).get("GPU engine")?.ok, true);
  });

  test("which Python was found, or why each one will not do", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "ams-python-"));
    const fake = (name: string, answer: string): string => {
      const file = path.join(folder, name);
      writeFileSync(file, `#!/bin/sh\n${answer}\n`);
      chmodSync(file, 0o755);
      return file;
    };
    const bad = [
      fake("old", "echo 3 7 20.0"),
      fake("bare", "echo 3 12"),
      fake("broken", "echo 'cannot open shared object file' >&2; exit 127"),
      path.join(folder, "nowhere"),
    ];
    const none = (await checks(linux, bad)).get("Python with pip");
    assert.match(none?.found ?? "", /old: Python 3\.7 is too old/);
    assert.match(none?.found ?? "", /bare: Python 3\.12 has no pip/);
    assert.match(none?.found ?? "", /broken: cannot open shared object file/);
    assert.match(none?.found ?? "", /nowhere: not there/);
    assert.match(none?.hint ?? "", /apt install python3-pip/);
    const newer = (await checks(linux, [...bad, fake("new", "echo 3 14 25.0")])).get("Python with pip");
    assert.equal(newer?.ok, true);
    assert.match(newer.found, /\(3\.14\): .*any version does/);
    rmSync(folder, { recursive: true });
  });
});

describe("an installation is refused before anything is fetched", () => {
  const context = { ...silentContext, progress: () => assert.fail("something was fetched") };
  const home = mkdtempSync(path.join(tmpdir(), "ams-install-"));
  const inHome = async (work: () => Promise<void>): Promise<void> => {
    const before = process.env["AMS_HOME"];
    process.env["AMS_HOME"] = home;
    try {
      await work();
    } finally {
      if (before === undefined) delete process.env["AMS_HOME"];
      else process.env["AMS_HOME"] = before;
    }
  };

  for (const [what, gpu, machine, message] of [
    ["the CPU libraries on macOS", false, mac, /used on Linux only/],
    ["the CPU libraries on Alpine", false, alpine, /musl/],
    ["CUDA on ARM", true, arm, /no CUDA wheels/],
    ["CUDA on Windows", true, windows, /no CUDA libraries for Windows/],
    ["CUDA with an old driver", true, withGpu("450.80.02", "Tesla T4", 7.5), /450\.80\.02 is too old/],
  ] as const) {
    test(what, () =>
      inHome(() =>
        assert.rejects(installNative({ gpu }, context, { machine }), (error: AmsError) => message.test(error.message)),
      ),
    );
  }

  for (const gpu of [false, true]) {
    test(`a full disk (${gpu ? "CUDA" : "CPU"})`, () =>
      inHome(() =>
        assert.rejects(
          installNative({ gpu }, context, { machine: linux, free: () => 3e8 }),
          (error: AmsError) =>
            /^the disk has 300 MB free, the installation needs (854|5600) MB$/.test(error.message) &&
            error.where === path.join(home, "engine") &&
            /AMS_HOME/.test(error.hint ?? ""),
        ),
      ));
  }

  test("CUDA without a driver is not refused: the GPU may come later", () =>
    inHome(() =>
      assert.rejects(
        installNative({ gpu: true }, context, { machine: linux, free: () => 0 }),
        /the disk has 0 MB free/,
      ),
    ));
});

describe("what the machine tells", () => {
  test("nvidia-smi's answer, of new and of old drivers", () => {
    assert.deepEqual(
      parseNvidiaSmi("NVIDIA H100 80GB HBM3, 81559, 570.86.10, 9.0\nNVIDIA L4, 23034, 570.86.10, 8.9\n", {}),
      {
        driver: "570.86.10",
        gpus: [
          { name: "NVIDIA H100 80GB HBM3", megabytes: 81559, compute: 9 },
          { name: "NVIDIA L4", megabytes: 23034, compute: 8.9 },
        ],
      },
    );
    assert.deepEqual(parseNvidiaSmi("Tesla K80, 11441, 470.256.02\n", {}).gpus, [
      { name: "Tesla K80", megabytes: 11441 },
    ]);
    assert.deepEqual(parseNvidiaSmi("No devices were found\n", {}), { gpus: [] });
  });

  test("only the GPUs that CUDA_VISIBLE_DEVICES leaves, in its order", () => {
    const text = ["A", "B", "C"].map((name) => `${name}, 23034, 570.86.10, 8.9\n`).join("");
    const left = (visible?: string): string | undefined =>
      parseNvidiaSmi(text, { CUDA_VISIBLE_DEVICES: visible })
        .gpus?.map(({ name }) => name)
        .join("");
    assert.equal(left(), "ABC");
    assert.equal(left("1"), "B");
    assert.equal(left("2, 0"), "CA");
    assert.equal(left("1,7,0"), "B"); // what comes after a number that there is not does not count, as CUDA reads it
    for (const none of ["", "-1"]) assert.equal(left(none), "");
    assert.equal(left("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6"), "ABC");
    const before = process.env["CUDA_VISIBLE_DEVICES"];
    try {
      process.env["CUDA_VISIBLE_DEVICES"] = "";
      const nvidia = parseNvidiaSmi(text);
      assert.deepEqual(nvidia, { driver: "570.86.10", gpus: [] });
      assert.match(refusal("gpu", { ...linux, nvidia })?.hint ?? "", /check CUDA_VISIBLE_DEVICES/);
    } finally {
      if (before === undefined) Reflect.deleteProperty(process.env, "CUDA_VISIBLE_DEVICES");
      else process.env["CUDA_VISIBLE_DEVICES"] = before;
    }
  });

  test("the kernel module's version", () => {
    const text =
      "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC version: 12.2.0\n";
    assert.equal(parseDriverFile(text), "550.54.15");
    const open = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.10  Release Build\n";
    assert.equal(parseDriverFile(open), "570.86.10");
  });

  test("versions are compared by number", () => {
    assert.ok(atLeast("2.36", "2.4"));
    assert.ok(!atLeast("525.9", "525.60.13"));
    assert.ok(atLeast("525.60.13", "525.60.13"));
  });

  test("a GPU newer than the wheel's machine code is announced as slow at first, an older one is not", () => {
    assert.match(gpuRemark(withGpu("570.86.10", "NVIDIA H100", 9)) ?? "", /first run takes minutes longer/);
    assert.equal(gpuRemark(withGpu("570.86.10", "NVIDIA A100", 8)), undefined);
    assert.equal(gpuRemark(linux), undefined);
  });
});

test("what WASM has no room for is sent to the engine that this machine can have", () => {
  const native = "ams engine native (in a terminal, for each command: AMS_ENGINE=native)";
  assert.equal(beyondWasm(linux, true), native);
  assert.equal(beyondWasm(linux, false), `ams engine install, then ${native}`);
  assert.match(beyondWasm(mac, false) ?? "", /^ams engine webgpu /);
  assert.equal(beyondWasm(alpine, false), undefined);
});

test("the installation for NVIDIA GPUs says first that there is no driver, and what it fetches", async () => {
  const home = process.env["AMS_HOME"];
  const empty = mkdtempSync(path.join(tmpdir(), "ams-no-driver-"));
  process.env["AMS_HOME"] = empty;
  try {
    for (const [machine, told] of [
      [linux, [/^there is no NVIDIA driver on this machine: .* will not run here; 2\.6 GB are fetched, 4\.7 GB stay$/]],
      [withGpu("570.1", "A100", 8), []],
      [mac, []],
      [arm, []],
    ] as const) {
      const notes: string[] = [];
      const context = { ...silentContext, note: (line: string) => notes.push(line) };
      // No Python, so that nothing is fetched.
      await assert.rejects(installNative({ gpu: true }, context, { machine, pythons: [] }));
      assert.equal(notes.length, told.length, notes.join("\n"));
      told.forEach((pattern, i) => assert.match(notes[i] ?? "", pattern));
    }
  } finally {
    if (home === undefined) Reflect.deleteProperty(process.env, "AMS_HOME");
    else process.env["AMS_HOME"] = home;
    rmSync(empty, { recursive: true });
  }
});
