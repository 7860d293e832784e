import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import type { Command } from "../../src/commands/command.js";
import { checkOptions } from "../../src/commands/parse.js";
import { createSession } from "../../src/commands/session.js";
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

  for (const [what, out] of [
    ["weights", "file"],
    ["weights", "file/y"],
    ["table", "file/a.csv"],
  ] as const) {
    test(`${what} to ${out} says where and what to do`, async () => {
      const command: Command = exportCommand;
      const options = checkOptions(command, { what, out });
      await assert.rejects(command.run(options, silentContext, session), (error: unknown) => {
        assert.ok(error instanceof AmsError, String(error));
        assert.match(error.message, /cannot be written/);
        assert.equal(error.where, path.join(folder, out));
        assert.match(error.hint ?? "", /another place/);
        return true;
      });
    });
  }
});
