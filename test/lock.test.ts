/** Locks: of a live process they hold, of a dead one not, whatever has its number now. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { takeLock } from "../src/lock.js";

describe("a lock", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ams-lock-"));
  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  let files = 0;
  const next = (): string => path.join(folder, `${String(++files)}.lock`);
  const take = (file: string): (() => void) => {
    const unlock = takeLock(file);
    assert.ok(typeof unlock === "function", `held by ${String(unlock)}`);
    return unlock;
  };

  test("is held until it is given back, and leaves nothing else", () => {
    const file = next();
    const unlock = take(file);
    assert.equal(takeLock(file), process.pid);
    unlock();
    assert.equal(existsSync(file), false);
    take(file)();
    assert.deepEqual(readdirSync(folder), []);
  });

  test("of this process's number that this process did not take is another's, from before", () => {
    const file = next();
    writeFileSync(file, String(process.pid));
    take(file)();
  });

  test("that is empty or no lock counts for nothing", () => {
    for (const text of ["", "nobody", "-1 5"]) {
      const file = next();
      writeFileSync(file, text);
      take(file)();
    }
  });

  test(
    "of a live process holds, that of its number's process before does not",
    { skip: process.platform !== "linux" && "Linux tells when a process was started" },
    async () => {
      const child = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60_000)"], { stdio: "ignore" });
      const ended = new Promise((resolve) => child.once("exit", resolve));
      try {
        const stat = readFileSync(`/proc/${String(child.pid)}/stat`, "utf8");
        const started = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]!;
        const file = next();
        writeFileSync(file, `${String(child.pid)} ${started}`);
        assert.equal(takeLock(file), child.pid);
        writeFileSync(file, `${String(child.pid)} 1`);
        take(file)();
      } finally {
        child.kill("SIGKILL");
        await ended;
      }
    },
  );

  test("that somebody else has taken over is not given back", () => {
    const file = next();
    const unlock = take(file);
    writeFileSync(file, "1 1");
    unlock();
    assert.equal(readFileSync(file, "utf8"), "1 1");
  });
});
