import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { AmsError } from "../../src/errors.js";
import { galleryFigure, galleryOf, type GalleryRow } from "../../src/plot/gallery.js";
import { fixture } from "../fixtures.js";
import { picture } from "./scene.js";
import { assertLooksLike } from "./snapshot.js";
import { readHtml } from "./dom.js";

const names = ["bus", "burger", "avocado"];
const items = names.map((name) => ({
  image: fixture(`plot/${name}.png`),
  captions: [{ text: `A ${name}.` }, { text: `There is a ${name} here.` }],
}));
const owner = Int32Array.from([0, 0, 1, 1, 2, 2]);
// prettier-ignore
const scores = Float32Array.from([
  3.0, 2.5, 0.1, 0.2, 0.0, 1.0,
  1.0, 2.5, 2.0, 0.1, 0.2, 1.5,
  0.2, 0.1, 1.9, 0.3, 2.2, 0.5,
]);
const evaluation = { scores, owner, items };

describe("the rows of an evaluation", () => {
  test("are the best images of each caption, a tie against the right one", () => {
    const [first, second] = galleryOf(evaluation, { queries: [0, 1], k: 2 });
    assert.deepEqual(
      first?.hits.map((h) => [h.image, h.right]),
      [
        [items[0]?.image, true],
        [items[1]?.image, false],
      ],
    );
    assert.deepEqual(
      second?.hits.map((h) => [h.image, h.right]),
      [
        [items[1]?.image, false],
        [items[0]?.image, true],
      ],
    );
    assert.equal(second.note, "right answer at rank 2 of 3");
  });

  test("are the best captions of each image", () => {
    const [row] = galleryOf(evaluation, { direction: "i2t", queries: [1], k: 3 });
    assert.deepEqual(row?.query, { image: items[1]?.image });
    assert.deepEqual(
      row.hits.map((h) => [h.text, h.right]),
      [
        ["There is a bus here.", false],
        ["A burger.", true],
        ["There is a avocado here.", false],
      ],
    );
  });

  test("spread over the queries where none are named, and are none for nothing", () => {
    const asked = galleryOf(evaluation, { count: 3 }).map((row) => ("text" in row.query ? row.query.text : ""));
    assert.deepEqual(asked, ["There is a bus here.", "There is a burger here.", "There is a avocado here."]);
    assert.deepEqual(galleryOf({ scores: [], owner: [], items: [] }), []);
  });
});

describe("the gallery", () => {
  test("looks like the kept picture", async () => {
    const rows = [
      ...galleryOf(evaluation, { queries: [1, 4], k: 3 }),
      ...galleryOf(evaluation, { direction: "i2t", queries: [0], k: 4 }),
    ];
    const figure = await galleryFigure({ title: "Three images and their captions", rows });
    assertLooksLike(figure.svg, "gallery");
    assert.match(figure.text, /1\. ✗ 2\.500 {2}.*burger\.png/);
    assert.match(figure.text, /2\. ✓ 2\.500 {2}.*bus\.png/);
  });

  test("marks right and wrong hits by sign as well as colour, and says nothing where nobody knows", async () => {
    const known = await galleryFigure({ title: "t", rows: galleryOf(evaluation, { queries: [0, 2], k: 3 }) });
    const page = readHtml(known.html ?? "");
    assert.equal(page.querySelectorAll("style, svg").length, 0, "nothing that an untrusted notebook drops");
    assert.deepEqual(
      Array.from(page.querySelectorAll(".mark"), (m) => m.textContent),
      ["✓", "✗", "✗", "✓", "✗", "✗"],
    );
    assert.equal((known.svg.match(/class="right"/g) ?? []).length, 2);
    const unknown = await galleryFigure({
      title: "t",
      rows: [{ query: { text: "bus" }, hits: [{ image: await picture("bus"), score: 1 }] }],
    });
    assert.doesNotMatch(unknown.svg + String(unknown.html), /[✓✗]/);
  });

  test("escapes queries, captions and titles", async () => {
    const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>`;
    const rows: GalleryRow[] = [{ query: { text: evil }, note: evil, hits: [{ text: evil, score: 1, right: true }] }];
    const { svg, html = "" } = await galleryFigure({ title: evil, rows });
    assert.doesNotMatch(svg + html, /<script|<img src=x/);
    assert.equal(readHtml(html).querySelectorAll("script, img, [onerror]").length, 0);
  });

  test("stays below 600 kB for ten rows of five pictures", async () => {
    const rows = Array.from({ length: 10 }, () => galleryOf(evaluation, { queries: [0], k: 3 })[0]!);
    const { html = "", svg } = await galleryFigure({
      title: "many",
      rows: rows.map((r) => ({ ...r, hits: [...r.hits, ...r.hits.slice(0, 2)] })),
    });
    assert.ok(html.length < 600_000 && svg.length < 600_000);
  });

  test("draws no rows, no hits and a score that is not a number", async () => {
    assert.match((await galleryFigure({ title: "t", rows: [] })).svg, /no queries/);
    const odd = await galleryFigure({
      title: "t",
      rows: [
        { query: { text: "a" }, hits: [] },
        { query: { text: "b" }, hits: [{ text: "c", score: NaN }] },
      ],
    });
    assert.doesNotMatch(odd.svg, /(width|x|y)="NaN"/);
  });

  test("names a picture that cannot be read", async () => {
    const rows = [{ query: { text: "a" }, hits: [{ image: "/nowhere/bus.png", score: 1 }] }];
    await assert.rejects(galleryFigure({ title: "t", rows }), (error: unknown) => {
      assert.ok(error instanceof AmsError);
      assert.equal(error.where, "/nowhere/bus.png");
      return true;
    });
  });
});
