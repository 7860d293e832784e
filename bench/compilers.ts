/**
 * What it would cost to compile cells with tslab's converter (on its own patched TypeScript) in place of ours, in one process each,
 * and which cells each of them takes.
 *
 *     AMS_BENCH_PEERS=FOLDER node build/bench/compilers.js
 *
 * FOLDER is the one into which bench/kernel.js has installed tslab. Processor times; the machine's other work makes walls long.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { createCompiler } from "../kernel/cells/compile.js";
import { applyEdits } from "../kernel/cells/edits.js";
import { renderTable } from "../src/display.js";
import { packageRoot } from "../src/paths.js";
import { median } from "./median.js";

/** Compiles a cell behind the declarations of those before; returns the declarations in force after it, or the first error. */
type Compile = (code: string, declarations: string) => { declarations: string } | { error: string };

function ours(): Compile {
  const compiler = createCompiler(packageRoot());
  return (code, before) => {
    const compiled = compiler.compile(applyEdits(code, []), code, before, { has: () => false });
    return compiled.ok ? compiled.cell : { error: compiled.problems[0]?.message ?? "" };
  };
}

interface Converter {
  convert: (
    declarations: string,
    code: string,
  ) => { declOutput?: string; output?: string; diagnostics: { messageText: string }[] };
}

function tslabs(): Compile {
  const load = createRequire(path.join(process.env["AMS_BENCH_PEERS"] ?? "", "tslab", "package.json"));
  const { createConverter } = load("tslab/dist/converter") as { createConverter: () => Converter };
  const converter = createConverter();
  return (code, before) => {
    const { declOutput = "", diagnostics } = converter.convert(before, code);
    return diagnostics[0] === undefined ? { declarations: declOutput } : { error: diagnostics[0].messageText };
  };
}

/** Cells that people write, each behind a first one; a compiler that refuses one is wrong. */
const cells: Record<string, [string, string]> = {
  "for await at the top level": ["", "for await (const x of [Promise.resolve(1)]) x.toFixed();"],
  "an iterator's methods of ES2023": ["const list = [3, 1];", "list.toSorted().findLast((x) => x > 1)"],
  "a package by its exports map": [
    "",
    "import { setTimeout as sleep } from 'node:timers/promises'; import { z } from 'zod/v4'; z.string();",
  ],
  "using a class that a later cell declares again": [
    "class A { a = 1 } const old = new A();",
    "class A { b = 2 } old.a + new A().b",
  ],
  "export in front of a declaration": ["", "export const shared = 1;"],
  "satisfies and const type parameters": [
    "",
    "function f<const T>(x: T): T { return x; } f([1, 2]) satisfies readonly number[];",
  ],
  "a value whose type cannot be named": ["", "const data = await import('node:fs'); data.existsSync('x')"],
};

interface Measured {
  firstMs: number;
  cellMs: number;
  refused: Record<string, string>;
}

function measure(which: string): Measured {
  const cpu = (): number => process.cpuUsage().user / 1000 + process.cpuUsage().system / 1000;
  const start = cpu();
  const compile = which === "tslab" ? tslabs() : ours();
  compile("1 + 1", "");
  const firstMs = cpu() - start;
  let declarations = "";
  const before = cpu();
  const count = 60;
  for (let i = 0; i < count; i++) {
    const done = compile(
      `const list${i} = [1, ${i}]; list${i}.map((x) => x * 2); function next${i}(n = 1) { return n }`,
      declarations,
    );
    if ("declarations" in done) declarations = done.declarations;
  }
  const cellMs = (cpu() - before) / count;
  const refused: Record<string, string> = {};
  for (const [name, [first, second]] of Object.entries(cells)) {
    const made = first === "" ? { declarations: "" } : compile(first, "");
    const done = "error" in made ? made : compile(second, made.declarations);
    if ("error" in done) refused[name] = done.error;
  }
  return { firstMs, cellMs, refused };
}

function main(): void {
  const [which] = process.argv.slice(2);
  if (which !== undefined) {
    process.stdout.write(JSON.stringify(measure(which)));
    process.exit(0); // tslab's watchers would hold it up
  }
  const results = ["ams", "tslab"].map((name) => {
    const runs = [1, 2, 3].map(() => {
      const { stdout, stderr } = spawnSync(process.execPath, [__filename, name], { encoding: "utf8" });
      if (stdout === "") throw new Error(stderr);
      return JSON.parse(stdout) as Measured;
    });
    return {
      name,
      firstMs: median(runs.map((run) => run.firstMs)),
      cellMs: median(runs.map((run) => run.cellMs)),
      refused: runs[0]?.refused,
    };
  });
  const table = renderTable({
    columns: ["compiler", "first cell, CPU ms", "later cells, CPU ms", "refuses"],
    rows: results.map(({ name, firstMs, cellMs, refused }) => [
      ...[name, firstMs.toFixed(0), cellMs.toFixed(1), Object.keys(refused ?? {}).join("; ")],
    ]),
  });
  process.stdout.write(`${table.text}\n`);
  const file = path.join(packageRoot(), "bench", "results", "compilers.json");
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
  process.stdout.write(`saved ${file}\n`);
}

main();
