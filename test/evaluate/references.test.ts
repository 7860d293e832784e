/** The published recalls that stand beside an evaluation: every row as the papers' tables and the authors' log have it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { references } from "../../src/evaluate/references.js";

/** R@1, R@5, R@10 of images for captions, then of captions for images, and rSum. */
type Row = [string, number[], number[], number];

const flickr: Row[] = [
  ["AMS, the authors' own log", [81.2, 96.9, 98.9], [67.8, 91.1, 95.3], 531.2],
  ["NAAF (two models)", [81.9, 96.1, 98.3], [61.0, 85.3, 90.6], 513.2],
  ["UARDA (two models)", [77.8, 95.0, 97.6], [57.8, 82.9, 89.2], 500.3],
  ["CHAN", [80.6, 96.1, 97.8], [63.9, 87.5, 92.6], 518.5],
  ["ESA (two models)", [84.6, 96.6, 98.6], [66.3, 88.8, 93.1], 528.0],
  ["X-Dim", [83.5, 96.9, 98.0], [67.5, 89.1, 93.3], 528.2],
  ["CLIP ViT-L/14@336, zero-shot", [87.7, 98.5, 99.4], [66.9, 89.0, 93.3], 534.8],
  ["VSE-infinity, WSL grid + BERT", [88.4, 98.3, 99.5], [74.2, 93.7, 96.8], 550.9],
];

describe("published rows", () => {
  test("of Flickr30K's 1,000 test images are the eight published ones", () => {
    const { rows, remark } = references("flickr30k", "test", 1000);
    assert.deepEqual(rows.map(({ name, i2t, t2i, rsum }) => [name, i2t, t2i, rsum]), flickr); // prettier-ignore
    assert.equal(remark, undefined);
    for (const { i2t = [], t2i = [], rsum = NaN } of rows) {
      const sum = [...i2t, ...t2i].reduce((total: number, recall) => total + Number(recall), 0);
      assert.ok(Math.abs(sum - rsum) < 0.11, `${sum} ${rsum}`); // rounded before or after
    }
  });

  test("of MS-COCO are those of five folds and of the whole", () => {
    assert.deepEqual(references("coco", "test", 1000, 5).rows, [
      { name: "NAAF (two models)", i2t: [80.5, 96.5, 98.8], t2i: [64.1, 90.7, 96.5], rsum: 527.2 },
      { name: "ESA (two models)", rsum: 531.9 },
    ]);
    assert.deepEqual(references("coco", "test", 5000).rows, [
      { name: "NAAF (two models)", rsum: 430.9 },
      { name: "ESA (two models)", rsum: 443.0 },
    ]);
  });

  test("stay away from other galleries, which are easier or harder", () => {
    for (const [dataset, split, images, folds] of [
      ["flickr30k", "val", 1000, 1],
      ["flickr30k", "test", 200, 1],
      ["flickr30k", "test", 200, 5],
      ["coco", "test", 1000, 1],
      ["coco", "val", 5000, 1],
      ["photos", "test", 1000, 1],
    ] as const) {
      assert.deepEqual(references(dataset, split, images, folds).rows, [], `${dataset} ${split} ${images}`);
    }
    assert.match(
      references("flickr30k", "test", 200).remark ?? "",
      /hold for 1,000 images; among 200 recalls are higher/,
    );
  });
});
