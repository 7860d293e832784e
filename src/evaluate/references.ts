/** Recalls to show beside an evaluation: simple floors and the best possible for the scenes, published models for Flickr30K and MS-COCO. */

/** R@1, R@5, R@10 in percent; text where a range is known. */
export type ReferenceRecalls = [number | string, number | string, number | string];

/** A row to show beside an evaluation. */
export interface Reference {
  name: string;
  i2t?: ReferenceRecalls;
  t2i?: ReferenceRecalls;
  rsum?: number;
}

/** The number of images that the references were measured with. */
export const referenceGallery = 1000;

/** Text to image among 1,000 images of the scenes by a linear model on colour histograms, what needs no understanding (docs/data-card.md). */
const sceneFloor: Record<string, ReferenceRecalls> = {
  test: [21.7, 45.1, 56.9],
  "test-pairs": [20.8, 46.2, 58.9],
  "test-style": [4.7, 16.6, 25.8],
};

/** The same by an oracle that knows classes, counts and place. */
const sceneOracle: Record<string, ReferenceRecalls> = {
  test: [90.4, 99.3, 99.9],
  "test-pairs": [94.8, 99.7, 100],
  "test-style": [90.2, 99.1, 99.9],
};

/** Flickr30K 1K test, from the papers' tables; AMS from its authors' log. */
const flickr: Reference[] = [
  { name: "AMS, the authors' own log", i2t: [81.2, 96.9, 98.9], t2i: [67.8, 91.1, 95.3], rsum: 531.2 },
  { name: "NAAF (two models)", i2t: [81.9, 96.1, 98.3], t2i: [61.0, 85.3, 90.6], rsum: 513.2 },
  { name: "UARDA (two models)", i2t: [77.8, 95.0, 97.6], t2i: [57.8, 82.9, 89.2], rsum: 500.3 },
  { name: "CHAN", i2t: [80.6, 96.1, 97.8], t2i: [63.9, 87.5, 92.6], rsum: 518.5 },
  { name: "ESA (two models)", i2t: [84.6, 96.6, 98.6], t2i: [66.3, 88.8, 93.1], rsum: 528.0 },
  { name: "X-Dim", i2t: [83.5, 96.9, 98.0], t2i: [67.5, 89.1, 93.3], rsum: 528.2 },
  { name: "CLIP ViT-L/14@336, zero-shot", i2t: [87.7, 98.5, 99.4], t2i: [66.9, 89.0, 93.3], rsum: 534.8 },
  { name: "VSE-infinity, WSL grid + BERT", i2t: [88.4, 98.3, 99.5], t2i: [74.2, 93.7, 96.8], rsum: 550.9 },
];

/** MS-COCO, from the papers' tables: five folds of 1,000 images averaged, and all 5,000 images at once. */
const cocoFolds: Reference[] = [
  { name: "NAAF (two models)", i2t: [80.5, 96.5, 98.8], t2i: [64.1, 90.7, 96.5], rsum: 527.2 },
  { name: "ESA (two models)", rsum: 531.9 },
];
const cocoWhole: Reference[] = [
  { name: "NAAF (two models)", rsum: 430.9 },
  { name: "ESA (two models)", rsum: 443 },
];

/**
 * The rows that may stand beside an evaluation of this data set, split and gallery (of one fold, where there are several), with a
 * remark on how far they compare.
 * Fewer images make every recall higher: published rows then stay away; those of the scenes say in their labels what they
 * were measured among.
 */
export function references(
  dataset: string,
  split: string,
  images: number,
  folds = 1,
): { rows: Reference[]; remark?: string } {
  if (/coco/i.test(dataset) && split === "test") {
    if (folds === 5 && images === referenceGallery) return { rows: cocoFolds };
    return { rows: folds === 1 && images === 5 * referenceGallery ? cocoWhole : [] };
  }
  if (folds > 1) return { rows: [] };
  const whole = (n: number): string => n.toLocaleString("en");
  const easier = `among ${whole(images)} recalls are ${images < referenceGallery ? "higher" : "lower"}`;
  const scenes = dataset === "scenes" ? sceneRows(split) : [];
  if (scenes.length > 0) {
    const measured = `The rows to compare with were measured among ${whole(referenceGallery)} images of the default scenes`;
    return { rows: scenes, remark: images === referenceGallery ? `${measured}.` : `${measured}; ${easier}.` };
  }
  const rows = /flickr30k/i.test(dataset) && split === "test" ? flickr : [];
  if (rows.length === 0 || images === referenceGallery) return { rows };
  return {
    rows: [],
    remark: `The rows to compare with hold for ${whole(referenceGallery)} images; ${easier}, so they are not shown.`,
  };
}

/** Nothing was measured on the validation split; the test split is drawn in the same way. */
function sceneRows(split: string): Reference[] {
  const floor = sceneFloor[split === "val" ? "test" : split];
  if (floor === undefined) return [];
  const among = `(${referenceGallery.toLocaleString("en")} images${split === "val" ? " of test" : ""})`;
  return [
    { name: `linear model on colours ${among}`, t2i: floor },
    {
      name: `oracle: classes, counts, place ${among}`,
      t2i: sceneOracle[split === "val" ? "test" : split] ?? ["", "", ""],
    },
  ];
}
