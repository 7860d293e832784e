/** The scores and negatives of AMS's relatives against plain float64 loops written from their definitions. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import * as tf from "@tensorflow/tfjs-core";
import { silentContext } from "../../src/context.js";
import { startEngine } from "../../src/engine/index.js";
import { scoreAll, type ScoreSource } from "../../src/evaluate/index.js";
import { allScores, pairScores } from "../../src/match/attentionScore.js";
import { mineThresholds } from "../../src/match/mining.js";
import {
  collectStatistics,
  drawNegative,
  noStatistics,
  probabilityRight,
  samplingWeights,
  varianceOf,
  type PairStatistics,
} from "../../src/match/sampledNegatives.js";
import { Random } from "../../src/random.js";
import { largestDifference } from "../golden.js";

before(async () => {
  await startEngine("auto");
});

type Rows = number[][];

/** Unit vectors with something in common, so that some similarities are above a threshold and some below. */
function unitRows(count: number, width: number, random: Random): Rows {
  return Array.from({ length: count }, () => {
    const row = Array.from({ length: width }, (_, e) => random.normal() + (e === 0 ? 0.5 : 0));
    const norm = Math.hypot(...row);
    return row.map((x) => Math.fround(x / norm));
  });
}

const dot = (a: number[], b: number[]): number => a.reduce((sum, x, e) => sum + x * b[e]!, 0);

/** UARDA's score of one image and one caption, from its definition. */
function uardaScore(V: Rows, W: Rows, counts: number[], t: number): number {
  const A = W.map((w) => V.map((v) => dot(w, v)));
  const relevantTo = W.map((_, i) => V.map((_, j) => j).filter((j) => counts[i] === 1 && A[i]![j]! > t));
  const norm = V.map((_, j) =>
    Math.sqrt(W.reduce((sum, _, i) => sum + (relevantTo[i]!.includes(j) ? A[i]![j]! ** 2 : 0), 0)),
  );
  const softmax = (logits: number[]): number[] => {
    const exps = logits.map((x) => Math.exp(x));
    const sum = exps.reduce((a, b) => a + b, 0);
    return exps.map((x) => x / sum);
  };
  let [sum, words] = [0, 0];
  relevantTo.forEach((regions, i) => {
    if (regions.length === 0) return;
    words++;
    const a = softmax(regions.map((j) => 20 * A[i]![j]!));
    const context = V[0]!.map((_, e) => regions.reduce((c, j, n) => c + a[n]! * V[j]![e]!, 0));
    const b = softmax(regions.map((j) => (20 * A[i]![j]!) / norm[j]!));
    sum += dot(W[i]!, context) / Math.hypot(...context) + regions.reduce((g, j, n) => g + b[n]! * A[i]![j]!, 0);
  });
  return words === 0 ? 0 : sum / words;
}

describe("the score over relevant words", () => {
  const random = new Random(7);
  const [images, captions, regions, words, width] = [3, 4, 6, 5, 8];
  const V = Array.from({ length: images }, () => unitRows(regions, width, random));
  const W = Array.from({ length: captions }, () => unitRows(words, width, random));
  const lengths = [5, 3, 4, 1];
  const counts = lengths.map((length) => Array.from({ length: words }, (_, w) => Number(w < length)));
  const t = 0.35;
  const wanted = V.map((v) => W.map((w, c) => uardaScore(v, w, counts[c]!, t)));

  test("of pairs and of all pairs is that of plain loops", () => {
    tf.tidy(() => {
      const [regionTensor, wordTensor] = [tf.tensor3d(V), tf.tensor3d(W)];
      const mask = tf.tensor2d(counts);
      const options = { threshold: t, propagate: false, relevantOnly: true };
      const { scores, strongest } = allScores(regionTensor, wordTensor, mask, options);
      assert.ok(largestDifference(scores.dataSync(), wanted.flat()) < 2e-6);
      const best = V.flatMap((v) => W.flatMap((w) => w.map((word) => Math.max(...v.map((x) => dot(word, x))))));
      assert.ok(largestDifference(strongest.dataSync(), best) < 1e-6);
      const three = [0, 1, 2];
      const some = pairScores(
        regionTensor,
        tf.gather(wordTensor, tf.tensor1d(three, "int32")),
        tf.gather(mask, tf.tensor1d(three, "int32")),
        options,
      );
      assert.ok(largestDifference(some.dataSync(), three.map((i) => wanted[i]![i]!)) < 2e-6); // prettier-ignore
    });
    const flat = wanted.flat();
    const all = V.flatMap((v) => W.map((w, c) => uardaScore(v, w, counts[c]!, -2)));
    assert.ok(largestDifference(flat, all) > 1e-2, "the threshold makes a difference here");
  });

  test("is 0 where no word is relevant, with a gradient of 0", () => {
    const [g] = tf.grads(
      (v) =>
      tf.sum(pairScores(v as tf.Tensor3D, tf.tensor3d(W.slice(0, 3)), tf.tensor2d(counts.slice(0, 3)), { threshold: 1, propagate: false, relevantOnly: true })), // prettier-ignore
    )([tf.tensor3d(V)]);
    assert.ok(g?.dataSync().every((x) => x === 0));
  });

  test("has the gradient of plain loops", () => {
    const pick = [0, 1, 2];
    const loss = (v: tf.Tensor, w: tf.Tensor): tf.Scalar =>
      tf.sum(pairScores(v as tf.Tensor3D, w as tf.Tensor3D, tf.tensor2d(pick.map((c) => counts[c]!)), { threshold: t, propagate: false, relevantOnly: true })); // prettier-ignore
    const [dV, dW] = tf.grads(loss)([tf.tensor3d(V), tf.tensor3d(pick.map((c) => W[c]!))]).map((g) => g.arraySync()) as [Rows[], Rows[]]; // prettier-ignore
    const h = 1e-5;
    const slope = (rows: Rows, i: number, e: number, f: () => number): number => {
      const value = rows[i]![e]!;
      rows[i]![e] = value + h;
      const above = f();
      rows[i]![e] = value - h;
      const below = f();
      rows[i]![e] = value;
      return (above - below) / (2 * h);
    };
    for (const p of pick) {
      const score = (): number => uardaScore(V[p]!, W[p]!, counts[p]!, t);
      for (let e = 0; e < width; e++) {
        for (let j = 0; j < regions; j++) assert.ok(Math.abs(slope(V[p]!, j, e, score) - dV[p]![j]![e]!) < 2e-4);
        for (let i = 0; i < words; i++) assert.ok(Math.abs(slope(W[p]!, i, e, score) - dW[p]![i]![e]!) < 2e-4);
      }
    }
  });

  for (const skip of [true, false]) {
    test(`streams to the same scores ${skip ? "without" : "with"} computing irrelevant words`, async () => {
      let [all, relevant, computed] = [0, 0, 0];
      const source: ScoreSource = {
        images,
        captions,
        regions,
        words,
        scaleWeights: [1],
        score: "relevant",
        lengths: Int32Array.from(lengths),
        encodeImages: (start, end) => [tf.tensor3d(V.slice(start, end))],
        encodeCaptions: (chosen) => [tf.tensor3d(Array.from(chosen, (c) => W[c]!))],
      };
      const onWords = (n: number, r: number, c: number): void => {
        all += n;
        relevant += r;
        computed += c;
      };
      const options = { threshold: t, imageBlock: 2, captionBlock: 3, relevant: { skip, onWords } };
      const scores = await scoreAll(source, options, silentContext);
      assert.ok(largestDifference(scores, wanted.flat()) < 2e-6);
      assert.equal(all, images * lengths.reduce((a, b) => a + b));
      assert.ok(relevant > 0 && relevant < all);
      assert.equal(computed, skip ? relevant : all);
    });
  }
});

describe("the mined threshold", () => {
  const density = (x: number, mean: number, deviation: number): number =>
    Math.exp(-((x - mean) ** 2) / (2 * deviation ** 2)) / (deviation * Math.sqrt(2 * Math.PI));
  const moments = (values: number[]): [number, number] => {
    const mean = values.reduce((a, b) => a + b) / values.length;
    return [mean, Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (values.length - 1))];
  };

  for (const [what, m, s] of [
    ["wider negatives", [0.6, 0.25], [0.08, 0.12]],
    ["wider positives", [0.7, 0.2], [0.15, 0.06]],
  ] as const) {
    test(`is where the densities cross, N+ = 2 N-, with ${what}`, () => {
      const random = new Random(11);
      const captions = 8; // of 30 words: the last one alone makes more than 200, so that there is one update for 7 and one for 8
      const strongest = new Float64Array(captions * captions * 30);
      const scores = new Float64Array(captions * captions);
      const [positives, negatives]: [number[][], number[][]] = [[], []];
      for (let c = 0; c < captions; c++) {
        const worst = (c + 1) % captions;
        for (let b = 0; b < captions; b++) scores[b * captions + c] = b === c ? 1 : b === worst ? -1 : 0;
        const [own, other] = [0, 1].map((k) => Array.from({ length: 30 }, () => m[k]! + s[k]! * random.normal())) as [number[], number[]]; // prettier-ignore
        own.forEach((x, w) => (strongest[(c * captions + c) * 30 + w] = x));
        other.forEach((x, w) => (strongest[(worst * captions + c) * 30 + w] = x));
        positives.push(own);
        negatives.push(other);
      }
      /** Between the means, by halving. */
      const crossing = (count: number): number => {
        const [mp, sp] = moments(positives.slice(0, count).flat());
        const [mn, sn] = moments(negatives.slice(0, count).flat());
        let [low, high] = [mn, mp];
        for (let k = 0; k < 100; k++) {
          const middle = (low + high) / 2;
          if (density(middle, mp, sp) < 2 * density(middle, mn, sn)) low = middle;
          else high = middle;
        }
        return low;
      };
      const safe = (count: number): number => {
        const [mp, sp] = moments(positives.slice(0, count).flat());
        return Math.max(0, mp - 3 * sp);
      };
      const found = mineThresholds(
        { scores, strongest, images: captions, captions, words: 30 },
        { mined: 0.9, safe: 0.9 },
      );
      // The 0.9 before is forgotten while there are fewer than 200 words.
      assert.ok(Math.abs(found.mined - (0.7 * crossing(8) + 0.3 * 0.7 * crossing(7))) < 1e-6);
      assert.ok(Math.abs(found.safe - (0.7 * safe(8) + 0.3 * 0.7 * safe(7))) < 1e-9);
    });
  }
});

/** Section 5 of the model's description, word by word. */
function minedByLoops(
  scores: Rows,
  strongest: number[][][],
  counts: number[][],
  before: { mined: number; safe: number },
): { mined: number; safe: number } {
  const [pos, neg]: [number[], number[]] = [[], []];
  let { mined, safe } = before;
  const captions = counts.length;
  for (let c = 0; c < captions; c++) {
    const column = scores.map((row) => row[c]!);
    const first = column.indexOf(Math.max(...column)) === c;
    if (first) {
      const lowest = column.indexOf(Math.min(...column));
      counts[c]!.forEach((counted, w) => {
        if (counted === 1) pos.push(strongest[c]![c]![w]!);
        if (counted === 1) neg.push(strongest[lowest]![c]![w]!);
      });
    }
    if (pos.length <= 200) {
      mined = 0;
      safe = 0;
      continue;
    }
    if (!first) continue;
    const mean = (values: number[]): number => values.reduce((x, y) => x + y, 0) / values.length;
    const std = (values: number[]): number =>
      Math.sqrt(values.reduce((x, y) => x + (y - mean(values)) ** 2, 0) / (values.length - 1));
    const [mp, sp, mn, sn] = [mean(pos), std(pos), mean(neg), std(neg)];
    const a = sp * sp - sn * sn;
    const b = 2 * (mp * sn * sn - mn * sp * sp);
    const k = (mn * sp) ** 2 - (mp * sn) ** 2 + 2 * (sp * sn) ** 2 * Math.log(sn / (2 * sp) + 1e-8);
    let [t, s] = [mined, safe];
    if (b * b - 4 * a * k > 0) {
      t = (-b + Math.sqrt(b * b - 4 * a * k)) / (2 * a + 1e-10);
      s = mp - 3 * sp;
    }
    mined = 0.7 * (t >= 0 && t <= 1 ? t : 0) + 0.3 * mined;
    safe = 0.7 * (s >= 0 && s <= 1 ? s : 0) + 0.3 * safe;
  }
  return { mined, safe };
}

test("mining over batches of captions of true lengths is that of plain loops", () => {
  const random = new Random(17);
  let thresholds = { mined: 0.4, safe: 0.3 };
  let found = thresholds;
  let nonzero = 0;
  for (let batch = 0; batch < 12; batch++) {
    const size = 24;
    const counts = Array.from({ length: size }, () => {
      const length = 5 + random.int(14);
      return Array.from({ length: 20 }, (_, w) => Number(w < length));
    });
    const scores = Array.from(
      { length: size },
      (_, b) =>
      Array.from({ length: size }, (_, c) => random.next() + (b === c ? 0.9 * random.next() + (batch % 3 === 0 ? 0 : 0.5) : 0)), // prettier-ignore
    );
    const strongest = scores.map((_, b) => counts.map((row, c) => row.map(() => (b === c ? 0.55 : 0.25) + (b === c ? 0.14 : 0.1) * random.normal()))); // prettier-ignore
    thresholds = minedByLoops(scores, strongest, counts, thresholds);
    const input = { scores: scores.flat(), strongest: strongest.flat(2), images: size, captions: size, words: 20, wordMask: counts.flat() }; // prettier-ignore
    found = mineThresholds(input, found);
    assert.ok(Math.abs(found.mined - thresholds.mined) < 1e-9 && Math.abs(found.safe - thresholds.safe) < 1e-9);
    if (thresholds.mined > 0) nonzero++;
  }
  assert.ok(nonzero >= 6 && nonzero < 12, `${nonzero} batches had enough words, the others not`);
});

describe("FNE's negatives", () => {
  const options = { margin: 0.2, enough: 3, prior: 9999, certain: 0.999 };
  const nobody = (): boolean => false;
  const known: PairStatistics = {
    positives: { count: 50, mean: 0.7, squares: 49 * 0.01 },
    negatives: { count: 100, mean: 0.3, squares: 99 * 0.01 },
  };

  test("have running statistics of the pairs that rank first both ways", () => {
    const random = new Random(3);
    const size = 6;
    const items = [0, 1, 1, 2, 3, 4];
    const same = (i: number, j: number): boolean => items[i] === items[j];
    let found = noStatistics;
    const [positives, negatives]: [number[], number[]] = [[], []];
    for (let step = 0; step < 5; step++) {
      const S = Array.from({ length: size * size }, (_, p) => random.next() + (p % (size + 1) === 0 ? 0.5 : 0));
      found = collectStatistics(found, S, size, same);
      for (let i = 0; i < size; i++) {
        const others = items.flatMap((item, j) => (item === items[i] ? [] : [j]));
        const row = Math.max(...others.map((j) => S[i * size + j]!));
        const column = Math.max(...others.map((j) => S[j * size + i]!));
        if (S[i * size + i]! > row && S[i * size + i]! > column) {
          positives.push(S[i * size + i]!);
          negatives.push(row, column);
        }
      }
    }
    assert.ok(positives.length > 5 && positives.length < 30, String(positives.length));
    for (const [values, moments] of [
      [positives, found.positives],
      [negatives, found.negatives],
    ] as const) {
      const meanOf = (some: readonly number[]): number => some.reduce((a, b) => a + b) / some.length;
      const squares = values.reduce((sum, x, n) => sum + (x - meanOf(values.slice(0, n + 1))) ** 2, 0);
      assert.equal(moments.count, values.length);
      assert.ok(Math.abs(moments.mean - meanOf(values)) < 1e-12);
      assert.ok(Math.abs(varianceOf(moments) - squares / (values.length - 1)) < 1e-12);
    }
  });

  test("have the weights of plain loops", () => {
    const density = (x: number, mean: number): number => Math.exp(-((x - mean) ** 2) / (2 * 0.01)) / Math.sqrt(2 * Math.PI * 0.01); // prettier-ignore
    const scores = Array.from({ length: 200 }, (_, j) => -0.5 + j / 133);
    const own = 0.8;
    const same = (j: number): boolean => j % 7 === 0;
    const found = samplingWeights(scores, own, same, known, options);
    let [bySimilarity, byProbability, none] = [0, 0, 0];
    scores.forEach((s, j) => {
      const right = density(s, 0.7) / (density(s, 0.7) + 9999 * density(s, 0.3));
      let wanted = Math.exp(-0.5 * (s - own) ** 2);
      if (1 - right < 0.999) wanted = Math.exp(-0.5 * right);
      if (same(j) || s <= 0.7 - 0.2) wanted = 0;
      if (wanted === 0) none++;
      else if (1 - right < 0.999) byProbability++;
      else bySimilarity++;
      assert.ok(Math.abs(found[j]! - wanted) < 1e-9, `${s}: ${found[j]} is not ${wanted}`);
    });
    assert.ok(Math.min(bySimilarity, byProbability, none) > 0, "every rule is met");
    // Too few statistics: the distance alone, also of what is easy.
    const few = { ...known, positives: { ...known.positives, count: 3 } };
    samplingWeights(scores, own, nobody, few, options).forEach((weight, j) => {
      assert.ok(Math.abs(weight - Math.exp(-0.5 * (scores[j]! - own) ** 2)) < 1e-12);
    });
    assert.equal(probabilityRight(60, known, 9999), 1, "far out, where both densities are 0 as numbers");
    assert.equal(probabilityRight(-60, known, 9999), 0);
  });

  test("are drawn by their weights (chi-square over 40,000 draws)", () => {
    const random = new Random(5);
    const scores = Array.from({ length: 30 }, () => random.uniform(0.2, 1));
    const same = (j: number): boolean => j === 4;
    const weights = samplingWeights(scores, 0.8, same, known, options);
    const total = weights.reduce((a, b) => a + b, 0);
    const draws = 40_000;
    const counts = new Float64Array(30);
    for (let n = 0; n < draws; n++) counts[drawNegative(weights, scores, same, random)]!++;
    let [chi, classes] = [0, 0];
    weights.forEach((weight, j) => {
      if (weight === 0) {
        assert.equal(counts[j], 0);
        return;
      }
      const expected = (draws * weight) / total;
      chi += (counts[j]! - expected) ** 2 / expected;
      classes++;
    });
    assert.ok(classes > 10 && classes < 30);
    // The 99.9 % point of chi-square with k degrees of freedom, by Wilson and Hilferty.
    const k = classes - 1;
    assert.ok(chi < k * (1 - 2 / (9 * k) + 3.09 * Math.sqrt(2 / (9 * k))) ** 3, `chi-square ${chi} of ${k}`);
    // Uniform draws would be told from these.
    const even = draws / classes;
    const uniform = weights.reduce((sum, w) => sum + (w === 0 ? 0 : ((draws * w) / total - even) ** 2 / even), 0);
    assert.ok(uniform > 200, `the test has power: ${uniform}`);
  });

  test("are the hardest where no candidate has a weight, and none where all are of the same image", () => {
    const scores = [0.1, 0.45, 0.3, 0.49];
    const same = (j: number): boolean => j === 3;
    const weights = samplingWeights(scores, 0.8, same, known, options); // all below 0.5
    assert.ok(weights.every((weight) => weight === 0));
    assert.equal(drawNegative(weights, scores, same, new Random(1)), 1);
    assert.equal(
      drawNegative(new Float64Array(2), [1, 2], () => true, new Random(1)),
      -1,
    );
  });
});
