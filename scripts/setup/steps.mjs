// Steps shown in the terminal: what is done, a moving remark while it runs, and how long it took.
import { spawn } from "node:child_process";

const live = process.stdout.isTTY === true;
const colour = (code, text) => (live && process.env.NO_COLOR === undefined ? `\u001b[${code}m${text}\u001b[0m` : text);
export const bold = (text) => colour("1", text);
export const dim = (text) => colour("2", text);
export const red = (text) => colour("31", text);

/** A failure that a person can mend: shown as its lines, without a stack. */
export class SetupError extends Error {
  constructor(message, { details = "", hint } = {}) {
    super(message);
    this.details = details;
    this.hint = hint;
  }
}

/** Runs `work(say)` as one step; `say(text)` shows a remark behind its name; a returned string becomes its last remark. */
export async function step(name, work) {
  const started = Date.now();
  let shown = 0;
  const say = (text) => {
    const now = Date.now();
    if (live) {
      const width = (process.stdout.columns ?? 80) - 1;
      process.stdout.write(`\r\u001b[2K${`  … ${name}  ${text}`.slice(0, width)}`);
    } else if (now - shown >= 15_000) {
      shown = now;
      if (now !== started) process.stdout.write(`${`  … ${name}  ${text}`.slice(0, 119)}\n`);
    }
  };
  if (live) say("");
  shown = started;
  try {
    const remark = (await work(say)) ?? "";
    if (live) process.stdout.write("\r\u001b[2K");
    process.stdout.write(`  ✓ ${name.padEnd(28)} ${seconds(started).padStart(7)}  ${dim(remark)}`.trimEnd() + "\n");
  } catch (error) {
    if (live) process.stdout.write("\r\u001b[2K");
    process.stdout.write(`  ${red("✗")} ${name.padEnd(28)} ${seconds(started).padStart(7)}\n`);
    throw error;
  }
}

/** "3.2 s", "2 min 05 s". */
export function seconds(started) {
  const s = (Date.now() - started) / 1000;
  return s < 100 ? `${s.toFixed(1)} s` : `${Math.floor(s / 60)} min ${String(Math.floor(s % 60)).padStart(2, "0")} s`;
}

/**
 * Runs a program and keeps what it prints; each line goes to `say`. Throws a SetupError with the last lines when it fails.
 * `allow`: exit codes that count as success.
 */
export function execute(file, args, { cwd, env, say = () => undefined, hint, allow = [0] } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const take = (chunk) => {
      output += chunk.toString();
      const line = output
        .trimEnd()
        .split(/\r?\n|\r/)
        .pop();
      if (line) say(line.trim());
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    child.on("error", (error) => reject(new SetupError(`${file} cannot be started: ${error.message}`, { hint })));
    child.on("close", (code, signal) => {
      if (signal === null && allow.includes(code)) resolve({ output, code });
      else {
        const details = output.trimEnd().split("\n").slice(-25).join("\n");
        const end = signal === null ? `exit code ${code}` : `signal ${signal}`;
        reject(new SetupError(`${[file, ...args].join(" ")} failed with ${end}`, { details, hint }));
      }
    });
  });
}

/** Runs a program in this terminal, so that it can redraw its line; resolves to its exit code. Ctrl-C reaches the program, which ends by itself. */
export function runHere(file, args, { cwd, env }) {
  return new Promise((resolve, reject) => {
    const ignore = () => undefined;
    process.on("SIGINT", ignore);
    const child = spawn(file, args, { cwd, env, stdio: "inherit" });
    child.on("error", reject);
    child.on("close", (code) => {
      process.off("SIGINT", ignore);
      resolve(code ?? 1);
    });
  });
}

/** Runs a script's main function: a SetupError is shown as what, details and what to do, and ends with exit code 1. */
export async function main(work) {
  try {
    process.exitCode = (await work()) ?? 0;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    if (error.details !== "") process.stderr.write(`${error.details}\n`);
    process.stderr.write(`${red("error:")} ${error.message}\n`);
    if (error.hint !== undefined) process.stderr.write(`to do: ${error.hint}\n`);
    process.exitCode = 1;
  }
}
