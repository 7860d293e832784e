// `npm test [-- --only evaluate ...]`: sets up, lints, runs every test; the last line is "N passed, N failed".
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { parseArgs } from "node:util";
import { lint } from "./lint.mjs";
import { setUp } from "./setup/index.mjs";
import { installNotebook, needsNotebook } from "./setup/notebook.mjs";
import { installPytorch, needsPytorch } from "./setup/pytorch.mjs";
import { environment, python, root } from "./setup/paths.mjs";
import { installPythonForTests } from "./setup/python.mjs";
import { bold, main, step } from "./setup/steps.mjs";
import { filesBelow } from "./setup/stamp.mjs";

/** Files whose tests failed beside others and passed by themselves. */
const unsteady = [];

await main(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { only: { type: "string", multiple: true } },
  });
  const wanted = [...(values.only ?? []), ...positionals];
  const total = { passed: 0, failed: 0, skipped: 0 };
  const reasons = new Map();
  const add = ({ skips = [], ...counts }) => {
    Object.keys(counts).forEach((key) => (total[key] += counts[key]));
    for (const reason of skips) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  };

  console.log(bold("Setting up"));
  await setUp();
  Object.assign(process.env, environment());
  if (wanted.length === 0) {
    console.log(`\n${bold("Linting")}`);
    add(await lint());
  }
  const matches = (file) => wanted.length === 0 || wanted.some((word) => path.relative(root, file).includes(word));
  const files = filesBelow(path.join(root, "build", "test")).filter(
    (file) => file.endsWith(".test.js") && matches(file),
  );
  const pythonFiles = filesBelow(path.join(root, "test")).filter(
    (file) => /\/test_\w+\.py$/.test(file) && matches(file),
  );
  if (pythonFiles.length > 0) await step("Python packages for tests", installPythonForTests);
  if (files.some(needsNotebook)) await step("Notebook 7 for tests", installNotebook);
  if (files.some(needsPytorch)) await step("PyTorch for tests", installPytorch);
  console.log(`\n${bold("Testing")}`);
  if (files.length > 0) add(await runTests(files));
  if (pythonFiles.length > 0) add(await runPythonTests(pythonFiles));

  const nothing = files.length + pythonFiles.length === 0;
  if (nothing) console.log(`no test's file name has ${wanted.map((word) => `"${word}"`).join(" or ")}`);
  if (total.skipped > 0) console.log(`\n${total.skipped} skipped:`);
  for (const [reason, count] of reasons) console.log(`  ${count} x ${reason}`);
  if (unsteady.length > 0) console.log(`\nfailed among others, passed by themselves: ${unsteady.join(", ")}`);
  console.log(`\n${total.passed} passed, ${total.failed} failed`);
  return total.failed > 0 || nothing ? 1 : 0;
});

/**
 * Node's runner, two files at a time (each may start a kernel or an engine with its own threads). A file that fails runs once more by
 * itself: a browser or a kernel that was starved by its neighbours then passes, a real fault does not. Such files are named.
 */
async function runTests(files) {
  const counts = await runOnce(files, 2);
  const again = files.filter((file) => counts.get(file)?.failed > 0);
  if (again.length > 0 && again.length <= 5) {
    console.log(
      `\n${bold("Once more, by themselves")}\n${again.map((file) => path.relative(root, file)).join("\n")}\n`,
    );
    for (const [file, count] of await runOnce(again, 1)) {
      counts.set(file, count);
      if (count.failed === 0) unsteady.push(path.relative(root, file));
    }
  }
  const sum = { passed: 0, failed: 0, skipped: 0, skips: [] };
  for (const { passed, failed, skips } of counts.values()) {
    sum.passed += passed;
    sum.failed += failed;
    sum.skipped += skips.length;
    sum.skips.push(...skips);
  }
  return sum;
}

/** Counts of each file: { passed, failed, skips (a reason each) }. */
function runOnce(files, concurrency) {
  return new Promise((resolve, reject) => {
    const counts = new Map();
    const of = ({ file, name }) => {
      const key = file ?? name;
      if (!counts.has(key)) counts.set(key, { passed: 0, failed: 0, skips: [] });
      return counts.get(key);
    };
    const skip = (event, reason) =>
      of(event).skips.push(typeof reason === "string" && reason !== "" ? reason : "no reason given");
    // Suites only sum up their tests, except one that failed by itself (an error outside of its tests).
    const counted = ({ details, name }) => details?.type !== "suite" && !files.includes(name);
    const failedByItself = ({ details }) => details?.error?.failureType !== "subtestsFailed";
    const stream = run({ files, concurrency, timeout: 20 * 60_000 });
    const set = (value) => value !== undefined && value !== false;
    stream.on("test:pass", (event) => {
      if (set(event.skip) || set(event.todo)) skip(event, event.skip ?? event.todo);
      else if (counted(event)) of(event).passed += 1;
    });
    stream.on("test:fail", (event) => {
      if (set(event.todo)) skip(event, event.todo);
      else if (failedByItself(event)) of(event).failed += 1;
    });
    const report = stream.compose(spec);
    report.on("data", (text) => process.stdout.write(text));
    report.on("end", () => resolve(counts));
    report.on("error", reject);
  });
}

/** Python-side tests with unittest in the private environment, one file at a time. */
async function runPythonTests(files) {
  const counts = { passed: 0, failed: 0, skipped: 0, skips: [] };
  for (const file of files) {
    const { code, output } = await new Promise((resolve, reject) => {
      const child = spawn(python, ["-m", "unittest", "-v", path.basename(file)], {
        cwd: path.dirname(file),
        env: { ...environment(), PYTHONPATH: path.join(root, "scripts"), PYTHONDONTWRITEBYTECODE: "1" },
        stdio: ["ignore", "inherit", "pipe"],
      });
      let output = "";
      child.stderr.on("data", (chunk) => {
        output += chunk;
        process.stdout.write(chunk);
      });
      child.on("error", reject);
      child.on("close", (code) => resolve({ code, output }));
    });
    const number = (pattern) => Number(pattern.exec(output)?.[1] ?? 0);
    const ran = number(/^Ran (\d+) test/m);
    const failed = number(/failures=(\d+)/) + number(/errors=(\d+)/);
    const skipped = number(/skipped=(\d+)/);
    counts.failed += failed > 0 || code === 0 ? failed : 1; // a file that cannot even be loaded
    counts.skipped += skipped;
    counts.skips.push(...Array.from(output.matchAll(/\.\.\. skipped '(.*)'$/gm), ([, reason]) => reason));
    counts.passed += Math.max(0, ran - failed - skipped);
  }
  return counts;
}
