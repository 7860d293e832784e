/** Threshold mining (Discriminative Mismatch Mining): where matched and mismatched words part. Source: NAAF, CVPR 2022. */

export interface Thresholds {
  /** t: the boundary of the two weighted normal distributions. */
  mined: number;
  /** tSafe = mean - 3 deviations of the matched words. */
  safe: number;
}

/** Fewer appended words than this say nothing yet: both thresholds are 0. */
const enough = 200;

/** What the threshold of one scale is mined from: B images, C captions of W words. */
export interface MiningInput {
  /** Scores of one scale [B, C], row-major. */
  scores: ArrayLike<number>;
  /** Strongest similarity of every word, [B, C, W]. */
  strongest: ArrayLike<number>;
  /** Image row of caption c is c. */
  images: number;
  captions: number;
  words: number;
  /** 1 where a token counts as a word, [C, W]; all of them in the published code. */
  wordMask?: ArrayLike<number>;
}

/**
 * One score call of one scale: goes through the captions in order, appends the words of those that rank their own image
 * first (positives: own image, negatives: the lowest-scoring image) and updates the thresholds as often.
 */
export function mineThresholds(input: MiningInput, start: Thresholds, alpha = 2): Thresholds {
  const { scores, strongest, images, captions, words, wordMask } = input;
  const positives: number[] = [];
  const negatives: number[] = [];
  let thresholds = start;
  for (let c = 0; c < captions; c++) {
    let best = 0;
    let worst = 0;
    for (let b = 1; b < images; b++) {
      if (scores[b * captions + c]! > scores[best * captions + c]!) best = b;
      if (scores[b * captions + c]! < scores[worst * captions + c]!) worst = b;
    }
    if (best === c) {
      for (let w = 0; w < words; w++) {
        if (wordMask !== undefined && wordMask[c * words + w] === 0) continue;
        positives.push(strongest[(c * captions + c) * words + w]!);
        negatives.push(strongest[(worst * captions + c) * words + w]!);
      }
    }
    if (positives.length <= enough) thresholds = { mined: 0, safe: 0 };
    else if (best === c) thresholds = update(thresholds, positives, negatives, alpha);
  }
  return thresholds;
}

function update(old: Thresholds, positives: number[], negatives: number[], alpha: number): Thresholds {
  const [mp, sp] = meanAndDeviation(positives);
  const [mn, sn] = meanAndDeviation(negatives);
  const a = sp ** 2 - sn ** 2;
  const b = 2 * (mp * sn ** 2 - mn * sp ** 2);
  const c = (mn * sp) ** 2 - (mp * sn) ** 2 + 2 * (sp * sn) ** 2 * Math.log(sn / (alpha * sp) + 1e-8);
  const E = b ** 2 - 4 * a * c;
  let { mined, safe } = old;
  if (E > 0) {
    mined = (-b + Math.sqrt(E)) / (2 * a + 1e-10);
    safe = mp - 3 * sp;
  }
  const inside = (t: number): number => (t < 0 || t > 1 ? 0 : t);
  return { mined: 0.7 * inside(mined) + 0.3 * old.mined, safe: 0.7 * inside(safe) + 0.3 * old.safe };
}

/** Mean and unbiased deviation. */
function meanAndDeviation(values: number[]): [number, number] {
  let mean = 0;
  for (const v of values) mean += v / values.length;
  let square = 0;
  for (const v of values) square += (v - mean) ** 2;
  return [mean, Math.sqrt(square / (values.length - 1))];
}
