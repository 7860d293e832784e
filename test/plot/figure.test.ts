import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { displaySymbol } from "../../src/display.js";
import { AmsError } from "../../src/errors.js";
import { makeFigure } from "../../src/plot/figure.js";
import { baseLayout, drawPlotly, plotlySpec } from "../../src/plot/plotly.js";
import { readSvg } from "./dom.js";

const folder = mkdtempSync(path.join(os.tmpdir(), "ams-figure-"));
after(() => rmSync(folder, { recursive: true }));

const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10"><rect width="20" height="10" fill="#0072b2"/></svg>`;
const spec = plotlySpec([{ type: "scatter", x: [1, 2], y: [3, 4] }], baseLayout("two points", 300, 200));

describe("a figure", () => {
  test("shows itself with plotly's type, a picture and text", async () => {
    const bundle = (await makeFigure({ title: "t", text: "t", svg, plotly: spec, json: spec }))[displaySymbol]();
    assert.deepEqual(Object.keys(bundle).sort(), [
      "application/vnd.plotly.v1+json",
      "image/png",
      "image/svg+xml",
      "text/plain",
    ]);
    assert.equal((bundle["application/vnd.plotly.v1+json"] as typeof spec).config?.["showSendToCloud"], false);
    assert.equal(
      Buffer.from(bundle["image/png"] as string, "base64")
        .subarray(1, 4)
        .toString(),
      "PNG",
    );
  });

  test("has its name and its words for screen readers, as text", async () => {
    const { svg: named } = await makeFigure({ title: 'a "b" <c>', text: "a < b\n1 & $&", svg, json: {} });
    const root = readSvg(named);
    assert.deepEqual([root.getAttribute("role"), root.getAttribute("aria-label")], ["img", 'a "b" <c>']);
    assert.equal(root.querySelector("desc")?.textContent, "a < b\n1 & $&");
    assert.equal(named.replace(/ role="img" aria-label="[^"]*"|<desc>[^]*<\/desc>/g, ""), svg);
  });

  test("saves itself as what the ending says", async () => {
    const figure = await makeFigure({ title: "a <b>", text: "t", svg, json: { a: 1 } });
    const read = async (name: string): Promise<Buffer> =>
      readFileSync(await figure.save(path.join(folder, "deep", name)));
    assert.equal((await read("f.svg")).toString(), figure.svg);
    assert.deepEqual(await read("f.PNG"), figure.png);
    assert.deepEqual(JSON.parse((await read("f.json")).toString()), { a: 1 });
    const page = (await read("f.html")).toString();
    assert.match(page, /<title>a &#60;b&#62;<\/title>/);
    assert.ok(page.includes(figure.svg));
    assert.doesNotMatch(page, /<script|https?:\/\/(?!www\.w3\.org)/);
  });

  test("refuses other endings, and places that cannot be written", async () => {
    const figure = await makeFigure({ title: "t", text: "t", svg, json: {} });
    await assert.rejects(figure.save("figure.gif"), (error: unknown) => {
      assert.ok(error instanceof AmsError);
      assert.match(
        error.lines().join("\n"),
        /as "\.gif"\nwhere: .*figure\.gif\nto do: end the name with \.svg, \.png, \.html or \.json/,
      );
      return true;
    });
    await assert.rejects(figure.save(path.join(folder, "figure")), AmsError);
    writeFileSync(path.join(folder, "file"), "");
    await assert.rejects(figure.save(path.join(folder, "file", "f.svg")), AmsError);
  });
});

describe("plotly.js without a browser", () => {
  test("draws the same figure the same, and two figures with ids of their own", async () => {
    const other = plotlySpec([{ type: "scatter", x: [1, 2], y: [4, 3] }], baseLayout("two points", 300, 200));
    const [a, b, c] = await Promise.all([drawPlotly(spec), drawPlotly(other), drawPlotly(spec)]);
    assert.equal(a, c);
    const ids = (text: string): string[] => Array.from(text.matchAll(/ id="([^"]+)"/g), ([, id]) => id ?? "");
    assert.ok(ids(a).length > 0);
    assert.deepEqual(
      ids(a).filter((id) => ids(b).includes(id)),
      [],
    );
    for (const [, id] of a.matchAll(/url\(#([^)]+)\)/g)) assert.ok(ids(a).includes(id ?? ""), `${id ?? ""} is defined`);
  });

  test("says what plotly.js could not draw, and goes on", async () => {
    await assert.rejects(
      drawPlotly({ data: [], layout: { width: -5, height: 10 } }),
      /plotly\.js could not draw the figure/,
    );
    assert.match(await drawPlotly(spec), /^<svg/);
  });

  test("lets the program end while its thread waits", () => {
    const file = path.join(__dirname, "../../src/plot/plotly.js");
    const code = `const p=require(${JSON.stringify(file)});p.drawPlotly({data:[],layout:p.baseLayout("t",200,100)}).then((s)=>process.stdout.write(s.slice(0,4)))`;
    assert.equal(execFileSync(process.execPath, ["-e", code], { timeout: 50_000 }).toString(), "<svg");
  });
});

describe("letters in PNGs", () => {
  test("are missed on a machine without fonts", () => {
    const config = path.join(folder, "fonts.conf");
    writeFileSync(
      config,
      `<?xml version="1.0"?><fontconfig><dir>${folder}</dir><cachedir>${folder}</cachedir></fontconfig>`,
    );
    const file = path.join(__dirname, "../../src/plot/raster.js");
    const code = `require(${JSON.stringify(file)}).fontsAvailable().then((yes)=>process.stdout.write(String(yes)))`;
    const found = execFileSync(process.execPath, ["-e", code], {
      env: { ...process.env, FONTCONFIG_FILE: config },
    }).toString();
    assert.equal(found, "false");
  });
});
