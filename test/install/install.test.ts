/** The kernel's spec: what is written, where, and that it goes away again. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import sharp from "sharp";
import { installKernel, uninstallKernel } from "../../kernel/install/index.js";
import type { KernelSpec } from "../../kernel/install/spec.js";
import { dataFolder, defaultDataFolder } from "../../kernel/install/places.js";

const scratch = mkdtempSync(path.join(tmpdir(), "ams install "));
after(() => rmSync(scratch, { recursive: true, force: true }));

describe("installing the kernel", () => {
  test("writes a spec whose program and script exist, with pictures of the sizes that JupyterLab asks for", async () => {
    const { folder } = await installKernel({ prefix: scratch });
    assert.equal(folder, path.join(scratch, "share", "jupyter", "kernels", "ams"));
    const spec = JSON.parse(readFileSync(path.join(folder, "kernel.json"), "utf8")) as KernelSpec;
    assert.equal(spec.display_name, "TypeScript (AMS)");
    assert.equal(spec.language, "typescript");
    assert.equal(spec.interrupt_mode, "message");
    assert.equal(spec.argv[0], process.execPath);
    assert.ok(path.isAbsolute(spec.argv[2]!) && existsSync(spec.argv[2]!), `${spec.argv[2]} is there`);
    assert.equal(spec.argv.at(-1), "{connection_file}");
    for (const size of [32, 64]) {
      const { width, height, format } = await sharp(path.join(folder, `logo-${size}x${size}.png`)).metadata();
      assert.deepEqual({ width, height, format }, { width: size, height: size, format: "png" });
    }
    assert.match(readFileSync(path.join(folder, "logo-svg.svg"), "utf8"), /^<svg /);
  });

  test("replaces an older spec and leaves no drafts behind", async () => {
    const { folder } = await installKernel({ folder: scratch });
    writeFileSync(path.join(folder, "old.txt"), "of an earlier version");
    await installKernel({ folder: scratch });
    assert.deepEqual(readdirSync(path.dirname(folder)), ["ams"]);
    assert.ok(!existsSync(path.join(folder, "old.txt")));
  });

  test("is undone by uninstalling, which says so when there is nothing", async () => {
    const place = { prefix: path.join(scratch, "twice") };
    const { folder } = await installKernel(place);
    assert.equal(await uninstallKernel(place), folder);
    assert.ok(!existsSync(folder));
    await assert.rejects(uninstallKernel(place), { name: "AmsError", where: folder });
  });

  test("says where it failed when the place cannot be written", async () => {
    const file = path.join(scratch, "a file");
    writeFileSync(file, "");
    await assert.rejects(installKernel({ prefix: file }), { name: "AmsError", hint: /--prefix DIR/ });
  });

  test("refuses two places at once", async () => {
    await assert.rejects(installKernel({ user: true, prefix: scratch }), { name: "AmsError", where: "user, prefix" });
  });
});

describe("the user's data folder", () => {
  test("is what jupyter_core says on each system", () => {
    const of = defaultDataFolder;
    assert.equal(of("linux", {}, "/home/ada"), "/home/ada/.local/share/jupyter");
    assert.equal(of("linux", { XDG_DATA_HOME: "/data" }, "/home/ada"), "/data/jupyter");
    assert.equal(of("linux", { JUPYTER_DATA_DIR: "/j" }, "/home/ada"), "/j");
    assert.equal(of("darwin", {}, "/Users/ada"), "/Users/ada/Library/Jupyter");
    assert.equal(
      of("darwin", { JUPYTER_PLATFORM_DIRS: "1" }, "/Users/ada"),
      "/Users/ada/Library/Application Support/Jupyter",
    );
    assert.equal(of("win32", { APPDATA: "/r" }, "/u"), path.join("/r", "jupyter"));
    assert.equal(of("win32", { JUPYTER_PLATFORM_DIRS: "true", LOCALAPPDATA: "/l" }, "/u"), path.join("/l", "Jupyter"));
  });

  test("of a prefix is its share/jupyter", () => {
    assert.equal(dataFolder({ prefix: "/opt/lab" }), "/opt/lab/share/jupyter");
  });
});
