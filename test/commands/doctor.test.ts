import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { diskCheck } from "../../src/commands/verbs/doctor.js";

describe("the doctor's line about the disk", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ams-doctor-"));
  after(() => {
    rmSync(folder, { recursive: true });
  });

  test("is bad for a folder that cannot be written, however much is free", () => {
    writeFileSync(path.join(folder, "file"), "");
    process.env["AMS_HOME"] = path.join(folder, "file", "home");
    const { ok, found, hint } = diskCheck();
    assert.equal(ok, false);
    assert.match(found, /file.home cannot be written/);
    assert.match(hint ?? "", /AMS_HOME/);
  });

  test("says what is free in one that can, and leaves nothing in it", () => {
    process.env["AMS_HOME"] = path.join(folder, "new");
    assert.match(diskCheck().found, /free in .*new$/);
    assert.deepEqual(readdirSync(path.join(folder, "new")), []);
  });
});
