/** Folds, intervals, paired differences: the protocol around the recalls. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Item } from "../../src/data/dataset.js";
import { displaySymbol } from "../../src/display.js";
import { AmsError } from "../../src/errors.js";
import {
  compareEvaluations,
  curveIntervals,
  evaluateScores,
  foldsOf,
  measures,
  pairedDifferences,
  phraseRecalls,
  recallIntervals,
  recalls,
  wilson,
  type Ranked,
} from "../../src/evaluate/index.js";
import { Random } from "../../src/random.js";

/** Scores whose true pairs are raised by `lift`; image i owns `own(i)` captions. */
function matrix(images: number, own: (image: number) => number, lift: number, seed: number) {
  const random = new Random(seed);
  const owner = Int32Array.from(Array.from({ length: images }, (_, i) => Array<number>(own(i)).fill(i)).flat());
  const scores = new Float32Array(images * owner.length);
  for (let i = 0; i < images; i++) {
    owner.forEach((image, c) => (scores[i * owner.length + c] = random.normal() + (image === i ? lift : 0)));
  }
  return { scores, owner };
}

describe("folds", () => {
  test("are consecutive images with their captions, ranked among themselves and averaged", () => {
    const { scores, owner } = matrix(23, (i) => 1 + (i % 3), 1, 4);
    const folds = foldsOf(scores, 23, owner, 5);
    const bounds = [0, 5, 9, 14, 18, 23]; // round(f * 4.6)
    const each = Array.from({ length: 5 }, (_, f) => {
      const [start, end] = [bounds[f]!, bounds[f + 1]!];
      const columns = Array.from(owner.keys()).filter((c) => owner[c]! >= start && owner[c]! < end);
      const rows = Array.from({ length: end - start }, (_, i) =>
        columns.map((c) => scores[(start + i) * owner.length + c]!),
      );
      return recalls(
        Float32Array.from(rows.flat()),
        end - start,
        Int32Array.from(columns, (c) => owner[c]! - start),
      );
    });
    const mean = (values: number[]): number => values.reduce((a, b) => a + b) / 5;
    for (const way of ["i2t", "t2i"] as const) {
      for (const name of ["r1", "r5", "r10", "medr", "meanr"] as const) {
        assert.ok(Math.abs(folds[way][name] - mean(each.map((fold) => fold[way][name]))) < 1e-9, `${way} ${name}`);
      }
    }
    assert.ok(Math.abs(folds.rsum - mean(each.map(({ rsum }) => rsum))) < 1e-9);
    assert.deepEqual([folds.count, folds.images], [5, 4]);
    const [low, high] = folds.intervals[6];
    assert.ok(low < folds.rsum && folds.rsum < high);
    // Smaller galleries are easier.
    assert.ok(folds.rsum > recalls(scores, 23, owner).rsum);
  });

  test("without a caption are refused", () => {
    const { scores, owner } = matrix(4, (i) => Number(i < 2), 1, 4);
    const refusal = (error: unknown): boolean => error instanceof AmsError && error.where === "fold 2, images 2 to 3";
    assert.throws(() => foldsOf(scores, 4, owner, 2), refusal);
    assert.throws(() => evaluateScores(scores, owner, { folds: 9 }), AmsError);
  });

  test("of MS-COCO's 5,000 test images come by themselves, each protocol beside its published rows", () => {
    const images = 5000;
    const scores = new Float32Array(images * images);
    for (let i = 0; i < images; i++) {
      scores[i * images + i] = 1;
      scores[i * images + ((i + 2500) % images)] = 2; // one wrong answer, of another fold
    }
    const owner = Int32Array.from({ length: images }, (_, i) => i);
    const evaluation = evaluateScores(scores, owner, { dataset: "coco", split: "test" });
    assert.deepEqual([evaluation.i2t.r1, evaluation.i2t.r5], [0, 100]);
    assert.deepEqual([evaluation.folds?.count, evaluation.folds?.images, evaluation.folds?.i2t.r1], [5, 1000, 100]);
    const [whole, folded] = evaluation[displaySymbol]()["text/plain"].split("mean of 5 folds of 1,000 images");
    assert.match(whole ?? "", /NAAF \(two models\) +430\.9/);
    assert.match(folded ?? "", /this model +100\.0[^]*95 % interval +100\.0-100\.0[^]*NAAF \(two models\) +80\.5 +96\.5 +98\.8 +64\.1 +90\.7 +96\.5 +527\.2/); // prettier-ignore
    const json = JSON.parse(JSON.stringify(evaluation)) as { folds: { each: object[]; rsum: number } };
    assert.deepEqual([json.folds.each.length, json.folds.rsum, Object.keys(json.folds.each[0] ?? {})], [5, 600, ["i2t", "t2i", "rsum", "ties"]]); // prettier-ignore
    assert.equal(evaluateScores(scores, owner, { dataset: "coco", split: "val" }).folds, undefined);
  });
});

/** A ranked gallery with one caption an image: `hit(i)` says whether query i of both directions finds its answer first. */
function ranked(n: number, hit: (i: number) => boolean): Ranked {
  const ranks = Int32Array.from({ length: n }, (_, i) => (hit(i) ? 0 : 50));
  return { ranks: { i2t: ranks, t2i: ranks }, owner: Int32Array.from({ length: n }, (_, i) => i) };
}

const near = (found: number, wanted: number, share: number): void => {
  assert.ok(Math.abs(found - wanted) <= share * wanted, `${found} instead of ${wanted}`);
};

describe("intervals of the recalls", () => {
  test("are as wide as the variance of a share of so many queries", () => {
    const n = 2000;
    const intervals = recallIntervals(ranked(n, (i) => i % 4 === 0));
    const width = 2 * 1.96 * 100 * Math.sqrt((0.25 * 0.75) / n);
    intervals.forEach(([low, high], m) => {
      near(high - low, (m === 6 ? 6 : 1) * width, 0.1);
      near((low + high) / 2, m === 6 ? 150 : 25, 0.05);
    });
  });

  test("of folds are as narrow as all their queries together make them", () => {
    const folds = Array.from({ length: 5 }, () => ranked(400, (i) => i % 4 === 0));
    const [low, high] = recallIntervals(folds)[0];
    near(high - low, 2 * 1.96 * 100 * Math.sqrt((0.25 * 0.75) / 2000), 0.1);
  });
});

describe("paired differences", () => {
  test("of an evaluation from itself are nothing, and never real", () => {
    const one = ranked(100, (i) => i % 3 === 0);
    for (const { difference, interval, p, real } of pairedDifferences(one, one)) {
      assert.deepEqual([difference, interval, p, real], [0, [0, 0], 1, false]);
    }
  });

  test("know only the queries that changed: far narrower than two intervals apart", () => {
    const n = 1000;
    const [a, b] = [ranked(n, (i) => i % 2 === 0), ranked(n, (i) => i % 2 === 0 || i % 100 === 1)]; // 1 % more hits
    const [first] = pairedDifferences(a, b);
    assert.ok(Math.abs(first.difference - 1) < 1e-9);
    near(first.interval[1] - first.interval[0], 2 * 1.96 * 100 * Math.sqrt((0.01 * 0.99) / n), 0.15);
    assert.ok(first.real && first.p < 0.01, String(first.p));
    const [low, high] = recallIntervals(a)[0];
    assert.ok(high - low > 4, "two intervals would overlap");
    const [back] = pairedDifferences(b, a);
    assert.ok(Math.abs(back.difference + 1) < 1e-9 && back.real);
  });

  test("call chance real about one time in twenty", () => {
    const random = new Random(8);
    let real = 0;
    for (let trial = 0; trial < 300; trial++) {
      const [a, b] = [0, 1].map(() => {
        const hits = Array.from({ length: 150 }, () => random.next() < 0.5);
        return ranked(150, (i) => hits[i]!);
      }) as [Ranked, Ranked];
      real += Number(pairedDifferences(a, b, { resamples: 300, seed: trial })[0].real);
    }
    assert.ok(real > 3 && real < 33, `${real} of 300`);
  });
});

describe("intervals over K", () => {
  test("are those of the recalls at 1, 5 and 10, and hold the curve at every K", () => {
    const { scores, owner } = matrix(40, (i) => i % 4, 1.5, 3); // every fourth image asks nothing
    const { ranks } = recalls(scores, 40, owner);
    const { i2t, t2i } = curveIntervals({ ranks, owner }, 30);
    const wanted = recallIntervals({ ranks, owner });
    const at = (list: [number, number][]): [number, number][] => [1, 5, 10].map((k) => list[k - 1]!);
    [...at(i2t), ...at(t2i)].forEach((interval, m) => {
      interval.forEach((end, side) => assert.ok(Math.abs(end - wanted[m]![side]!) < 1e-9, measures[m]));
    });
    for (const [list, way] of [
      [i2t, ranks.i2t],
      [t2i, ranks.t2i],
    ] as const) {
      // prettier-ignore
      const asked = way.filter((rank) => rank >= 0);
      assert.equal(list.length, 30);
      list.forEach(([low, high], k) => {
        const recall = (100 * asked.filter((rank) => rank <= k).length) / asked.length;
        assert.ok(low <= recall && recall <= high, `K = ${k + 1}: ${recall} in ${low} to ${high}`);
      });
    }
  });

  test("of ranks without any query are no numbers out of range", () => {
    const ranks = { i2t: Int32Array.of(-1, -1), t2i: new Int32Array(0) };
    assert.deepEqual(curveIntervals({ ranks, owner: new Int32Array(0) }, 2).t2i, [
      [0, 0],
      [0, 0],
    ]);
  });
});

describe("recall by kind of phrase", () => {
  const phrase = (type?: string): { start: number; end: number; objects: number[]; type?: string } => ({
    start: 0,
    end: 1,
    objects: [],
    ...(type === undefined ? {} : { type }),
  });
  const item = (id: string, ...captions: (string | undefined)[][]): Item => ({
    id,
    image: id,
    captions: captions.map((types) => ({ text: "x", ...(types.length === 0 ? {} : { phrases: types.map(phrase) }) })),
  });
  const parts = {
    dataset: "few",
    split: "test",
    owner: Int32Array.of(0, 0, 1, 2),
    ranks: { i2t: Int32Array.of(0, 0, 0), t2i: Int32Array.of(0, 7, 3, 20) },
    items: [item("a", ["people", "animals", "people"], ["people"]), item("b", [undefined]), item("c", [])],
  };

  test("counts a caption once for every kind that it names, in the whole gallery", () => {
    const rows = phraseRecalls(parts);
    assert.deepEqual(
      rows.map(({ type, captions, images, recalls: found }) => [type, captions, images, ...found.map(({ recall }) => recall)]), // prettier-ignore
      [
        ["all captions", 4, 3, 25, 50, 75],
        ["people", 2, 1, 50, 50, 100],
        ["animals", 1, 1, 100, 100, 100],
        ["other", 1, 1, 0, 100, 100],
      ],
    );
    const whole = recallIntervals({ ranks: { ...parts.ranks, i2t: new Int32Array(3).fill(-1) }, owner: parts.owner });
    assert.deepEqual(rows[0]?.recalls.map(({ interval }) => interval), whole.slice(3, 6)); // prettier-ignore
    // What no resample moves is not known exactly all the same.
    assert.deepEqual(rows[2]?.recalls[0]?.interval, wilson(1, 1));
    assert.deepEqual(rows[3]?.recalls[0]?.interval, wilson(0, 1));
    assert.deepEqual(rows[1]?.recalls[0]?.interval, wilson(0.5, 1), "half of the captions of one image");
  });

  test("is refused where no caption has phrases, with what to do", () => {
    const bare = { ...parts, items: parts.items.map(({ id }) => item(id, [], [])) };
    assert.throws(
      () => phraseRecalls(bare),
      (error: unknown) => error instanceof AmsError && error.where === "few test" && /--boxes/.test(error.hint ?? ""),
    );
  });
});

describe("a comparison", () => {
  const evaluation = (lift: number, seed = 9) => {
    const { scores, owner } = matrix(60, () => 2, lift, seed);
    return evaluateScores(scores, owner, { dataset: "few", split: "test", name: `lift <${lift}>`, folds: 3 });
  };

  test("shows both, what is real, and the folds; JSON has the same numbers", () => {
    const [a, b] = [evaluation(0.5), evaluation(3)];
    const comparison = compareEvaluations(a, b);
    assert.deepEqual(comparison.measures.map(({ measure }) => measure), [...measures]); // prettier-ignore
    const sum = comparison.measures[6]!;
    assert.deepEqual([sum.a, sum.b], [a.rsum, b.rsum]);
    assert.ok(sum.real && Math.abs(sum.difference - (b.rsum - a.rsum)) < 1e-9);
    assert.ok(sum.interval[0] < sum.difference && sum.difference < sum.interval[1]);
    assert.ok(Math.abs(comparison.folds!.measures[6]!.difference - (b.folds!.rsum - a.folds!.rsum)) < 1e-9);
    const bundle = comparison[displaySymbol]() as { "text/plain": string; "text/html": string };
    assert.match(
      bundle["text/plain"],
      /rSum +[\d.]+ +[\d.]+ +\+[\d.]+ +\+[\d.]+ to \+[\d.]+ +0\.000 +real: B is better/,
    );
    assert.match(bundle["text/plain"], /mean of 3 folds/);
    assert.match(bundle["text/html"], /lift &#60;3&#62;/);
    const json = JSON.parse(JSON.stringify(comparison)) as typeof comparison;
    assert.deepEqual(json.measures, comparison.measures);
  });

  test("of a model with itself is within chance", () => {
    const text = compareEvaluations(evaluation(1), evaluation(1), ["x", "y"])[displaySymbol]() as {
      "text/plain": string;
    };
    assert.equal(text["text/plain"].match(/within chance/g)?.length, 14);
  });

  test("needs the same images and captions", () => {
    const { scores, owner } = matrix(60, (i) => 1 + (i % 3), 1, 1);
    const other = evaluateScores(scores, owner, { split: "test" });
    assert.throws(() => compareEvaluations(evaluation(1), other), (error: unknown) => error instanceof AmsError && /different galleries/.test(error.message)); // prettier-ignore
    const items = (mark: string) =>
      Array.from({ length: 60 }, (_, i) => ({ id: `${mark}${i}`, image: "", captions: [] }));
    const [a, b] = ["a", "b"].map((mark) => ({ ...evaluation(1), items: items(mark) }));
    assert.throws(() => compareEvaluations(a!, b!), /different images/);
  });
});
