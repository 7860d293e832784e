import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { diskCheck, drawnScenes } from "../../src/commands/verbs/doctor.js";

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

test("the doctor lists the scenes that are whole, not those that are being drawn, nor their locks", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ams-scenes-"));
  for (const name of ["scenes-1", "scenes-2", "scenes-3.part"]) mkdirSync(path.join(folder, name));
  for (const name of ["scenes-1", "scenes-3.part"]) writeFileSync(path.join(folder, name, "manifest.json"), "{}");
  writeFileSync(path.join(folder, "scenes-3.lock"), "1");
  assert.deepEqual(drawnScenes(folder), ["scenes-1"]);
  assert.deepEqual(drawnScenes(path.join(folder, "nowhere")), []);
  rmSync(folder, { recursive: true });
});
