import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import type { Command } from "../../src/commands/command.js";
import { checkOptions } from "../../src/commands/parse.js";
import { createSession } from "../../src/commands/session.js";
import { buildCommand } from "../../src/commands/verbs/build.js";
import { exportCommand } from "../../src/commands/verbs/export.js";
import { silentContext } from "../../src/context.js";
import { startEngine } from "../../src/engine/index.js";
import { AmsError } from "../../src/errors.js";
import type { Evaluation } from "../../src/evaluate/index.js";
import { buildModel } from "../../src/model/build.js";
import { packageRoot } from "../../src/paths.js";

describe("an export to a place that cannot be written", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ams-export-"));
  const session = createSession(folder);
  const file = path.join(folder, "file");

  before(async () => {
    await startEngine("plain");
    writeFileSync(file, "");
    session.model = await buildModel({
      size: "tiny",
      vocabulary: path.join(packageRoot(), "assets", "scenes-vocab.txt"),
    });
    const direction = { r1: 1, r5: 2, r10: 3, medr: 4, meanr: 5 };
    const sizes = { images: 1, captions: 1, rsum: 12, ties: 0, interval: [1, 2] };
    session.evaluations = [{ split: "test", ...sizes, i2t: direction, t2i: direction } as unknown as Evaluation];
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });

  const refused = async (command: Command, given: Record<string, unknown>, of = session): Promise<void> => {
    const place = String(given["torch"] ?? given["out"]);
    await assert.rejects(command.run(checkOptions(command, given), silentContext, of), (error: unknown) => {
      assert.ok(error instanceof AmsError, String(error));
      assert.match(error.message, /cannot be written/);
      assert.equal(error.where, path.resolve(folder, place));
      assert.match(error.hint ?? "", /another place/);
      return true;
    });
  };

  for (const [what, out] of [
    ["weights", "file"],
    ["weights", "file/y"],
    ["table", "file/a.csv"],
    ["figure", "file/a.svg"],
  ] as const)
    test(`${what} to ${out} says where and what to do`, () => refused(exportCommand, { what, out }));

  test(
    "a place below /proc does, too, where making a folder never ended",
    { skip: !existsSync("/proc/self") },
    async () => {
      await refused(exportCommand, { what: "weights", out: "/proc/ams/x" });
      await refused(exportCommand, { what: "table", out: "/proc/ams/a.csv" });
      await refused(exportCommand, { what: "figure", out: "/proc/ams/a.svg" });
      await refused(exportCommand, { torch: "/proc/ams/a.pth.tar" });
      await refused(buildCommand, { size: "tiny", out: "/proc/ams/x" });
    },
  );

  test("is refused before a model is read", async () => {
    const unread = createSession(folder);
    await refused(exportCommand, { what: "weights", out: "file", checkpoint: "scenes-small" }, unread);
    await refused(exportCommand, { torch: "file/a.pth.tar", checkpoint: "scenes-small" }, unread);
    await refused(buildCommand, { size: "tiny", out: "file" }, unread);
    assert.equal(unread.model, undefined);
  });
});
