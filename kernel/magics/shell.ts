/** `!command`: runs in the shell, its output live in the cell. */
import { spawn } from "node:child_process";
import { userError } from "./plugins.js";

/** Resolves when the command ends well; an interrupt ends the command and everything it started. */
export function runShell(command: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    // Its own process group, so that an interrupt reaches what the shell started.
    const child = spawn(command, { shell: true, stdio: ["ignore", "pipe", "pipe"], detached: true });
    const stop = (): void => {
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, "SIGTERM");
      } catch {
        child.kill("SIGTERM"); // no group on Windows
      }
    };
    signal.addEventListener("abort", stop, { once: true });
    child.stdout.on("data", (chunk: Buffer) => process.stdout.write(chunk));
    child.stderr.on("data", (chunk: Buffer) => process.stderr.write(chunk));
    child.on("error", reject);
    child.on("close", (code, killedBy) => {
      signal.removeEventListener("abort", stop);
      if (code === 0) resolve();
      else if (signal.aborted) reject(signal.reason as Error);
      else reject(userError(`the command ended with ${killedBy ?? `exit code ${String(code)}`}: ${command}`));
    });
  });
}
