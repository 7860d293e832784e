/** The attention explorer as a saved page: clicked, hovered, driven by keys, in light and dark, without network or kernel. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { chromium, type Browser, type Locator, type Page } from "playwright-core";
import sharp from "sharp";
import { attentionComparison, attentionFigure } from "../../src/plot/attention.js";
import { boxedBusScene, busScene } from "../plot/scene.js";
import { findBrowser } from "./lab.js";
import { assertPictureLike, pictureDifference } from "./snapshot.js";

const installed = findBrowser();
const caption = "A flamingo by a cake and a bus.";

describe(
  "the attention explorer in a page",
  { skip: installed === undefined ? "no Chromium on this machine" : false },
  () => {
    const folder = mkdtempSync(path.join(tmpdir(), "ams explorer "));
    const errors: string[] = [];
    const requests: string[] = [];
    let browser: Browser;
    let page: Page;
    let single: string;
    let double: string;

    before(async () => {
      const input = await boxedBusScene(caption);
      single = await (await attentionFigure(input)).save(path.join(folder, "one.html"));
      const other = await busScene("A cake beside a bus");
      const pair = [
        { ...input, name: "first caption" },
        { ...other, name: "second caption", threshold: 0.1 },
      ] as const;
      double = await (await attentionComparison(pair)).save(path.join(folder, "two.html"));
      browser = await chromium.launch({
        executablePath: installed ?? "",
        args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"],
      });
    });
    after(async () => {
      await browser.close();
      rmSync(folder, { recursive: true, force: true });
    });

    const open = async (file: string, dark = false): Promise<void> => {
      page = await browser.newPage({ viewport: { width: 1000, height: 900 }, colorScheme: dark ? "dark" : "light" });
      page.setDefaultTimeout(30_000);
      page.on("pageerror", (error) => errors.push(error.message));
      page.on("request", (request) => requests.push(request.url()));
      await page.goto(pathToFileURL(file).href);
      await page.locator(".ams-explorer .view").first().waitFor();
    };
    beforeEach(async () => {
      for (const context of browser.contexts()) await context.close();
    });

    const word = (name: string): Locator =>
      page.locator(".caption button").filter({ hasText: new RegExp(`^${name}$`) });
    const said = (): Locator => page.locator(".said").first();
    const says = (text: string): Promise<void> => said().filter({ hasText: text }).waitFor();
    const scale = (name: string): Locator => page.locator(".scales button").filter({ hasText: name }).first();
    const stage = (): Locator => page.locator(".stage").first();

    test("begins with a word that matches, in place of the still", async () => {
      await open(single);
      await says("summed over the scales: matched at 6 of 6 scales");
      assert.equal(await page.locator("[data-still]").isVisible(), false);
      assert.equal(await page.locator(".caption button[aria-pressed=true]").count(), 1);
    });

    test("shows the map of a clicked word at a chosen scale, with its box", async () => {
      await open(single);
      await word("bus").click();
      await says("“bus” summed");
      await scale("scale 2").click();
      await says("“bus” at scale 2: matched");
      await page.mouse.move(5, 5);
      assert.equal(await scale("scale 2").getAttribute("aria-pressed"), "true");
      assert.equal(await stage().locator("rect").count(), 2, "the box, on a dark edge");
      await assertPictureLike(await stage().screenshot(), "explorer-bus");
      await page.locator("input[type=checkbox]").uncheck();
      assert.equal(await stage().locator("rect").count(), 0);
    });

    test("shows a word while it is pointed at, and the chosen one again afterwards", async () => {
      await open(single);
      await word("cake").click();
      await says("“cake”");
      await word("flamingo").hover();
      await says("“flamingo”");
      await stage().hover();
      await says("“cake”");
    });

    test("strikes out the words that no region matches, and tints the others", async () => {
      await open(single);
      const looks = (name: string): Promise<{ struck: boolean; tint: string }> =>
        word(name)
          .first()
          .evaluate((node: unknown) => {
            const { getComputedStyle: style } = globalThis as unknown as {
              getComputedStyle: (node: unknown) => { textDecorationLine: string; backgroundColor: string };
            };
            return { struck: style(node).textDecorationLine === "line-through", tint: style(node).backgroundColor };
          });
      assert.deepEqual(await looks("by"), { struck: true, tint: "rgba(0, 114, 178, 0)" });
      assert.deepEqual(await looks("bus"), { struck: false, tint: "rgba(0, 114, 178, 0.45)" });
      // As high as the slider goes no word is left; the model's own threshold brings them back.
      const slider = page.getByLabel("threshold");
      await slider.focus();
      // A page may want the arrows for itself, as JupyterLab does: the slider has them.
      await page.evaluate('document.body.addEventListener("keydown", (event) => event.preventDefault())');
      await page.keyboard.press("ArrowRight");
      assert.notEqual(await slider.inputValue(), "0");
      await page.keyboard.press("End");
      await page.locator(".caption button.none").nth(10).waitFor();
      assert.equal((await looks("bus")).struck, true);
      await page.getByText("the model's own").click();
      await word("bus").and(page.locator(":not(.none)")).waitFor();
      assert.equal((await looks("bus")).struck, false);
    });

    test("shows the negative branch: what is far below the threshold is strong there", async () => {
      await open(single);
      await word("bus").click();
      await scale("scale 6").click();
      const positive = await stage().screenshot();
      await page.getByRole("button", { name: "mismatch" }).click();
      await says("distance");
      await page.mouse.move(5, 5);
      const negative = await stage().screenshot();
      assert.ok((await pictureDifference(positive, negative)) > 0.4, "most patches are far from a bus");
      await page.getByRole("button", { name: "relevance" }).click();
      await says("weight");
      await page.getByRole("button", { name: "similarity" }).click();
      await says("product");
    });

    test("lists the words that look at a clicked patch", async () => {
      await open(single);
      const { width, height } = (await stage().boundingBox()) ?? { width: 0, height: 0 };
      await stage().click({ position: { x: width * 0.26, y: height * 0.72 } });
      const first = page.locator(".words li").nth(1).locator("button");
      await first.waitFor();
      assert.equal(await first.textContent(), "bus");
      assert.match((await page.locator(".words li").first().textContent()) ?? "", /row 9, column 4/);
      await word("cake").click();
      await page.locator(".words button").first().click();
      await says("“bus”");
    });

    test("does all of it by keyboard, and tells it to a screen reader", async () => {
      await open(single);
      await word("flamingo").first().focus();
      await says("“flamingo”");
      for (let i = 0; i < 3; i++) await page.keyboard.press("ArrowRight");
      await says("“cake”");
      await page.keyboard.press("Enter");
      await stage().focus();
      await says("“cake”"); // chosen, not only looked at
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("ArrowLeft");
      await page.locator(".words li").first().filter({ hasText: "row 7, column 6" }).waitFor();
      const heard = page.getByRole("status");
      assert.match((await heard.textContent()) ?? "", /patch row 7, column 6/);
      for (const key of ["ArrowLeft", "ArrowLeft", "ArrowDown", "ArrowDown"]) await page.keyboard.press(key);
      await heard.filter({ hasText: /^Words that look at patch row 9, column 4: bus \d\.\d\d/ }).waitFor();
      const box = await heard.boundingBox();
      assert.ok(box !== null && box.width <= 1 && box.height <= 1, "heard, not seen: the list says it too");
      await page.keyboard.press("Escape");
      await page.locator(".words li").first().filter({ hasText: "Choose a patch" }).waitFor();
      assert.equal(await heard.textContent(), "");
      assert.equal(await said().getAttribute("aria-live"), "polite");
      const tree = await page.locator(".ams-explorer").ariaSnapshot();
      for (const part of [
        /group "Attention of every word/,
        /button "bus, matched at 100 % of the scales shown"/,
        /button "by, no region matches"/,
        /slider "threshold"/,
        /application "image in 12 by 12 patches/,
        /button "sum of the scales" \[pressed\]/,
      ])
        assert.match(tree, part);
    });

    test("opens every word at every scale, each a button", async () => {
      await open(single);
      await page.getByText("All words at every scale").click();
      await page.locator("table canvas").nth(76).waitFor();
      assert.equal(await page.locator("table canvas").count(), 77);
      await page.getByRole("button", { name: "cake, scale 3" }).click();
      await says("“cake” at scale 3");
      // The arrows go through it as it looks: one row up or down, one column to the side.
      const at = (): Promise<string | null> => page.locator("table button:focus").getAttribute("aria-label");
      assert.equal(await at(), "cake, scale 3");
      for (const [key, name] of [
        ["ArrowDown", "and, scale 3"],
        ["ArrowRight", "and, scale 4"],
        ["ArrowUp", "cake, scale 4"],
        ["ArrowUp", "a, scale 4"],
        ["ArrowLeft", "a, scale 3"],
      ] as const) {
        await page.keyboard.press(key);
        assert.equal(await at(), name, key);
      }
      for (let i = 0; i < 5; i++) await page.keyboard.press("ArrowUp");
      assert.equal(await at(), "a, scale 3", "the first row has none above it");
      assert.equal(await page.locator("table button[tabindex='0']").count(), 1);
    });

    test("compares two captions under the same controls", async () => {
      await open(double);
      assert.deepEqual(await page.locator(".view h4").allTextContents(), ["first caption", "second caption"]);
      await page.locator(".view").nth(1).locator(".caption button").filter({ hasText: "cake" }).click();
      await page.locator(".said").nth(1).filter({ hasText: "“cake”" }).waitFor();
      await scale("scale 4").click();
      for (const i of [0, 1]) await page.locator(".said").nth(i).filter({ hasText: "at scale 4" }).waitFor();
      assert.equal(await page.locator(".scales button[aria-pressed=true]").count(), 2);
      assert.match((await page.locator(".bar").textContent()) ?? "", /0\.000 and 0\.100/);
      const [left, right] = await Promise.all([0, 1].map((i) => page.locator(".view").nth(i).boundingBox()));
      assert.ok(left !== null && right !== null && left !== undefined && right !== undefined);
      assert.ok(Math.abs(left.y - right.y) < 1 && right.x > left.x + 300, "side by side");
      await page.mouse.move(5, 5);
      await assertPictureLike(await page.locator(".stage").nth(1).screenshot(), "explorer-second");
    });

    test("speaks of no matches where the model has none: its score is that of pooled features", async () => {
      const file = path.join(folder, "pooled.html");
      const input = await boxedBusScene(caption);
      const matched = input.scales.map((scale) => ({ ...scale, matched: scale.matched.map(() => true) }));
      const pooled = { ...input, score: "pooled", show: "relevance", branches: ["similarity"] } as const;
      await (await attentionFigure({ ...pooled, scales: matched })).save(file);
      await open(file);
      await word("by").click();
      await says("“by” summed over the scales. No patch has a product above 0.");
      await word("bus").click();
      await says("“bus” summed over the scales. Strongest patch: row 9, column 4, product");
      await scale("scale 2").click();
      await says("“bus” at scale 2. Strongest patch:");
      assert.equal(await page.getByLabel("threshold").count(), 0);
      assert.equal(await page.locator(".caption button.none").count(), 0, "no word is struck through");
      assert.equal(await word("by").first().getAttribute("aria-label"), "by");
      const text = await page.locator(".ams-explorer").innerText();
      assert.doesNotMatch(text, /match|threshold/i);
      await assertPictureLike(await page.locator(".ams-explorer").screenshot(), "explorer-pooled");
      // Beside a model with matches: of the first nothing of the kind, of the second its own threshold.
      await (await attentionComparison([{ ...pooled, scales: matched, name: "first" }, { ...(await busScene(caption)), threshold: 0.1, name: "second" }])).save(file); // prettier-ignore
      await open(file);
      await page.locator(".said").nth(1).filter({ hasText: ": matched at" }).waitFor();
      assert.doesNotMatch(await said().innerText(), /match/);
      assert.equal(await page.getByLabel("threshold").getAttribute("aria-valuetext"), "0.100");
    });

    test("compares two models of other grids and scales: the same place, word and scale in both", async () => {
      const file = path.join(folder, "models.html");
      await (await attentionComparison([
        { ...(await boxedBusScene(caption)), name: "first model" },
        { ...(await busScene(caption, { grid: 6, scales: 3 })), name: "second model", threshold: 0.1 },
      ], "Attention of two models")).save(file); // prettier-ignore
      await open(file);
      assert.deepEqual(await page.locator(".view h4").allTextContents(), ["first model", "second model"]);
      const saidIn = (view: number, text: string): Promise<void> =>
        page.locator(".said").nth(view).filter({ hasText: text }).waitFor();
      // The captions are the same: a word that is chosen in one is chosen in the other.
      await page.locator(".view").nth(1).locator(".caption button").filter({ hasText: "bus" }).click();
      for (const view of [0, 1]) await saidIn(view, "“bus” summed over the scales: matched");
      // Row 9, column 4 of 12 lies in row 5, column 2 of 6.
      const { width, height } = (await stage().boundingBox()) ?? { width: 0, height: 0 };
      await stage().click({ position: { x: width * 0.26, y: height * 0.72 } });
      const heading = (view: number): Locator => page.locator(".view").nth(view).locator(".words li").first();
      await heading(0).filter({ hasText: "row 9, column 4" }).waitFor();
      await heading(1).filter({ hasText: "row 5, column 2" }).waitFor();
      await page.locator(".stage").nth(1).focus();
      await page.keyboard.press("ArrowRight");
      await heading(1).filter({ hasText: "row 5, column 3" }).waitFor();
      await heading(0).filter({ hasText: "row 10, column 6" }).waitFor();
      await page.keyboard.press("Escape");
      for (const view of [0, 1]) await heading(view).filter({ hasText: "Choose a patch" }).waitFor();
      await scale("scale 2").click();
      for (const view of [0, 1]) await saidIn(view, "“bus” at scale 2");
      await scale("scale 5").click();
      await saidIn(0, "“bus” at scale 5");
      await saidIn(1, "This model has no scale 5: it has 3 scales.");
      const second = page.locator(".view").nth(1);
      assert.equal(await second.locator(".caption .none").count(), 0, "no word is missed where none was asked");
      const label = await second.locator(".caption button").filter({ hasText: "bus" }).getAttribute("aria-label");
      assert.match(label ?? "", /bus, not asked: the model lacks this scale/);
      assert.ok((await page.locator(".view").first().locator(".caption .none").count()) > 0);
      await stage().click({ position: { x: width * 0.26, y: height * 0.72 } });
      await heading(1).filter({ hasText: "no scale 5" }).waitFor();
      await heading(0).filter({ hasText: "Words that look at patch row 9, column 4" }).waitFor();
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "mismatch" }).click();
      await saidIn(0, "distance");
      assert.match((await page.locator(".bar").textContent()) ?? "", /0\.000 and 0\.100/);
    });

    test("takes the colours of a dark page", async () => {
      await open(single, true);
      const light = await sharp(await page.locator(".said").first().screenshot()).stats();
      assert.ok(light.channels[0]!.mean < 90, "dark behind the text");
      assert.ok(light.channels[0]!.max > 180, "the text is light");
      await word("bus").click();
      await scale("scale 2").click();
      await says("“bus” at scale 2");
      await page.mouse.move(5, 5);
      await assertPictureLike(await stage().screenshot(), "explorer-bus"); // the picture itself stays as it is
    });

    test("asks nothing of the network and raises nothing", () => {
      assert.deepEqual(errors, []);
      assert.deepEqual(
        requests.filter((url) => !/^(file|data|blob):/.test(url)),
        [],
      );
    });
  },
);
