/** What the attention explorer computes where it is looked at: maps of a word from the word-region products. Runs in a page and in Node. */
import { scaleSum } from "../match/scaleSum.js";

/** The data of one pair of image and caption, small enough to lie in a notebook. */
export interface ExplorerView {
  /** What tells it from the other one in a comparison, e.g. the checkpoint. */
  name: string;
  /** The caption in pieces; `word` is an index into `words`; `cut`: dropped by the tokenizer. */
  caption: { text: string; word?: number; cut?: boolean }[];
  /** A data URI. */
  picture: string;
  /** height / width of the image. */
  aspect: number;
  /** Patches per side; regions = grid * grid, and one more where the first is the whole image ([CLS]). */
  grid: number;
  hasCls: boolean;
  /** The threshold that the model scores with. */
  threshold: number;
  /** The maps that are a part of its score; default all. */
  branches?: Branch[];
  words: ExplorerWord[];
  scales: ExplorerScale[];
}

export interface ExplorerWord {
  label: string;
  /** [CLS], [SEP]: counted, but no part of the caption. */
  special: boolean;
  /** True boxes of the word's phrase as fractions of the image. */
  boxes: { x: number; y: number; width: number; height: number }[];
}

export interface ExplorerScale {
  name: string;
  /** e.g. "layer 3". */
  detail: string;
  /** S_k of the pair. */
  score: number;
  /** s_k, with which the scale counts in the sum; default 1. */
  weight?: number;
  /** Word-region products A [words, regions] as little-endian int16 in base64, times `unit`. */
  products: string;
  unit: number;
  /** Norms of LeakyReLU(A) over all words that count, pads included where they do, [regions]: int16 in base64, times `normUnit`. */
  norms: string;
  normUnit: number;
}

export interface ExplorerSpec {
  version: 1;
  title: string;
  /** One, or two to compare. */
  views: ExplorerView[];
}

/** Which part of the score a map shows. */
export const branches = ["match", "mismatch", "relevance", "similarity"] as const;
export type Branch = (typeof branches)[number];

/** The same constants as in the score (src/match/attentionScore.ts). */
const lambda = 20;
const slope = 0.1;
const epsilon = 1e-8;

/** Values as int16 in base64, scaled to the largest: exact to 1/32767 of it. */
export function packValues(values: ArrayLike<number>): { packed: string; unit: number } {
  let most = 0;
  for (let i = 0; i < values.length; i++)
    if (Math.abs(values[i]!) < Infinity) most = Math.max(most, Math.abs(values[i]!));
  const unit = most === 0 ? 1 : most / 32767;
  let bytes = "";
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    const whole = Number.isNaN(value) ? 0 : Math.max(-32767, Math.min(32767, Math.round(value / unit)));
    bytes += String.fromCharCode(whole & 255, (whole >> 8) & 255);
  }
  return { packed: btoa(bytes), unit };
}

export function unpackValues(packed: string, unit: number): Float32Array {
  const bytes = atob(packed);
  return Float32Array.from({ length: bytes.length >> 1 }, (_, i) => {
    const whole = bytes.charCodeAt(2 * i) | (bytes.charCodeAt(2 * i + 1) << 8);
    return (whole > 32767 ? whole - 65536 : whole) * unit;
  });
}

/** The products of a scale, unpacked: [words, regions] and [regions]. */
export interface Products {
  products: Float32Array;
  norms: Float32Array;
  /** s_k; default 1. */
  weight?: number | undefined;
}

export function unpackScale({ products, unit, norms, normUnit, weight }: ExplorerScale): Products {
  return { products: unpackValues(products, unit), norms: unpackValues(norms, normUnit), weight };
}

/**
 * One word against the R regions:
 *
 * - match (positive branch): softmax of 20 A over the regions with A > t, 0 elsewhere and for a word without any
 * - mismatch (negative branch): how far a region lies below the threshold, max(0, t - A)
 * - relevance: softmax over the regions of 20 L / ||L||, L = LeakyReLU(A), the norm over the words of each region
 * - similarity: A where it is positive
 */
export function wordMap({ products, norms }: Products, word: number, branch: Branch, threshold: number): Float32Array {
  const regions = norms.length;
  const row = products.subarray(word * regions, (word + 1) * regions);
  switch (branch) {
    case "similarity":
      return row.map((a) => Math.max(0, a));
    case "mismatch":
      return row.map((a) => Math.max(0, threshold - a));
    case "match":
      return softmax(row, (a) => (a > threshold ? lambda * a : -Infinity));
    case "relevance":
      return softmax(row, (a, j) => (lambda * (a > 0 ? a : slope * a)) / (norms[j]! + epsilon));
  }
}

function softmax(row: Float32Array, of: (a: number, j: number) => number): Float32Array {
  const powers = row.map(of);
  const top = powers.reduce((a, b) => Math.max(a, b), -Infinity);
  if (top === -Infinity) return powers.fill(0);
  const weights = powers.map((p) => Math.exp(p - top));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((w) => w / sum);
}

/** r = max over the regions of A - t: above 0 where the word matches. */
export function wordMargin({ products, norms }: Products, word: number, threshold: number): number {
  const regions = norms.length;
  let top = -Infinity;
  for (let j = 0; j < regions; j++) top = Math.max(top, products[word * regions + j]!);
  return top - threshold;
}

/** The sum of one word's maps over several scales, each with its weight. */
export function summedMap(scales: readonly Products[], word: number, branch: Branch, threshold: number): Float32Array {
  return scaleSum(
    scales.map((scale) => wordMap(scale, word, branch, threshold)),
    scales.map(({ weight }) => weight),
  );
}

/** Norms over the words that count (`mask` 1) of LeakyReLU(A) [W, R] -> [R]. */
export function relevanceNorms(products: ArrayLike<number>, mask: ArrayLike<number>, regions: number): Float32Array {
  const norms = new Float32Array(regions);
  for (let i = 0; i < mask.length; i++) {
    if (mask[i] === 0) continue;
    for (let j = 0; j < regions; j++) {
      const a = products[i * regions + j]!;
      norms[j]! += (a > 0 ? a : slope * a) ** 2;
    }
  }
  return norms.map(Math.sqrt);
}

/** What is wrong with a spec that came out of a file, or undefined: it may have been made by anyone. */
export function specProblem(spec: unknown): string | undefined {
  const { version, title, views } = (spec ?? {}) as Partial<ExplorerSpec>;
  if (version !== 1) return `made by another version (${String(version)})`;
  if (typeof title !== "string" || !Array.isArray(views) || views.length < 1 || views.length > 2) return "not complete";
  const isObject = (value: unknown): boolean => typeof value === "object" && value !== null;
  for (const view of views as Partial<ExplorerView>[]) {
    if (!isObject(view)) return "not complete";
    const { caption, picture, aspect, grid, threshold, words, scales, branches } = view;
    if (typeof picture !== "string" || !/^data:image\/(png|jpeg|webp);base64,[A-Za-z0-9+/=]*$/.test(picture))
      return "its picture is none";
    if (!isSize(grid, 256) || !(Number(aspect) > 0.01 && Number(aspect) < 100) || !Number.isFinite(threshold))
      return "its sizes are wrong";
    if (!Array.isArray(caption) || !Array.isArray(words) || !Array.isArray(scales) || scales.length === 0)
      return "not complete";
    if (branches !== undefined && !Array.isArray(branches)) return "its maps are wrong";
    if (![...caption, ...words, ...scales].every(isObject)) return "not complete";
    if (!caption.every(({ text }) => typeof text === "string")) return "its caption is wrong";
    const isBox = (box: Partial<ExplorerWord["boxes"][number]> | null): boolean =>
      [box?.x, box?.y, box?.width, box?.height].every(Number.isFinite);
    if (!words.every((w) => typeof w.label === "string" && Array.isArray(w.boxes) && w.boxes.every(isBox)))
      return "its words are wrong";
    const regions = grid ** 2 + (view.hasCls === true ? 1 : 0);
    for (const scale of scales) {
      if (typeof scale.products !== "string" || typeof scale.norms !== "string")
        return "a scale is missing its numbers";
      if (![scale.unit, scale.normUnit, scale.score, scale.weight ?? 1].every(Number.isFinite))
        return "a scale's numbers are wrong";
      let sizes;
      try {
        sizes = [atob(scale.products).length, atob(scale.norms).length];
      } catch {
        return "a scale's numbers are wrong";
      }
      if (sizes[0] !== 2 * regions * words.length || sizes[1] !== 2 * regions) return "a scale does not fit its words";
    }
  }
  return undefined;
}

function isSize(value: unknown, most: number): value is number {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= most;
}
