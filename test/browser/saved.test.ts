/** The notebooks of the repository as a reader meets them: opened without a kernel, and asked. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import type { Locator } from "playwright-core";
import { installKernel } from "../../kernel/install/index.js";
import { packageRoot } from "../../src/paths.js";
import { askExplorer } from "./ask.js";
import { findBrowser, startLab, type Lab, type NotebookCell } from "./lab.js";

const installed = findBrowser();

describe("saved notebooks", { skip: installed === undefined ? "no Chromium on this machine" : false }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ams saved "));
  let lab: Lab;

  before(async () => {
    const kernelPath = path.join(folder, "share");
    await installKernel({ folder: kernelPath });
    lab = await startLab({
      root: folder,
      browser: installed ?? "",
      kernelPath,
      viewport: { width: 1300, height: 1100 },
    });
    lab.page.setDefaultTimeout(60_000);
  });
  after(async () => {
    await lab.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const shown = (selector: string): Locator =>
    lab.page.locator(`.jp-NotebookPanel:not(.lm-mod-hidden) .jp-OutputArea-output ${selector}`);

  for (const name of ["00-tour", "02-attention"])
    test(`${name}.ipynb shows its figures and answers without a kernel`, async () => {
      const file = path.join(packageRoot(), "notebooks", `${name}.ipynb`);
      const saved = JSON.parse(readFileSync(file, "utf8")) as { cells: NotebookCell[] };
      const outputs = saved.cells.flatMap((cell) => cell.outputs ?? []);
      const count = (mime: string): number => outputs.filter(({ data = {} }) => mime in data).length;
      const explorers = count("application/vnd.ams.explorer+json");
      const plots = count("application/vnd.plotly.v1+json");
      assert.ok(explorers > 0 && plots > 0, `${name} holds ${explorers} explorers and ${plots} plotly figures`);
      writeFileSync(path.join(folder, `${name}.ipynb`), JSON.stringify({ ...saved, metadata: {} }));
      await lab.openWithoutKernel(`${name}.ipynb`);
      await shown(".ams-explorer .view").first().waitFor();
      assert.equal(await shown(".ams-explorer").count(), explorers);
      const explorer = shown(".ams-explorer").first();
      await askExplorer(explorer);
      await explorer.locator(".stage").click({ position: { x: 120, y: 120 } });
      await explorer
        .locator(".words li")
        .first()
        .filter({ hasText: /patch row \d+, column \d+/ })
        .waitFor();
      await shown(".js-plotly-plot .trace").first().waitFor();
      assert.equal(await shown(".js-plotly-plot .main-svg:first-child").count(), plots);
      await explorer.scrollIntoViewIfNeeded();
      await lab.picture(`saved-${name}`);
    });

  test("nothing is raised in the page", () => {
    assert.deepEqual(lab.pageErrors, []);
  });
});
