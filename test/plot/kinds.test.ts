/** Every kind of figure, drawn by its verb from a small data set, a small model and two short trainings. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import sharp from "sharp";
import { checkOptions } from "../../src/commands/parse.js";
import { createSession, type Session } from "../../src/commands/session.js";
import { figures, plotCommand } from "../../src/commands/verbs/plot.js";
import { trainCommand } from "../../src/commands/verbs/train.js";
import { silentContext } from "../../src/context.js";
import { openScenes } from "../../src/data/emojiScenes/index.js";
import { closeImageWorkers } from "../../src/data/index.js";
import { displaySymbol } from "../../src/display.js";
import { startEngine } from "../../src/engine/index.js";
import { AmsError } from "../../src/errors.js";
import { buildModel } from "../../src/model/build.js";
import { halfDepth } from "../../src/model/config.js";
import { createParameters } from "../../src/model/parameters.js";
import { packageRoot } from "../../src/paths.js";
import type { Figure } from "../../src/plot/figure.js";
import { dim, grid, heatColour, heatLevels, ink, missed, paper, series, trueBox } from "../../src/plot/palette.js";
import { recipeOf } from "../../src/train/recipe.js";
import { readHtml, readSvg } from "./dom.js";

type Rgb = [number, number, number];

/** What needs no unit: counts and names. */
const countsAndNames = /^(step|scale|image|kind of phrase|captions with|word pieces|K \(|recall$|sum$)/;

/** The colours of the palette that may be mixed with the white behind them. */
const inks = [...series, ink, dim, grid, paper, trueBox, missed].map(rgbOf);
const heat = Array.from({ length: heatLevels }, (_, level) => heatColour(level).slice(0, 3) as Rgb);

function rgbOf(hex: string): Rgb {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)) as Rgb;
}

/** Whether a colour is one of the palette's, or one of them on white paper at some opacity. */
function known(colour: Rgb): boolean {
  const near = (of: Rgb): boolean => of.every((value, i) => Math.abs(value - colour[i]!) <= 6);
  return [...inks, ...heat].some((of) =>
    Array.from({ length: 51 }, (_, i) => i / 50).some((t) => near(of.map((v) => 255 + t * (v - 255)) as Rgb)),
  );
}

/** Every colour that an SVG paints with: without what is clear or has no size. */
function coloursOf(svg: string): Map<string, Rgb> {
  const drawn = svg
    .replace(/data:[^"')]+|<desc>[^]*?<\/desc>|url\(#[^)]*\)/g, "")
    .replace(/(fill|stroke): [^;]+; \1-opacity: 0;/g, "")
    .replace(/<rect[^>]* width="0"[^>]*>/g, "");
  const found = new Map<string, Rgb>();
  for (const [text, hex] of drawn.matchAll(/#([0-9a-f]{6})\b/gi)) found.set(text, rgbOf(`#${hex!}`));
  for (const [text, r, g, b] of drawn.matchAll(/rgba?\((\d+), ?(\d+), ?(\d+)/g)) found.set(text, [r, g, b].map(Number) as Rgb); // prettier-ignore
  return found;
}

describe("every kind of figure", () => {
  const home = mkdtempSync(path.join(tmpdir(), "ams-kinds-"));
  let session: Session;

  before(async () => {
    await startEngine("auto"); // before the home folder changes: the engine's files are in the real one
    process.env["AMS_HOME"] = home;
    const counts = { train: 16, val: 4, test: 8, "test-pairs": 2, "test-style": 2 };
    const dataset = await openScenes({ counts, pixels: 48 }, silentContext);
    const vocabulary = path.join(packageRoot(), "assets", "scenes-vocab.txt");
    const built = await buildModel({ size: "tiny", recipe: recipeOf("ams-corrected"), vocabulary, seed: 5 });
    const config = halfDepth(halfDepth(built.config));
    const model = { ...built, config, parameters: createParameters(config, 5) };
    session = createSession(home);
    session.dataset = dataset;
    for (const [name, learningRate] of [
      ["first", 1e-3],
      ["second", 1e-4],
    ] as const) {
      // prettier-ignore
      const options = { model, name, learningRate, steps: 2, epochs: 1, batchSize: 8, validate: 4 };
      await trainCommand.run(checkOptions(trainCommand, options) as never, silentContext, session);
    }
  });
  after(async () => {
    await closeImageWorkers();
    rmSync(home, { recursive: true, force: true });
  });

  for (const kind of figures) {
    test(`${kind}: title, axes with units, palette, words for screen readers, pictures and files`, async () => {
      const options = checkOptions(plotCommand, { figure: kind, split: kind === "sizes" ? undefined : "test" });
      const figure: Figure = await plotCommand.run(options as never, silentContext, session);
      const { title, text, svg, png, plotly } = figure;
      assert.ok(title.length > 5);

      // For eyes.
      const root = readSvg(svg);
      const picture = (plotly === undefined ? root.textContent : root.querySelector(".gtitle")?.textContent) ?? "";
      assert.ok(picture.includes(title), "the title stands in the picture");
      for (const [name, axis] of Object.entries(plotly?.layout ?? {})) {
        if (!/^[xy]axis/.test(name)) continue;
        const { title: named, showticklabels } = axis as { title: { text: string }; showticklabels?: boolean };
        if (showticklabels === false) continue; // it has its numbers and name below
        assert.match(named.text, countsAndNames.test(named.text) ? /./ : /\(.+\)$|percentage points/, `${name} of ${kind}`); // prettier-ignore
      }
      const strange = [...coloursOf(svg)].filter(([, colour]) => !known(colour)).map(([name]) => name);
      assert.deepEqual(strange, [], "colours that are not the palette's");
      assert.ok(coloursOf(svg).size > 2);

      // For screen readers and terminals.
      assert.deepEqual([root.getAttribute("role"), root.getAttribute("aria-label")], ["img", title]);
      assert.equal(root.querySelector("desc")?.textContent, text);
      assert.ok(text.startsWith(title), text.slice(0, 200));
      assert.match(text, /\d/);
      assert.doesNotMatch(`${svg}${text}`, /NaN|\bundefined\b|Infinity/);

      // In a notebook, on a code-hosting site, in a file.
      const bundle = figure[displaySymbol]();
      assert.equal(bundle["text/plain"], text);
      assert.equal(bundle["image/png"], png.toString("base64"));
      if (plotly === undefined) assert.ok(readHtml(String(bundle["text/html"])).textContent?.includes(title));
      else {
        assert.equal(bundle["image/svg+xml"], svg);
        assert.deepEqual(bundle["application/vnd.plotly.v1+json"], plotly);
        assert.equal(plotly.config?.["showSendToCloud"], false);
      }
      const [width, height] = ["width", "height"].map((name) => Number(root.getAttribute(name)));
      const { width: wide, height: high, format } = await sharp(png).metadata();
      const times = height! > 1000 ? 1.5 : 2;
      assert.deepEqual([format, wide, high], ["png", Math.round(times * width!), Math.round(times * height!)]);
      for (const ending of ["svg", "png", "html", "json"]) {
        const written = readFileSync(await figure.save(path.join(home, "figures", `${kind}.${ending}`)), "utf8");
        assert.ok(written.length > 500, ending);
        assert.doesNotMatch(written, /(src|href)=["']?(https?:)?\/\//, `${ending} asks nothing of the network`);
      }
    });
  }

  test("sizes: a picture that is broken or gone is named, with what to do", async () => {
    const image = session.dataset!.splits["val"]![1]!.image;
    const whole = readFileSync(image);
    const options = checkOptions(plotCommand, { figure: "sizes" });
    const refusal = async (what: RegExp): Promise<void> =>
      assert.rejects(
        plotCommand.run(options as never, silentContext, session),
        (error: unknown) =>
          error instanceof AmsError &&
          what.test(error.message) &&
          !error.message.includes("\n") &&
          error.where === image &&
          /replace the file|check its path/.test(error.hint ?? ""),
      );
    try {
      writeFileSync(image, "no picture");
      await refusal(/^this image cannot be decoded: .*unsupported/);
      rmSync(image);
      await refusal(/^this image does not exist$/);
    } finally {
      writeFileSync(image, whole);
    }
  });

  test("is drawn without a browser", () => {
    const loaded = Object.keys(require.cache).filter((file) => /playwright|puppeteer|chrom/i.test(file));
    assert.deepEqual(loaded, []);
  });

  test("refuses a file's name that no figure has before anything is drawn", async () => {
    const options = checkOptions(plotCommand, { figure: "recall", split: "no-such-split", out: "figure.gif" });
    await assert.rejects(plotCommand.run(options as never, silentContext, session), /cannot be saved as "\.gif"/);
  });

  test("refuses a place that cannot be written before anything is drawn", async () => {
    writeFileSync(path.join(home, "afile"), "");
    mkdirSync(path.join(home, "folder.svg"));
    for (const out of ["afile/figure.svg", "folder.svg"]) {
      const options = checkOptions(plotCommand, { figure: "recall", split: "no-such-split", out });
      await assert.rejects(plotCommand.run(options as never, silentContext, session), (error: unknown) => {
        assert.ok(error instanceof AmsError);
        assert.match(error.message, /cannot be written/);
        assert.equal(error.where, path.join(home, out));
        return error.hint !== undefined;
      });
    }
  });
});
