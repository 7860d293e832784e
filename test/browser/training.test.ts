/**
 * A person's session in JupyterLab: a short tour is run; the explorer is asked; a training is watched, the page loaded again while it
 * runs, then it is interrupted; the notebook is saved, opened without a kernel, and exported to a page that needs no network.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import type { Locator, Page } from "playwright-core";
import { installKernel } from "../../kernel/install/index.js";
import { trainingDisplay } from "../../src/commands/show/training.js";
import type { Direction } from "../../src/evaluate/index.js";
import { galleryOf, galleryView } from "../../src/plot/gallery.js";
import { fixture } from "../fixtures.js";
import { askExplorer, until } from "./ask.js";
import { exportToHtml, findBrowser, notebookOf, startLab, type Lab, type NotebookCell } from "./lab.js";
import { assertPictureLike, labShare } from "./snapshot.js";

const installed = findBrowser();

/** The tour's cells, with few pictures and steps; trainings are of the tiny size. */
const sources = [
  "%ams data scenes --train 40 --val 12 --test 4 --samples 0",
  "%ams build --checkpoint scenes-small",
  "%ams eval --split test",
  "%ams plot attention --split test --item 3 --caption 0",
  "%ams build --size tiny --seed 3",
  "const run = %ams train --name short --recipe scenes-contrast --batch-size 20 --epochs 2",
  "%ams plot history",
];
const shortTraining = 5;
const longTraining = sources.length;

describe("a session in JupyterLab", { skip: installed === undefined ? "no Chromium on this machine" : false }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ams session "));
  let lab: Lab;
  let cells: NotebookCell[];

  before(async () => {
    const kernelPath = path.join(folder, "share");
    const home = process.env["AMS_HOME"];
    process.env["AMS_HOME"] = path.join(folder, "home"); // its runs are no one else's
    try {
      await installKernel({ folder: kernelPath });
    } finally {
      if (home === undefined) delete process.env["AMS_HOME"];
      else process.env["AMS_HOME"] = home;
    }
    writeFileSync(path.join(folder, "short tour.ipynb"), JSON.stringify(notebookOf(sources)));
    const viewport = { width: 1300, height: 1100 };
    lab = await startLab({ root: folder, browser: installed ?? "", kernelPath, viewport });
    lab.page.setDefaultTimeout(120_000);
    await lab.open("short tour.ipynb");
    cells = await lab.runAll(400);
  });
  after(async () => {
    await lab.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Of the notebook in front: after a reload JupyterLab opens others behind it. */
  const cellAt = (cell: number): Locator =>
    lab.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook .jp-Cell").nth(cell);
  const output = (cell: number): Locator => cellAt(cell).locator(".jp-OutputArea-output");
  const shownIn = async (cell: number): Promise<string> => (await output(cell).allTextContents()).join("\n");

  const picture = async (name: string, cell: number): Promise<void> => {
    await output(cell).last().scrollIntoViewIfNeeded();
    await lab.picture(name);
  };

  test("the tour runs to its end without an error", () => {
    for (const { source, outputs = [] } of cells)
      assert.deepEqual(
        outputs.filter(({ output_type: type }) => type === "error"),
        [],
        String(source),
      );
  });

  test("the training's display ends as a record", async () => {
    await assertRecord(output(shortTraining), "finished", 2);
    await picture("session-1-record", shortTraining);
  });

  test("the explorer answers to a word and a scale", async () => {
    const explorer = output(3).locator(".ams-explorer");
    await explorer.waitFor();
    await askExplorer(explorer);
    await lab.page.mouse.move(650, 5);
    await assertPictureLike(await explorer.locator(".stage").screenshot(), "session-explorer", { share: labShare });
    await lab.picture("session-2-explorer");
  });

  test("figures are drawn", async () => {
    await output(6).locator(".js-plotly-plot .scatterlayer .trace").first().waitFor();
  });

  test("a training that runs is shown again after the page is loaded again, and goes on there", async () => {
    await lab.append(
      "const long = %ams train --name long --recipe scenes-contrast --batch-size 20 --epochs 2000 --validate 12",
    );
    await lab.start(longTraining);
    await output(longTraining).filter({ hasText: "After epoch 1" }).first().waitFor();
    await picture("session-3-live", longTraining);
    await lab.save();
    const before = stepOf(await shownIn(longTraining));
    await lab.reload();
    await output(longTraining).filter({ hasText: "whole run" }).first().waitFor();
    await until(async () => stepOf(await shownIn(longTraining)) > before, "the steps go on");
    const seen = stepOf(await shownIn(longTraining));
    await until(async () => stepOf(await shownIn(longTraining)) > seen, "the display is updated after the reload");
    const prompt = cellAt(longTraining).locator(".jp-InputPrompt").first();
    assert.equal((await prompt.textContent())?.replaceAll(/\s/g, ""), "[*]:", "the cell is shown as running");
    await picture("session-4-reloaded", longTraining);
  });

  test("an interrupt ends it with a word on how to go on, and the kernel lives on", async (t) => {
    const asked = performance.now();
    await lab.command("notebook:interrupt-kernel");
    await output(longTraining).filter({ hasText: "to go on: %ams train --resume long" }).first().waitFor();
    const seconds = (performance.now() - asked) / 1000;
    t.diagnostic(`${seconds.toFixed(2)} s from the command to the word in the cell`);
    // Within a second at the kernel (test/kernel/interrupt.test.ts); the rest is for JupyterLab, on a machine that does other things.
    assert.ok(seconds < 5, `${String(seconds)} s`);
    await until(async () => (await lab.evaluate("1 + 1")) === "2", "the kernel answers");
    assert.equal(await lab.evaluate("long.status"), "'stopped'");
    const prompt = cellAt(longTraining).locator(".jp-InputPrompt").first();
    await prompt.filter({ hasText: /\[\d+\]/ }).waitFor();
    await assertRecord(output(longTraining), "stopped", 1);
    await picture("session-5-stopped", longTraining);
  });

  test("the saved notebook is whole without a kernel", async () => {
    await lab.save();
    const saved = JSON.parse(readFileSync(path.join(folder, "short tour.ipynb"), "utf8")) as {
      cells: NotebookCell[];
      metadata: object;
    };
    const stopped = JSON.stringify(saved.cells[longTraining]?.outputs);
    assert.equal(stopped.match(/images\/s · stopped after/g)?.length, 2, "once as text and once as HTML");
    writeFileSync(path.join(folder, "later.ipynb"), JSON.stringify({ ...saved, metadata: {} }));
    await lab.openWithoutKernel("later.ipynb");
    const explorer = output(3).locator(".ams-explorer");
    await explorer.waitFor();
    await askExplorer(explorer);
    await output(6).locator(".js-plotly-plot .scatterlayer .trace").first().waitFor();
    await assertRecord(output(shortTraining), "finished", 2);
    await assertRecord(output(longTraining), "stopped", 1);
    await picture("session-6-no-kernel", longTraining);
  });

  test("its export to HTML works in a browser without a network", async () => {
    const file = await exportToHtml(path.join(folder, "later.ipynb"));
    const page = await offlinePage(lab.page, file);
    const explorer = page.locator(".ams-explorer").filter({ has: page.locator(".view") });
    await explorer.waitFor();
    await askExplorer(explorer);
    const code = page.locator(".jp-Cell");
    await assertRecord(code.nth(shortTraining).locator(".jp-OutputArea-output"), "finished", 2);
    await assertRecord(code.nth(longTraining).locator(".jp-OutputArea-output"), "stopped", 1);
    await page.mouse.move(650, 5);
    await assertPictureLike(await explorer.locator(".stage").screenshot(), "session-explorer", { share: labShare });
    await page.close();
  });

  test("the display of a training looks like the kept picture", async () => {
    const names = ["bus", "burger", "avocado"];
    const items = names.map((name) => ({
      image: fixture(`plot/${name}.png`),
      captions: [{ text: `There is a ${name}.` }],
    }));
    const scores = Float32Array.from([3, 1, 0.5, 0.2, 0.4, 2, 1, 0.3, 2.5]);
    const rows = galleryOf({ scores, owner: [0, 1, 2], items }, { k: 3 });
    const direction = { r1: 20, r5: 50, r10: 80, medr: 5, meanr: 6 };
    const epochs = [0, 1].map((epoch) => {
      const [i2t, t2i] = [20, 15].map((r1) => ({ ...direction, r1: r1 + 15 * epoch })) as [Direction, Direction];
      const evaluation = { split: "val", images: 3, captions: 3, i2t, t2i, rsum: 295 + 30 * epoch, ties: 0 };
      return { epoch, step: 20 * (epoch + 1), loss: 3 - epoch, seconds: 75, evaluation: { ...evaluation, interval: [250, 350] as [number, number] } }; // prettier-ignore
    });
    const steps = Array.from({ length: 47 }, (_, i) => ({
      ...{ step: i + 1, epoch: Math.floor(i / 20), loss: 4 - Math.sqrt(i) / 2 + 0.2 * Math.sin(i) },
      ...{ learningRate: 1e-3, gradientNorm: 1, imagesPerSecond: 83 },
    }));
    const { "text/html": html } = trainingDisplay({
      ...{ name: "first", recipe: "scenes-contrast", steps, epochs, step: 47, totalSteps: 60, stepsPerEpoch: 20 },
      ...{ totalEpochs: 3, status: "training", secondsLeft: 65 },
      samples: await galleryView("After epoch 2: what captions of val find among 3 images", rows, 112),
    });
    const file = path.join(folder, "display.html");
    writeFileSync(
      file,
      `<!doctype html><meta charset="utf-8"><style>body > div {width: fit-content}</style><body style="font:14px DejaVu Sans">${String(html)}`,
    );
    const page = await offlinePage(lab.page, file);
    await assertPictureLike(await page.locator("body > div").screenshot(), "training-display");
    await page.close();
  });

  test("nothing is raised in the page", () => {
    assert.deepEqual(lab.pageErrors, []);
  });
});

/** The last state of a training's display: how it ended, a row for each epoch, three captions with four pictures each, no bar. */
async function assertRecord(output: Locator, status: "finished" | "stopped", epochs: number): Promise<void> {
  const record = output.filter({ hasText: `${status} after` }).first();
  await record.waitFor();
  assert.doesNotMatch((await record.textContent()) ?? "", /whole run| left\b/);
  assert.ok((await record.locator("table").first().locator("tbody tr").count()) >= epochs);
  assert.ok((await record.locator("img[alt$=' curve']").count()) >= 1);
  const pictures = record.locator("img[alt^='hit ']");
  assert.equal(await pictures.count(), 12);
  for (const picture of await pictures.all())
    assert.ok(await picture.evaluate((node) => (node as unknown as { naturalWidth: number }).naturalWidth > 0));
}

/** A page of its own from a file, that gets nothing from anywhere else. */
async function offlinePage(other: Page, file: string): Promise<Page> {
  const context = await other
    .context()
    .browser()!
    .newContext({ viewport: { width: 1300, height: 1100 } });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  await page.route(/^https?:/, (route) => route.abort());
  await page.goto(pathToFileURL(file).href, { waitUntil: "domcontentloaded" });
  return page;
}

/** The step of the whole run that a live display shows; 0 where it shows none. */
function stepOf(text: string): number {
  return Number(/whole run\s*step (\d+)\//.exec(text)?.[1] ?? 0);
}
