/** `!command` and `%%bash`: run in a shell, their output live in the cell. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { unwrapped } from "../cells/parents.js";
import { beforeExit } from "../exit.js";
import { userError } from "./plugins.js";

/** A script by its first line. */
const shortened = (command: string): string => {
  const [first = "", ...more] = command.trim().split("\n");
  return more.length === 0 ? first : `${first} ...`;
};

/** How long an interrupted command may take to end by itself (ms). */
const grace = 2000;

/** Ends the commands that still run, however the kernel ends: their own groups would outlive it. */
const running = new Set<(signal: NodeJS.Signals) => void>();
beforeExit(() => {
  for (const kill of running) kill("SIGKILL");
});

export interface ShellOptions {
  cwd?: string;
  /** A program that takes `-c`; default: the system's shell. */
  shell?: string;
}

/**
 * Resolves when the command (one line or many) ends well; an interrupt ends the command and everything it started.
 * @throws an error of the user's when it ends otherwise, or when there is no such shell.
 */
export function runShell(command: string, signal: AbortSignal, options: ShellOptions = {}): Promise<void> {
  const { cwd = process.cwd(), shell } = options;
  return new Promise((resolve, reject) => {
    // Its own process group, so that an interrupt reaches what the shell started.
    const child = spawn(command, { cwd, shell: shell ?? true, stdio: ["ignore", "pipe", "pipe"], detached: true });
    const kill = (name: NodeJS.Signals): void => {
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, name);
      } catch {
        child.kill(name); // no group on Windows
      }
    };
    running.add(kill);
    let timer: NodeJS.Timeout | undefined;
    const stop = (): void => {
      kill("SIGTERM");
      timer = unwrapped.setTimeout(kill, grace, "SIGKILL");
    };
    const ended = (): void => {
      clearTimeout(timer);
      running.delete(kill);
      signal.removeEventListener("abort", stop);
    };
    signal.addEventListener("abort", stop, { once: true });
    child.stdout.on("data", (chunk: Buffer) => process.stdout.write(chunk));
    child.stderr.on("data", (chunk: Buffer) => process.stderr.write(chunk));
    child.on("error", (error) => {
      ended();
      const missing = (error as NodeJS.ErrnoException).code === "ENOENT" && shell !== undefined && existsSync(cwd);
      reject(missing ? userError(`there is no ${shell} on this machine`, "!command takes the system's shell") : error);
    });
    child.on("close", (code, killedBy) => {
      ended();
      if (code === 0) resolve();
      else if (signal.aborted) reject(signal.reason as Error);
      else
        reject(userError(`the command ended with ${killedBy ?? `exit code ${String(code)}`}: ${shortened(command)}`));
    });
  });
}
