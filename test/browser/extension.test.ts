/** The extension in JupyterLab: saved figures without a kernel, trusted or not; magics in colour; the launcher's card; the panel of runs. */
import assert from "node:assert/strict";
import { appendFileSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import type { Locator } from "playwright-core";
import sharp from "sharp";
import { installKernel } from "../../kernel/install/index.js";
import type { MimeBundle } from "../../src/display.js";
import { displaySymbol } from "../../src/display.js";
import { packageRoot } from "../../src/paths.js";
import { attentionFigure } from "../../src/plot/attention.js";
import { historyFigure } from "../../src/plot/history.js";
import { lockRun } from "../../src/train/runLock.js";
import { boxedBusScene } from "../plot/scene.js";
import { findBrowser, notebookOf, startLab, type Lab } from "./lab.js";
import { assertPictureLike, labShare } from "./snapshot.js";

const installed = findBrowser();
const caption = "A flamingo by a cake and a bus.";

function fontWeight(node: unknown): string {
  const { getComputedStyle } = globalThis as unknown as { getComputedStyle: (node: unknown) => { fontWeight: string } };
  return getComputedStyle(node).fontWeight;
}

const stepLine = (step: number): string =>
  `${JSON.stringify({ step, epoch: 1, loss: 0.5, learningRate: 1e-5, gradientNorm: 1, imagesPerSecond: 9 })}\n`;

/** What a notebook from a stranger may hold: each of these would leave a mark in the page, or ask the network. */
const evil = {
  data: [{ type: "scatter", x: [1, 2], y: [1, 2], text: ["<img src=x onerror='window.struck=1'>", "b"], mode: "text" }],
  layout: {
    title: { text: "<script>window.struck=1</script><img src=x onerror='window.struck=1'>evil" },
    images: [{ source: "https://example.org/spy.png", x: 0, y: 1, sizex: 1, sizey: 1 }],
    updatemenus: [
      { buttons: [{ label: "x", method: "relayout", args: [{ "images[0].source": "https://example.org/a.png" }] }] },
    ],
  },
  config: { showSendToCloud: true, plotlyServerURL: "https://example.org" },
};

describe(
  "the extension in JupyterLab",
  { skip: installed === undefined ? "no Chromium on this machine" : false },
  () => {
    const folder = mkdtempSync(path.join(tmpdir(), "ams extension "));
    const run = path.join(folder, "home", "runs", "first-try");
    const requests: string[] = [];
    let summary = "";
    let lab: Lab;

    before(async () => {
      const shows = (cells: MimeBundle[]): object => {
        const notebook = notebookOf(cells.map(() => "// saved")) as { cells: Record<string, unknown>[] };
        cells.forEach((data, i) => {
          Object.assign(notebook.cells[i]!, {
            execution_count: 1,
            outputs: [{ output_type: "display_data", data, metadata: {} }],
          });
        });
        return notebook;
      };
      const figure = await attentionFigure(await boxedBusScene(caption));
      const steps = readFileSync(path.join(packageRoot(), "models", "log", "scenes-small-3.jsonl"), "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as { step: number; epoch: number; loss: number; learningRate: number });
      const history = await historyFigure({ name: "scenes <small> & 3", steps, epochs: [] });
      summary = history.text;
      const script = { "text/plain": "html", "text/html": "<b>bold</b><script>window.struck = 1</script>" };
      const figures = [figure[displaySymbol](), history[displaySymbol](), script];
      const stranger = { "text/plain": "figure", "application/vnd.plotly.v1+json": evil };
      writeFileSync(path.join(folder, "saved.ipynb"), JSON.stringify(shows([...figures, stranger])));
      writeFileSync(
        path.join(folder, "magics.ipynb"),
        JSON.stringify(
          notebookOf([
            'const run = %ams train --name first-try --epochs 5 "a text"\nconst two = 5 % 3;',
            "%ams doctor",
          ]),
        ),
      );
      // A home of its own with one run, that the panel finds.
      mkdirSync(run, { recursive: true });
      const log = path.join(packageRoot(), "models", "log");
      copyFileSync(path.join(log, "scenes-small-3.jsonl"), path.join(run, "steps.jsonl"));
      copyFileSync(path.join(log, "scenes-small-3.json"), path.join(run, "run.json"));
      const kernelPath = path.join(folder, "share");
      const home = process.env["AMS_HOME"];
      process.env["AMS_HOME"] = path.join(folder, "home");
      try {
        const { extension } = await installKernel({ folder: kernelPath });
        assert.ok(extension !== undefined, "the build has the extension");
      } finally {
        if (home === undefined) delete process.env["AMS_HOME"];
        else process.env["AMS_HOME"] = home;
      }
      lab = await startLab({
        root: folder,
        browser: installed ?? "",
        kernelPath,
        viewport: { width: 1300, height: 1000 },
      });
      lab.page.setDefaultTimeout(60_000);
      lab.page.on("request", (request) => requests.push(request.url()));
      await lab.open("saved.ipynb");
    });
    after(async () => {
      await lab.close();
      rmSync(folder, { recursive: true, force: true });
    });

    const output = (cell: number): Locator =>
      lab.page.locator(".jp-Notebook .jp-Cell").nth(cell).locator(".jp-OutputArea-output");

    test("explores a saved attention figure that nobody trusts", async () => {
      const explorer = output(0).locator(".ams-explorer");
      await explorer.waitFor();
      await explorer.locator(".caption button").filter({ hasText: "bus" }).click();
      await explorer.locator(".scales button").nth(1).click();
      await explorer.locator(".said").filter({ hasText: "“bus” at scale 2: matched" }).waitFor();
      await lab.page.mouse.move(650, 5);
      await assertPictureLike(await explorer.locator(".stage").screenshot(), "explorer-bus");
      await lab.picture("extension-1-explorer");
    });

    test("draws a saved plotly figure, without a button to any cloud", async () => {
      const plot = output(1).locator(".js-plotly-plot");
      await plot.locator(".scatterlayer .trace").nth(2).waitFor();
      await plot.hover();
      const buttons = plot.locator(".modebar-btn");
      await buttons.first().waitFor();
      const titles = await Promise.all((await buttons.all()).map((button) => button.getAttribute("data-title")));
      assert.ok(
        titles.some((title) => /download/i.test(title ?? "")),
        titles.join(),
      );
      assert.ok(!titles.some((title) => /cloud|edit in|chart studio/i.test(title ?? "")), titles.join());
      assert.equal(await plot.getAttribute("aria-label"), summary, "as it was written, escaped nowhere");
      // A figure, no image: its buttons are there for screen readers.
      assert.equal(await plot.getAttribute("role"), "figure");
      assert.match(
        await plot.ariaSnapshot(),
        /figure "Training history: scenes <small> & 3 100 steps[^]*button "Zoom"/,
      );
      await output(1).scrollIntoViewIfNeeded();
      await lab.page.mouse.move(650, 5);
      const drawn = await plot.locator(".svg-container").screenshot({ style: ".modebar{visibility:hidden}" });
      await assertPictureLike(drawn, "extension-history", { share: labShare });
      await lab.picture("extension-2-plotly");
    });

    test("keeps axis titles and legend apart where there is little room", async () => {
      const plot = output(1).locator(".js-plotly-plot");
      const setWidth = (width: string): Promise<void> =>
        output(1).evaluate((node, wanted) => {
          (node as unknown as { style: { maxWidth: string } }).style.maxWidth = wanted;
        }, width);
      const wide = (await plot.locator(".main-svg").first().boundingBox())!.width;
      await setWidth("480px");
      await plot.locator('.main-svg[width="640"]').first().waitFor(); // the least that it is drawn in: it scrolls then
      const [title, legend] = await Promise.all(
        [".y2title", ".legend"].map((part) => plot.locator(part).first().boundingBox()),
      );
      assert.ok(title!.x + title!.width <= legend!.x, `${title!.x + title!.width} is right of ${legend!.x}`);
      await lab.picture("extension-2-narrow-plotly");
      await setWidth("");
      await plot.locator(`.main-svg[width="${wide}"]`).first().waitFor();
    });

    test("is as readable in JupyterLab's dark theme", async () => {
      const theme = async (name: string): Promise<void> => {
        await lab.command("apputils:change-theme", { theme: name });
        await lab.page.locator(`body[data-jp-theme-name="${name}"]`).waitFor({ state: "attached" });
        await lab.page.locator("#jupyterlab-splash").waitFor({ state: "detached" }); // it covers the page meanwhile
      };
      await theme("JupyterLab Dark");
      const explorer = output(0).locator(".ams-explorer");
      await explorer.scrollIntoViewIfNeeded();
      const said = await sharp(await explorer.locator(".said").screenshot()).stats();
      assert.ok(said.channels[0]!.mean < 90 && said.channels[0]!.max > 180, "light letters on dark");
      await explorer.locator(".caption button").filter({ hasText: "cake" }).click();
      await explorer.locator(".said").filter({ hasText: "“cake” at scale 2" }).waitFor();
      await lab.page.mouse.move(650, 5);
      await lab.picture("extension-2-dark-explorer");
      await assertPictureLike(await explorer.screenshot(), "extension-dark-explorer", { share: labShare });
      const plot = output(1).locator(".js-plotly-plot");
      await plot.scrollIntoViewIfNeeded();
      const onPaper = (colour: string): Promise<void> =>
        plot.locator(`.main-svg[style*="rgb(${colour})"]`).first().waitFor();
      await onPaper("17, 17, 17");
      await lab.picture("extension-2-dark-plotly");
      const drawn = (): Promise<Buffer> =>
        plot.locator(".svg-container").screenshot({ style: ".modebar{visibility:hidden}" });
      await assertPictureLike(await drawn(), "extension-dark-history", { share: labShare });
      await theme("JupyterLab Light");
      await onPaper("255, 255, 255");
      await assertPictureLike(await drawn(), "extension-history", { share: labShare });
    });

    test("runs no script of a stranger, and asks nothing of their network", async () => {
      const drawn = output(3).locator(".js-plotly-plot");
      await drawn.locator(".textpoint").first().waitFor();
      await output(2).locator("b").waitFor();
      const struck = await lab.page.evaluate(() => (globalThis as unknown as { struck?: number }).struck);
      assert.equal(struck, undefined);
      assert.equal(await drawn.locator("img, script").count(), 0);
      assert.deepEqual(
        requests.filter((url) => !/^(https?|ws):\/\/127\.0\.0\.1[:/]|^(data|blob):/.test(url)),
        [],
      );
    });

    test("frees a figure that is shown no longer", async () => {
      const plot = await output(1).locator(".js-plotly-plot").elementHandle();
      const isDrawn = (): Promise<boolean | undefined> =>
        plot.evaluate((node) => (node as unknown as { _fullLayout?: object })._fullLayout !== undefined);
      assert.equal(await isDrawn(), true);
      await lab.command("notebook:clear-all-cell-outputs");
      await output(1).waitFor({ state: "detached" });
      assert.equal(await isDrawn(), false);
    });

    test("colours magics apart from TypeScript", async () => {
      await lab.open("magics.ipynb");
      const first = lab.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell").first();
      const parts = (kind: string): Promise<string[]> => first.locator(`.ams-${kind}`).allTextContents();
      await first.locator(".ams-magic").first().waitFor();
      assert.deepEqual(await parts("magic"), ["%ams"]);
      assert.deepEqual(await parts("option"), ["--name", "--epochs"]);
      assert.deepEqual(await parts("text"), ['"a text"']);
      assert.deepEqual(await parts("rest"), ["train", "first-try", "5"]);
      assert.match(await lab.evaluate("1 + 1"), /2/); // the kernel is there, and with it the language
      // TypeScript takes the dash for an operator, which it makes bold.
      const dash = first.locator(".ams-rest span").filter({ hasText: /^-$/ });
      await dash.waitFor();
      assert.equal(await dash.evaluate(fontWeight), "400");
      const line = first.locator(".cm-line").nth(1);
      assert.equal(await line.locator("[class^=ams-]").count(), 0, "5 % 3 is no magic");
      assert.ok((await line.locator("span").count()) >= 3, "TypeScript has its own colours");
      const style = ".jp-cell-toolbar, .cm-cursorLayer {visibility: hidden}";
      await assertPictureLike(await first.locator(".cm-content").screenshot({ style }), "extension-magics", {
        share: labShare,
      });
      await lab.picture("extension-3-magics");
    });

    test("lists the runs beside the notebook, and goes on as they do", async () => {
      await lab.command("ams:show-runs");
      const item = lab.page.locator(".ams-run");
      await item.filter({ hasText: "first-try" }).waitFor();
      assert.match((await item.first().textContent()) ?? "", /finished.*scenes-hinge.*step 100.*1 epoch.*rSum 563\.4/);
      assert.match((await item.locator("path").getAttribute("d")) ?? "", /^M1\.0 .*L239\.0 /);
      // As if a training went on: new steps, and a record that is not finished yet.
      const record = JSON.parse(readFileSync(path.join(run, "run.json"), "utf8")) as object;
      const unlock = lockRun(run);
      writeFileSync(path.join(run, "run.json"), JSON.stringify({ ...record, status: "training" }));
      appendFileSync(path.join(run, "steps.jsonl"), stepLine(101));
      await item.filter({ hasText: "step 101" }).filter({ hasText: "training" }).waitFor();
      // As if its process had been killed then.
      unlock();
      await item.filter({ hasText: "step 101" }).filter({ hasText: "unfinished" }).waitFor();
      assert.equal(await item.count(), 1);
      await lab.picture("extension-4-runs");
      await assertPictureLike(await item.screenshot(), "extension-run", { share: labShare });
    });

    test("goes on listing them when the kernel, and with it their line, is another one", async () => {
      await lab.restartKernel();
      appendFileSync(path.join(run, "steps.jsonl"), stepLine(102));
      await lab.page.locator(".ams-run").filter({ hasText: "step 102" }).waitFor();
    });

    test("offers a notebook to begin with in the launcher", async () => {
      await lab.command("launcher:create");
      const card = lab.page.locator(".jp-LauncherCard").filter({ hasText: "AMS notebook" });
      await card.first().waitFor();
      await lab.picture("extension-5-launcher");
      await assertPictureLike(await card.first().screenshot(), "extension-launcher", { share: labShare });
      await card.first().click();
      const cells = lab.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell");
      await cells.filter({ hasText: "%ams plot attention" }).first().waitFor();
      const name = lab.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-KernelName");
      await name.filter({ hasText: "TypeScript (AMS)" }).first().waitFor();
    });

    test("raises nothing in the page", () => {
      assert.deepEqual(lab.pageErrors, []);
    });
  },
);
