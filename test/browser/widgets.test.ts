/** Widgets in JupyterLab: controls and an own one are drawn, move values both ways, and come back after a reload. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import type { Locator } from "playwright-core";
import { installKernel } from "../../kernel/install/index.js";
import { findBrowser, notebookOf, startLab, type Lab } from "./lab.js";

const browser = findBrowser();

const esm = `function render({ model, el }) {
  const button = document.createElement("button");
  button.className = "counter";
  const show = () => { button.textContent = "count is " + model.get("count"); };
  button.onclick = () => { model.set("count", model.get("count") + 1); model.save_changes(); model.send({ clicked: true }); };
  model.on("change:count", show);
  model.on("msg:custom", (content, buffers) => { button.title = content.said + " " + new Uint8Array(buffers[0].buffer, buffers[0].byteOffset)[0]; });
  show();
  el.append(button);
}
export default { render };`;

const sources = [
  [
    "const rate = widgets.slider({ label: 'learning rate', min: 0, max: 1, step: 0.01, value: 0.5, layout: { width: '420px' } });",
    "const epochs = widgets.slider({ label: 'epochs', min: 1, max: 20, value: 5 });",
    "const size = widgets.dropdown({ label: 'size', options: ['tiny', 'small', 'base'], value: 'small' });",
    "const how = widgets.radio({ label: 'negatives', options: ['hardest', 'all'] });",
    "const name = widgets.text({ label: 'name', value: 'run-1' });",
    "const margin = widgets.number({ label: 'margin', min: 0, max: 1, step: 0.05, value: 0.2 });",
    "const flip = widgets.checkbox({ label: 'flip images', value: true });",
    "const span = widgets.range({ label: 'layers', min: 1, max: 12, value: [3, 9] });",
    "const bar = widgets.progress({ label: 'done', max: 10, value: 4, look: 'info' });",
    "const go = widgets.button({ label: 'train', look: 'primary', icon: 'play' });",
    "epochs.onChange((value) => console.log('epochs', value));",
    "widgets.column(rate, epochs, size, how, name, margin, flip, span, widgets.row(go, bar), widgets.html('<b>ready</b>'))",
  ].join("\n"),
  `const counter = widgets.any({ esm: ${JSON.stringify(esm)}, css: ".counter { padding: 8px; border-radius: 6px }", state: { count: 1 } });\n` +
    "counter.onMessage(() => counter.send({ said: 'thanks' }, [new Uint8Array([7])]));\ncounter",
  "epochs.value = 12; counter.state.count = 41; [rate.value, size.value]",
  "console.log('waiting'); const clicks: string[] = []; await go.click(); clicks.push('clicked'); bar.value = 10; clicks",
];

describe("widgets in JupyterLab", { skip: browser === undefined ? "no Chromium on this machine" : false }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), "ams widgets "));
  let lab: Lab;

  before(async () => {
    const kernelPath = path.join(folder, "share");
    await installKernel({ folder: kernelPath });
    writeFileSync(path.join(folder, "widgets.ipynb"), JSON.stringify(notebookOf(sources)));
    lab = await startLab({ root: folder, browser: browser ?? "", kernelPath, viewport: { width: 1280, height: 1500 } });
    await lab.open("widgets.ipynb");
    await lab.run(0, 3);
  });
  after(async () => {
    await lab.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const output = (cell: number): Locator => lab.page.locator(".jp-Cell").nth(cell).locator(".jp-OutputArea-output");

  test("controls are drawn with their values", async () => {
    await output(0).locator(".widget-slider").first().waitFor();
    await lab.picture("widgets-1-controls");
    assert.equal(await output(0).locator(".widget-slider").count(), 3);
    assert.equal(await output(0).locator("select option").count(), 3);
    assert.equal(await output(0).locator("input[type=radio]").count(), 2);
    assert.equal(await output(0).locator("input[type=text]").first().inputValue(), "run-1");
    const readout = (i: number): Promise<string | null> => output(0).locator(".widget-readout").nth(i).textContent();
    assert.deepEqual([await readout(0), await readout(1)], ["0.50", "12"], "moved by a later cell");
    const box = await output(0).locator(".widget-slider").first().boundingBox();
    assert.equal(Math.round(box?.width ?? 0), 420);
  });

  test("an own widget is drawn by its JavaScript and follows its state", async () => {
    const button = output(1).locator("button.counter");
    await button.waitFor();
    assert.equal(await button.textContent(), "count is 41");
    await button.click();
    await lab.page.waitForFunction("document.querySelector('button.counter')?.title === 'thanks 7'");
    assert.equal(await lab.evaluate("counter.state.count"), "42");
  });

  test("what a person does reaches the kernel, and its handler prints under its cell", async () => {
    await output(0).locator("select").selectOption("base");
    await output(0).locator("input[type=checkbox]").uncheck();
    await output(0).locator("input[type=text]").first().fill("run-2");
    const handle = output(0).locator(".widget-slider .noUi-handle").nth(1);
    await handle.focus();
    await handle.press("ArrowRight");
    await output(0).getByText("epochs 13").waitFor();
    assert.equal(
      await lab.evaluate("[size.value, flip.value, name.value, epochs.value]"),
      "[ 'base', false, 'run-2', 13 ]",
    );
    await lab.picture("widgets-2-moved");
  });

  test("a running cell waits for a click", async () => {
    const running = lab.run(3, 4);
    await output(3).getByText("waiting").waitFor();
    await output(0).locator("button", { hasText: "train" }).click();
    await running;
    assert.equal(await lab.evaluate("[clicks.length, bar.value]"), "[ 1, 10 ]");
  });

  test("a page that is loaded again shows the widgets as they are", async () => {
    await lab.save();
    await lab.open("widgets.ipynb");
    await output(0).locator(".widget-slider").first().waitFor();
    await output(1).locator("button.counter").waitFor();
    assert.equal(await output(1).locator("button.counter").textContent(), "count is 42");
    assert.equal(await output(0).locator("select").inputValue(), "base");
    await lab.picture("widgets-3-reloaded");
  });

  test("the saved notebook holds the widgets' state", () => {
    const saved = JSON.parse(readFileSync(path.join(folder, "widgets.ipynb"), "utf8")) as {
      metadata: { widgets?: Record<string, { state: Record<string, { model_name: string }> }> };
    };
    const models = Object.values(saved.metadata.widgets?.["application/vnd.jupyter.widget-state+json"]?.state ?? {});
    const names = models.map((model) => model.model_name);
    for (const name of ["AnyModel", "FloatSliderModel", "DropdownModel", "ButtonModel"])
      assert.ok(names.includes(name), `${name} is not among ${names.join(", ")}`);
  });

  test("raises nothing in the page", () => {
    assert.deepEqual(lab.pageErrors, []);
  });
});
