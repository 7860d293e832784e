// `npm test [-- --only evaluate ...]`: sets up, lints, runs every test; the last line is "N passed, N failed".
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { parseArgs } from "node:util";
import { lint } from "./lint.mjs";
import { setUp } from "./setup/index.mjs";
import { environment, python, root } from "./setup/paths.mjs";
import { bold, main } from "./setup/steps.mjs";
import { filesBelow } from "./setup/stamp.mjs";

await main(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { only: { type: "string", multiple: true } },
  });
  const wanted = [...(values.only ?? []), ...positionals];
  const total = { passed: 0, failed: 0, skipped: 0 };
  const add = (counts) => Object.keys(counts).forEach((key) => (total[key] += counts[key]));

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
  console.log(`\n${bold("Testing")}`);
  if (files.length > 0) add(await runTests(files));
  if (pythonFiles.length > 0) add(await runPythonTests(pythonFiles));

  const nothing = total.passed + total.failed === 0;
  if (nothing) console.log(`no test's file name has ${wanted.map((word) => `"${word}"`).join(" or ")}`);
  if (total.skipped > 0) console.log(`\n${total.skipped} skipped: what they need is not on this machine`);
  console.log(`\n${total.passed} passed, ${total.failed} failed`);
  return total.failed > 0 || nothing ? 1 : 0;
});

/** Node's runner, two files at a time (each may start a kernel or an engine with its own threads). */
function runTests(files) {
  return new Promise((resolve, reject) => {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    // Suites only sum up their tests, except one that failed by itself (an error outside of its tests).
    const counted = ({ details, name }) => details?.type !== "suite" && !files.includes(name);
    const failedByItself = ({ details }) => details?.error?.failureType !== "subtestsFailed";
    const stream = run({ files, concurrency: 2, timeout: 20 * 60_000 });
    const set = (value) => value !== undefined && value !== false;
    stream.on("test:pass", (event) => {
      if (set(event.skip) || set(event.todo)) counts.skipped += 1;
      else if (counted(event)) counts.passed += 1;
    });
    stream.on("test:fail", (event) => {
      if (set(event.todo)) counts.skipped += 1;
      else if (failedByItself(event)) counts.failed += 1;
    });
    const report = stream.compose(spec);
    report.on("data", (text) => process.stdout.write(text));
    report.on("end", () => resolve(counts));
    report.on("error", reject);
  });
}

/** Python-side tests with unittest in the private environment, one file at a time. */
async function runPythonTests(files) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
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
    counts.passed += Math.max(0, ran - failed - skipped);
  }
  return counts;
}
