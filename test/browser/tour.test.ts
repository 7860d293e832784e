/** The kernel in JupyterLab, as a person meets it: a notebook with cells of every kind, run in a browser. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { installKernel } from "../../kernel/install/index.js";
import { findBrowser, notebookOf, startLab, type Lab, type NotebookCell, type Output } from "./lab.js";

const browser = findBrowser();

const sources = [
  "const answer: number = 6 * 7;\nanswer",
  'console.log("from a cell");\nconsole.error("to stderr");',
  "await new Promise((resolve) => setTimeout(resolve, 20));\nanswer + 1",
  "const model = %ams build --size small --seed 1\nmodel.config.size",
  "model",
  "%ams data scenes --train 0 --val 0 --test 6 --split test --samples 2",
  "%ams plot attention --split test --item 0",
  'const wrong: number = "text";',
];

describe("a notebook in JupyterLab", { skip: browser === undefined ? "no Chromium on this machine" : false }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ams browser "));
  let lab: Lab;
  let cells: NotebookCell[];

  before(async () => {
    const kernelPath = path.join(folder, "share");
    await installKernel({ folder: kernelPath });
    writeFileSync(path.join(folder, "mini.ipynb"), JSON.stringify(notebookOf(sources)));
    lab = await startLab({ root: folder, browser: browser ?? "", kernelPath });
    await lab.open("mini.ipynb");
    cells = await lab.runAll(120);
  });
  after(async () => {
    await lab.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const outputs = (cell: number): Output[] => cells[cell]?.outputs ?? [];
  const text = (cell: number): string => JSON.stringify(outputs(cell));
  const result = (cell: number): unknown =>
    outputs(cell).find((output) => output.output_type === "execute_result")?.data?.["text/plain"];

  test("shows the kernel by its name", async () => {
    const name = lab.page.locator(".jp-KernelName").first();
    assert.match((await name.textContent()) ?? "", /TypeScript \(AMS\)/);
  });

  test("shows results, with values kept from cell to cell and top-level await", () => {
    assert.equal(result(0), "42");
    assert.equal(result(2), "43");
  });

  test("tells stdout from stderr", () => {
    const streams = outputs(1).map(({ name, text: said }) => [name, [said].flat().join("")]);
    assert.deepEqual(streams.sort(), [
      ["stderr", "to stderr\n"],
      ["stdout", "from a cell\n"],
    ]);
  });

  test("runs a command of the AMS plugin and types its result", () => {
    assert.match(String(result(3)), /small/);
    assert.match(text(4), /parameters/i);
  });

  test("shows samples of the data as pictures", async () => {
    const pictures = lab.page.locator(".jp-Cell").nth(5).locator(".jp-OutputArea-output img");
    assert.equal(await pictures.count(), 2);
    for (const picture of await pictures.all())
      assert.ok(await picture.evaluate((node) => (node as unknown as { naturalWidth: number }).naturalWidth > 0));
  });

  test("draws the attention of every word", async () => {
    assert.match(text(6), /image\/(png|svg)/);
    const drawn = lab.page.locator(".jp-Cell").nth(6).locator(".jp-OutputArea-output");
    const { width, height } = (await drawn.last().boundingBox()) ?? { width: 0, height: 0 };
    assert.ok(width > 300 && height > 300, `the figure takes ${width} x ${height}`);
    assert.ok((await drawn.locator("img, svg").count()) > 6, "a small picture for each word and scale");
  });

  test("shows a type error as the cell's error", () => {
    const error = outputs(7).find((output) => output.output_type === "error");
    assert.match(`${error?.ename ?? ""} ${error?.evalue ?? ""}`, /Type 'string' is not assignable to type 'number'/);
  });

  test("raises nothing in the page", () => {
    assert.deepEqual(lab.pageErrors, []);
  });
});
