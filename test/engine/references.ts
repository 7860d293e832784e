/** Forward functions of the layers and scores in plain float64 JavaScript, for finite differences; flat row-major arrays. */

/** The error function by its Taylor series (|x| < 4: 80 terms reach 1e-12). */
export function erf(x: number): number {
  let [term, sum] = [x, x];
  for (let n = 1; n < 80; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

export const gelu = (x: number[]): number[] => x.map((v) => (v * (1 + erf(v / Math.SQRT2))) / 2);

/** x [rows, width]. */
export function layerNorm(x: number[], gain: number[], bias: number[]): number[] {
  const width = gain.length;
  return x.map((value, i) => {
    const row = x.slice(i - (i % width), i - (i % width) + width);
    const mean = sum(row) / width;
    const variance = sum(row.map((v) => (v - mean) ** 2)) / width;
    return ((value - mean) / Math.sqrt(variance + 1e-12)) * gain[i % width]! + bias[i % width]!;
  });
}

/** One head: q, k, v [T, d]; bias [T] is added to the logits of every row, the weights are multiplied by `kept` [T, T] (dropout). */
export function attention(q: number[], k: number[], v: number[], bias: number[], kept?: number[]): number[] {
  const [qs, ks, vs] = [q, k, v].map((x) => rows(x, x.length / bias.length)) as [number[][], number[][], number[][]];
  return qs.flatMap((query, i) => {
    const logits = ks.map((key, j) => dot(query, key) / Math.sqrt(query.length) + bias[j]!);
    const weights = softmax(logits).map((weight, j) => weight * (kept?.[i * bias.length + j] ?? 1));
    return mix(weights, vs);
  });
}

/** Rows of a table by ids; the derivative by row 0 is defined as nothing (the pad's). */
export const embed = (table: number[], ids: number[], width: number): number[] =>
  ids.flatMap((id) => table.slice(id * width, (id + 1) * width));

/**
 * The AMS score of one pair as its formula stands (spec: f, g and n of every word), regions [R, E], words [W, E]; `mask` [W]
 * says which words count.
 */
export function pairScore(
  regions: number[],
  words: number[],
  mask: number[],
  width: number,
  threshold: number,
): number {
  const [V, W] = [rows(regions, width), rows(words, width)];
  const A = W.map((w) => V.map((v) => dot(w, v)));
  const L = A.map((row, i) => row.map((a) => mask[i]! * (a > 0 ? a : 0.1 * a)));
  const norms = V.map((_, j) => Math.sqrt(sum(L.map((row) => row[j]! ** 2))));
  const perWord = W.map((w, i) => {
    const row = A[i]!;
    const strongest = Math.max(...row) - threshold;
    const negative = strongest < 0 ? strongest : 0;
    const passing = row.map((a) => (a > threshold ? a : -Infinity));
    let matched = 0;
    if (strongest > 0) {
      const context = mix(softmax(passing.map((a) => 20 * a)), V);
      matched = dot(w, context) / Math.sqrt(dot(context, context));
    }
    const relevance = softmax(L[i]!.map((l, j) => (20 * l) / (norms[j]! + 1e-8)));
    return negative + matched + dot(relevance, row);
  });
  return dot(perWord, mask) / sum(mask);
}

/** VSE++: sum of hinges of the hardest negatives of rows and columns of S [B, B]. */
export function hardestNegatives(S: number[], batch: number, margin: number): number {
  const M = rows(S, batch);
  const side = (at: (i: number, j: number) => number): number =>
    sum(
      M.map((_, i) => {
        const hardest = Math.max(...M.map((_, j) => (i === j ? -Infinity : at(i, j))));
        return Math.max(0, margin + hardest - at(i, i));
      }),
    );
  return side((i, j) => M[i]![j]!) + side((i, j) => M[j]![i]!);
}

export const sum = (x: number[]): number => x.reduce((a, b) => a + b, 0);
export const dot = (a: number[], b: number[]): number => sum(a.map((v, i) => v * b[i]!));

function rows(x: number[], width: number): number[][] {
  return Array.from({ length: x.length / width }, (_, i) => x.slice(i * width, (i + 1) * width));
}

function softmax(logits: number[]): number[] {
  const top = Math.max(...logits);
  const powers = logits.map((l) => Math.exp(l - top));
  return powers.map((p) => p / sum(powers));
}

function mix(weights: number[], vectors: number[][]): number[] {
  return vectors[0]!.map((_, c) => sum(vectors.map((vector, j) => weights[j]! * vector[c]!)));
}
