// `npm run screenshot [-- NOTEBOOK] [--run]`: pictures of a notebook in JupyterLab, top to bottom, in out/screens/.
// Without a notebook: out/00-tour.ipynb, which `npm run demo` wrote. `--run` runs all its cells first.
// `npm run screenshot -- --readme`: the picture of README.md, docs/lab.png: a notebook of these two cells, as JupyterLab shows it.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { setUp } from "./setup/index.mjs";
import { root } from "./setup/paths.mjs";
import { main, SetupError } from "./setup/steps.mjs";

const require = createRequire(import.meta.url);

await main(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { run: { type: "boolean" }, readme: { type: "boolean" } },
  });
  if (values.readme) return pictureForReadme();
  const notebook = path.resolve(positionals[0] ?? path.join(root, "out", "00-tour.ipynb"));
  const lab = await openLab(path.dirname(notebook), { width: 1280, height: 1400 });
  try {
    await lab.open(path.basename(notebook));
    if (values.run) await lab.runAll(1800);
    const folder = path.join(root, "out", "screens");
    const name = path.basename(notebook, ".ipynb");
    mkdirSync(folder, { recursive: true });
    for (const file of readdirSync(folder)) if (file.startsWith(`${name}-`)) rmSync(path.join(folder, file));
    await lab.page.evaluate(() => globalThis.jupyterapp.commands.execute("application:toggle-left-area"));
    const scroller = lab.page.locator(".jp-Notebook .jp-WindowedPanel-outer").first();
    const { height, page } = await scroller.evaluate((node) => ({
      // To the end of the last cell; below it JupyterLab leaves a page of white.
      height:
        Math.max(...[...node.querySelectorAll(".jp-Cell")].map((cell) => cell.getBoundingClientRect().bottom)) -
        node.getBoundingClientRect().top,
      page: node.clientHeight,
    }));
    const count = Math.max(1, Math.ceil(height / (page - 60)));
    for (let i = 0; i < count; i++) {
      await scroller.evaluate((node, top) => (node.scrollTop = top), i * (page - 60));
      await lab.page.waitForTimeout(400); // pictures appear a moment after they come into view
      await lab.page.screenshot({ path: path.join(folder, `${name}-${String(i + 1).padStart(2, "0")}.png`) });
    }
    console.log(`${count} pictures in ${path.relative(root, folder)}`);
    for (const message of lab.pageErrors) console.log(`error in the page: ${message}`);
  } finally {
    await lab.close();
  }
});

async function openLab(folder, viewport) {
  await setUp();
  const { findBrowser, startLab } = require(path.join(root, "build/test/browser/lab.js"));
  const browser = findBrowser();
  if (browser === undefined)
    throw new SetupError("there is no browser", { hint: "apt-get install chromium, or set AMS_CHROMIUM to one" });
  return startLab({ root: folder, browser, viewport });
}

async function pictureForReadme() {
  const cells = [
    "%ams build --checkpoint scenes-small",
    "// which patches does each word of the caption look at?\n%ams plot attention --split test --item 3",
  ];
  const folder = mkdtempSync(path.join(tmpdir(), "ams-readme-"));
  const { notebookOf } = require(path.join(root, "build/test/browser/lab.js"));
  writeFileSync(path.join(folder, "attention.ipynb"), JSON.stringify(notebookOf(cells)));
  const lab = await openLab(folder, { width: 1200, height: 900 });
  try {
    await lab.open("attention.ipynb");
    await lab.command("application:toggle-left-area");
    await lab.runAll(600);
    // Results that belong to the cell before the figure take no room.
    await lab.page.evaluate(() => globalThis.jupyterapp.shell.currentWidget.content.node.focus());
    await lab.page
      .locator(".jp-Cell")
      .nth(1)
      .evaluate((node) => node.scrollIntoView());
    await lab.page.waitForTimeout(1500);
    const sharp = require("sharp");
    const file = path.join(root, "docs", "lab.png");
    await sharp(await lab.page.screenshot())
      .png({ palette: true, colours: 128, effort: 10 })
      .toFile(file);
    console.log(`${path.relative(root, file)}: ${Math.round(statSync(file).size / 1000)} kB`);
  } finally {
    await lab.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
