// npm as the scripts run it.
import { environment, root } from "./paths.mjs";
import { execute } from "./steps.mjs";

/**
 * Runs npm in the clone without the install scripts of packages (esbuild, koffi and zeromq bring what they need). Settings of an npm
 * that started us are set back: `npm pack --dry-run` hands --dry-run and --json on to every npm below it.
 */
export function runNpm(args, { say } = {}) {
  // Started by npm, this very npm; else the one on PATH.
  const npm = process.env.npm_execpath;
  const [file, ...first] = npm?.endsWith(".js")
    ? [process.execPath, npm]
    : [process.platform === "win32" ? "npm.cmd" : "npm"];
  const settings = [
    "--ignore-scripts",
    "--dry-run=false",
    "--json=false",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
  ];
  return execute(file, [...first, ...args, ...settings], {
    cwd: root,
    env: environment(),
    say,
    hint: "npm needs the package registry once: check the network (npm ping) and the free space, then run this again",
  });
}
