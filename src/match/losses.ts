/** Losses over a matrix of scores, as pure functions: value and gradient with respect to every score. */

export interface ScoreLoss {
  loss: number;
  /** d loss / d S, [B * B] row-major (row = image, column = caption). */
  gradient: Float64Array;
  /** d loss / d (log of the scale that multiplies the scores), where the loss has one. */
  scaleGradient?: number;
}

/** True where image row and caption column must not be negatives of each other (besides the diagonal). */
export type SameImage = (row: number, column: number) => boolean;

const never: SameImage = () => false;

/**
 * VSE++ hardest-negative hinge, summed over the batch:
 * sum_i max(0, m + max_{j != i} S_ij - S_ii) + sum_j max(0, m + max_{i != j} S_ij - S_jj).
 * At most 3B of the B^2 gradients are not zero. Source: Faghri et al., BMVC 2018.
 */
export function hardestHinge(S: ArrayLike<number>, batch: number, margin = 0.2, same: SameImage = never): ScoreLoss {
  const gradient = new Float64Array(batch * batch);
  let loss = 0;
  const hinge = (i: number, at: (j: number) => number, excluded: (j: number) => boolean): void => {
    let hardest = -1;
    for (let j = 0; j < batch; j++) {
      if (j !== i && !excluded(j) && (hardest < 0 || S[at(j)]! > S[at(hardest)]!)) hardest = j;
    }
    if (hardest < 0) return;
    const cost = margin + S[at(hardest)]! - S[at(i)]!;
    // NaN compares false: it has to reach the loss, where the trainer sees it.
    if (cost <= 0) return;
    loss += cost;
    gradient[at(hardest)]! += 1;
    gradient[at(i)]! -= 1;
  };
  for (let i = 0; i < batch; i++) {
    hinge(
      i,
      (j) => i * batch + j,
      (j) => same(i, j),
    );
    hinge(
      i,
      (j) => j * batch + i,
      (j) => same(j, i),
    );
  }
  return { loss, gradient };
}

/**
 * Symmetric InfoNCE: the mean of the cross-entropies of rows and columns of softmax(scale * S), the diagonal being right.
 * Source: van den Oord et al. 2018; Radford et al. 2021.
 */
export function contrast(S: ArrayLike<number>, batch: number, scale: number, same: SameImage = never): ScoreLoss {
  const gradient = new Float64Array(batch * batch);
  let loss = 0;
  const side = (at: (i: number, j: number) => number, excluded: SameImage): void => {
    for (let i = 0; i < batch; i++) {
      let top = -Infinity;
      for (let j = 0; j < batch; j++) if (j === i || !excluded(i, j)) top = Math.max(top, scale * S[at(i, j)]!);
      let sum = 0;
      for (let j = 0; j < batch; j++) if (j === i || !excluded(i, j)) sum += Math.exp(scale * S[at(i, j)]! - top);
      loss += (top + Math.log(sum) - scale * S[at(i, i)]!) / (2 * batch);
      for (let j = 0; j < batch; j++) {
        if (j !== i && excluded(i, j)) continue;
        const p = Math.exp(scale * S[at(i, j)]! - top) / sum;
        gradient[at(i, j)]! += (scale * (p - (i === j ? 1 : 0))) / (2 * batch);
      }
    }
  };
  side((i, j) => i * batch + j, same);
  side(
    (i, j) => j * batch + i,
    (i, j) => same(j, i),
  );
  let scaleGradient = 0;
  for (let k = 0; k < gradient.length; k++) scaleGradient += gradient[k]! * S[k]!;
  return { loss, gradient, scaleGradient };
}
