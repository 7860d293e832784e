import assert from "node:assert/strict";
import { describe, test } from "node:test";
import sharp from "sharp";
import { AmsError } from "../../src/errors.js";
import { attentionFigure, type AttentionInput } from "../../src/plot/attention.js";
import { heatColour, heatLevel } from "../../src/plot/palette.js";
import { assertLooksLike } from "./snapshot.js";
import { boxedBusScene, busScene } from "./scene.js";
import { readHtml, readSvg, type Element } from "./dom.js";

const caption = "A flamingo by a cake and a bus.";

function elements(svg: string, selector: string): Element[] {
  return Array.from(readSvg(svg).querySelectorAll(selector));
}

async function pixels(uri: string): Promise<{ data: Buffer; width: number }> {
  const png = Buffer.from(uri.slice(uri.indexOf(",") + 1), "base64");
  const { data, info } = await sharp(png).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  return { data, width: info.width };
}

/** Weights of [words, regions] that are zero but where they are set. */
function oneScale(words: number, regions: number, set: [number, number, number][]): AttentionInput["scales"][number] {
  const weights = new Float32Array(words * regions);
  for (const [word, region, value] of set) weights[word * regions + region] = value;
  const matched = Array.from({ length: words }, (_, w) => set.some(([word, , value]) => word === w && value > 0));
  return { relevance: weights, weights, matched, score: 1 };
}

describe("the attention figure", () => {
  test("looks like the kept picture", async () => {
    const figure = await attentionFigure(await boxedBusScene(caption));
    assertLooksLike(figure.svg, "attention");
    const { width, height } = await sharp(figure.png).metadata();
    assert.ok(width > 1200 && height > 1000, "the PNG has at least one and a half pixels a unit");
  });

  test("marks where a phrase points, in all rows of its words: a dot in its boxes, a cross outside", async () => {
    const input = await busScene(caption);
    const start = caption.indexOf("a bus");
    const marks = async (x: number) => {
      const phrases = [{ start, end: caption.length - 1, boxes: [{ x, y: 91, width: 63, height: 50 }] }];
      const { svg, text } = await attentionFigure({ ...input, phrases });
      const rows = elements(svg, "g.row").filter((row) => row.querySelector(".point") !== null);
      const tags = rows.flatMap((row) => Array.from(row.querySelectorAll(".point"), (mark) => mark.tagName));
      return { labels: rows.map((row) => row.querySelector("text")?.textContent), tags, text };
    };
    const right = await marks(9);
    assert.deepEqual(right.labels, ["bus"]); // "a" has no map to mark
    assert.deepEqual(right.tags, new Array(7).fill("circle"));
    assert.match(right.text, /^bus( +0\.\d\d in){6} +\d\.\d\d in$/m);
    const wrong = await marks(100);
    assert.deepEqual(wrong.tags, new Array(7).fill("path"));
    assert.match(wrong.text, /^bus( +0\.\d\d out){6}/m);
    assert.doesNotMatch((await attentionFigure(input)).text, / (in|out)\b/);
  });

  test("shows six maps and their sum for every word that matches, and one line for the others", async () => {
    const { svg, text } = await attentionFigure(await busScene(caption));
    const rows = elements(svg, "g.row");
    const cells = rows.map((row) => row.querySelectorAll("g.cell").length);
    const labels = rows.map((row) => row.querySelector("text")?.textContent);
    assert.deepEqual(labels, [
      "a",
      "flamingo",
      "by",
      "a",
      "cake",
      "and",
      "a",
      "bus",
      ".",
      "[CLS]",
      "[SEP]",
      "[PAD] × 19",
    ]);
    assert.deepEqual(cells, [0, 7, 0, 0, 7, 0, 0, 7, 0, 0, 0, 0]);
    const struck = rows.filter((row) => row.querySelector("text")?.getAttribute("text-decoration") === "line-through");
    assert.equal(struck.length, 9);
    assert.match(text, /^flamingo +0\.\d\d/m);
    assert.match(text, /^by +- +-/m);
  });

  test("paints each patch in the colour of its value", async () => {
    const input = await busScene(caption);
    const { svg } = await attentionFigure(input);
    const bus = elements(svg, "g.row").find((row) => row.querySelector("text")?.textContent === "bus");
    const heats = Array.from(
      bus?.querySelectorAll("image.heat") ?? [],
      (image) => image.getAttribute("xlink:href") ?? "",
    );
    const word = input.tokens.pieces.indexOf("bus");
    const rows = input.scales.map((scale) => Array.from(scale.weights).slice(word * 145 + 1, (word + 1) * 145));
    rows.push(rows[0]!.map((_, j) => rows.reduce((sum, row) => sum + row[j]!, 0)));
    for (const [k, values] of rows.entries()) {
      const { data, width } = await pixels(heats[k]!);
      assert.equal(width, 12);
      const most = Math.max(...values);
      values.forEach((value, j) => {
        const [red, green, blue, alpha] = heatColour(heatLevel(value, most));
        assert.equal(data[4 * j + 3], alpha, `alpha of patch ${String(j)} in column ${String(k)}`);
        if (alpha > 0) assert.deepEqual([...data.subarray(4 * j, 4 * j + 3)], [red, green, blue]);
      });
    }
  });

  test("tells what the whole-image region has, and does without one", async () => {
    const input = await busScene("bus", { grid: 2, scales: 1 });
    const withCls = await attentionFigure({
      ...input,
      scales: [
        oneScale(30, 5, [
          [1, 0, 0.75],
          [1, 4, 0.25],
        ]),
      ],
    });
    assert.match(withCls.svg, />cls 0\.75</);
    assert.match(withCls.svg, />0\.25</);
    const without = await attentionFigure({ ...input, scales: [oneScale(30, 4, [[1, 3, 1]])] });
    assert.doesNotMatch(without.svg, /cls/);
    assert.equal(elements(without.svg, "g.cell").length, 1, "one scale has no sum");
  });

  test("shows the mean of the pads in one row", async () => {
    const input = await busScene("bus", { grid: 2, scales: 1 });
    const { json } = await attentionFigure({
      ...input,
      scales: [
        oneScale(30, 4, [
          [3, 0, 1],
          [4, 0, 1],
          [5, 2, 1],
        ]),
      ],
    });
    const words = (json as { words: { label: string; cells: { values: number[] }[] }[] }).words;
    assert.deepEqual(words.at(-1)?.label, "[PAD] × 27");
    assert.deepEqual(words.at(-1)?.cells[0]?.values, [0.07407, 0, 0.03704, 0]);
  });

  test("escapes captions and words in every form", async () => {
    const evil = `bus <script>alert(1)</script> "><img src=x onerror=alert(2)> '`;
    const input = await busScene(evil, { scales: 2 });
    const pieces = input.tokens.pieces.map((piece, i) => (i === 1 ? "</text><script>" : piece));
    const { svg, html = "" } = await attentionFigure({
      ...input,
      tokens: { ...input.tokens, pieces },
      title: `<b onclick="x">`,
    });
    const [still = ""] = html.split("<script");
    for (const form of [svg, still]) {
      assert.doesNotMatch(form, /<script|<img src=x|<b onclick/);
    }
    const page = readHtml(html);
    assert.equal(page.querySelectorAll("[onerror], [onclick]").length, 0);
    assert.equal(page.querySelector(".caption")?.textContent, evil);
    const hrefs = Array.from(page.querySelectorAll("[src]"), (e) => e.getAttribute("src") ?? "");
    assert.ok(
      hrefs.every((href) => href.startsWith("data:image/")),
      "nothing comes from the network",
    );
    assert.equal(elements(svg, "script").length, 0);
  });

  test("stays small with thirty matched words on a grid of 24 by 24", async () => {
    const words = Array.from({ length: 40 }, () => "bus").join(" ");
    const input = await busScene(words, { grid: 24 });
    const figure = await attentionFigure({ ...input, show: "relevance" });
    assert.ok((figure.html ?? "").length < 900_000, `HTML of ${String(figure.html?.length)}`);
    assert.ok(figure.svg.length < 600_000, `SVG of ${String(figure.svg.length)}`);
    assert.ok(figure.png.length < 2_000_000, `PNG of ${String(figure.png.length)}`);
    assert.match(figure.html ?? "", /cut off/);
  });

  test("needs nothing in its HTML that an untrusted notebook drops", async () => {
    const { html = "" } = await attentionFigure(await busScene(caption));
    const still = readHtml(html).querySelector("[data-still]");
    assert.equal(still?.querySelectorAll("style, svg, script, link, object, iframe").length, 0);
    const strips = Array.from(still.querySelectorAll("td img"), (img) => img.getAttribute("src") ?? "");
    assert.equal(strips.length, 3);
    for (const uri of strips) {
      const strip = readSvg(decodeURIComponent(uri.slice(uri.indexOf(",") + 1)));
      assert.equal(strip.querySelectorAll("g.cell").length, 7);
    }
  });

  test("has no colour for values that are not numbers", async () => {
    const input = await busScene("bus", { grid: 2, scales: 1 });
    const { svg, html = "" } = await attentionFigure({
      ...input,
      scales: [
        oneScale(30, 4, [
          [1, 0, NaN],
          [1, 1, 1],
        ]),
      ],
    });
    assert.doesNotMatch(svg + html, /NaN|undefined|Infinity/);
    const { data } = await pixels(elements(svg, "image.heat")[0]?.getAttribute("xlink:href") ?? "");
    assert.deepEqual([data[3], data[7]], [0, heatColour(heatLevel(1, 1))[3]]);
  });

  test("refuses maps that do not fit the words and the grid", async () => {
    const input = await busScene("bus", { grid: 12, scales: 1 });
    await assert.rejects(attentionFigure({ ...input, grid: 7 }), (error: unknown) => {
      assert.ok(error instanceof AmsError);
      assert.match(error.lines().join("\n"), /do not fit 30 words and 7 x 7 patches\nwhere: scale 1.*\nto do: /s);
      return true;
    });
  });
});
