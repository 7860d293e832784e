/** Notebook 7 with the kernel and the extension: saved figures, magics in colour, cells that run, a training's display that comes back. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import type { Locator } from "playwright-core";
import { installKernel } from "../../kernel/install/index.js";
import { packageRoot } from "../../src/paths.js";
import { environmentOfNotebook, withoutNotebook } from "../notebook.js";
import { askExplorer } from "./ask.js";
import { findBrowser, notebookOf, startLab, type Lab, type NotebookCell } from "./lab.js";

const installed = findBrowser();
const figure = { data: [{ type: "scatter", y: [1, 3, 2] }], layout: { title: { text: "Three points" } } };
const drawn = `({ [Symbol.for("Jupyter.display")]: () => (${JSON.stringify({ "application/vnd.plotly.v1+json": figure })}) })`;
const skip = installed === undefined ? "no Chromium on this machine" : withoutNotebook;

describe("Notebook 7", { skip }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ams notebook 7 "));
  let lab: Lab;
  before(async () => {
    const kernelPath = path.join(folder, "share");
    await installKernel({ folder: kernelPath });
    const saved = JSON.parse(readFileSync(path.join(packageRoot(), "notebooks", "00-tour.ipynb"), "utf8")) as object;
    writeFileSync(path.join(folder, "tour.ipynb"), JSON.stringify(saved));
    writeFileSync(
      path.join(folder, "cells.ipynb"),
      JSON.stringify(notebookOf(["const n: number = 6;\nn * 7", drawn, "n.length"])),
    );
    lab = await startLab({
      root: folder,
      browser: installed ?? "",
      kernelPath,
      own: await environmentOfNotebook(),
      notebook: true,
      viewport: { width: 1300, height: 1100 },
    });
    lab.page.setDefaultTimeout(60_000);
  });
  after(async () => {
    await lab.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const output = (cell: number): Locator =>
    lab.page.locator(".jp-Notebook .jp-CodeCell").nth(cell).locator(".jp-OutputArea-output");

  test("shows what the tour has saved, and its explorer answers", async () => {
    await lab.open("tour.ipynb");
    const explorer = lab.page.locator(".jp-OutputArea-output .ams-explorer").first();
    await explorer.waitFor();
    await askExplorer(explorer);
    await explorer.scrollIntoViewIfNeeded();
    await lab.picture("notebook7-1-explorer");
    await lab.page.locator(".jp-OutputArea-output .js-plotly-plot .trace").first().waitFor();
    await lab.page.locator(".ams-magic").first().waitFor();
  });

  test("runs cells: a value, a figure and an error of the types", async () => {
    await lab.open("cells.ipynb");
    await lab.run(0, 3);
    const [value, , wrong] = (await lab.cells()) as [NotebookCell, NotebookCell, NotebookCell];
    assert.equal(value.outputs?.[0]?.data?.["text/plain"], "42");
    await output(1).locator(".js-plotly-plot .trace").first().waitFor();
    assert.match(wrong.outputs?.[0]?.evalue ?? "", /'length' does not exist on type 'number'/);
    await lab.picture("notebook7-2-cells");
  });

  test("raises nothing in the page but what Notebook 7.6 does by itself", () => {
    assert.deepEqual(
      lab.pageErrors.filter((message) => !message.includes("(reading 'schema')")),
      [],
    );
  });
});
