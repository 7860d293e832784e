/** The JupyterLab extension as it is built: what JupyterLab reads, how large it is, and that it names no other host. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { installKernel, uninstallKernel } from "../../kernel/install/index.js";
import { product } from "../../kernel/product.js";
import { packageRoot } from "../../src/paths.js";

const { folder: built, name } = product.labExtension;
const scratch = mkdtempSync(path.join(tmpdir(), "ams extension "));
after(() => rmSync(scratch, { recursive: true, force: true }));

interface About {
  name: string;
  version: string;
  jupyterlab: { _build: { load: string; extension: string; mimeExtension: string } };
}

function read(folder: string): About {
  return JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8")) as About;
}

describe("the JupyterLab extension", () => {
  test("is named as JupyterLab expects, with an entry that is there", () => {
    const { name: own, version, jupyterlab } = read(built);
    assert.equal(own, name);
    const { version: expected } = JSON.parse(readFileSync(path.join(packageRoot(), "package.json"), "utf8")) as About;
    assert.equal(version, expected);
    assert.ok(existsSync(path.join(built, jupyterlab._build.load)));
    assert.match(readFileSync(path.join(built, jupyterlab._build.load), "utf8"), /_JUPYTERLAB/);
  });

  test("is as small as docs/plots.md says", () => {
    const stated = readFileSync(path.join(packageRoot(), "docs", "plots.md"), "utf8");
    const sizes = new Map(
      Array.from(stated.matchAll(/^\| `(\w+)\.\*\.js`.*\| +(\d+) kB \| +(\d+) kB \|$/gm), ([, file, raw, packed]) => [
        file,
        [Number(raw), Number(packed)],
      ]),
    );
    const files = readdirSync(path.join(built, "static"));
    assert.deepEqual(files.map((file) => file.split(".")[0]).sort(), ["plotly", "remoteEntry"]);
    for (const file of files) {
      const bytes = readFileSync(path.join(built, "static", file));
      const [raw = 0, packed = 0] = sizes.get(file.split(".")[0] ?? "") ?? [];
      const near = (size: number, said: number): boolean => Math.abs(size / 1000 - said) <= Math.max(2, 0.03 * said);
      assert.ok(near(bytes.length, raw), `${file} has ${(bytes.length / 1000).toFixed(0)} kB, ${raw} are stated`);
      const size = gzipSync(bytes).length;
      assert.ok(near(size, packed), `${file} has ${(size / 1000).toFixed(0)} kB packed, ${packed} are stated`);
    }
  });

  test("loads nothing from another host", () => {
    const [entry = ""] = readdirSync(path.join(built, "static")).filter((file) => file.startsWith("remoteEntry"));
    const text = readFileSync(path.join(built, "static", entry), "utf8");
    const hosts = text.match(/https?:\/\/[\w.-]+/g) ?? [];
    assert.deepEqual([...new Set(hosts)], ["http://www.w3.org"]); // the namespace of SVG
  });

  test("comes and goes with the kernel", async () => {
    const { extension = "" } = await installKernel({ prefix: scratch });
    assert.equal(extension, path.join(scratch, "share", "jupyter", "labextensions", name));
    assert.deepEqual(read(extension), read(built));
    assert.match(readFileSync(path.join(extension, "install.json"), "utf8"), /ams uninstall/);
    await installKernel({ prefix: scratch }); // over itself
    assert.deepEqual(readdirSync(path.dirname(extension)), [path.basename(name)]);
    await uninstallKernel({ prefix: scratch });
    assert.ok(!existsSync(path.dirname(extension)));
  });
});
