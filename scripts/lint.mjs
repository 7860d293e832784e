// `npm run lint`: formatting, rules and types; also part of `npm test`.
import path from "node:path";
import { fileURLToPath } from "node:url";
import { environment, root } from "./setup/paths.mjs";
import { execute, main, red } from "./setup/steps.mjs";

const bin = (file) => path.join(root, "node_modules", file);

/** Name, program and arguments of each check. */
const checks = [
  ["formatting (prettier)", bin("prettier/bin/prettier.cjs"), "--check", "--log-level=warn", "."],
  ["rules (eslint)", bin("eslint/bin/eslint.js"), "--max-warnings=0", "."],
  ["types (tsc)", bin("typescript/bin/tsc"), "-p", root, "--noEmit", "--incremental", "false", "--pretty", "false"],
  ["types of the page and of lab (tsc)", bin("typescript/bin/tsc"), "-p", path.join(root, "lab"), "--pretty", "false"],
];

/** Runs every check and prints what each has to say; returns {passed, failed}. */
export async function lint() {
  let failed = 0;
  for (const [name, ...args] of checks) {
    const started = Date.now();
    // ESLint with type information outgrows Node's default heap on small machines.
    const { output, code } = await execute(process.execPath, ["--max-old-space-size=3072", ...args], {
      cwd: root,
      env: environment(),
      allow: [0, 1, 2],
    });
    const time = `(${((Date.now() - started) / 1000).toFixed(1)} s)`;
    console.log(code === 0 ? `✔ ${name} ${time}` : `${red("✖")} ${name} ${time}\n${output.trimEnd()}`);
    if (code !== 0) failed += 1;
  }
  return { passed: checks.length - failed, failed };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(async () => ((await lint()).failed > 0 ? 1 : 0));
