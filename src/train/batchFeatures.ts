/** The features of a batch: both encoders over all of it or a part, with or without what their gradient needs. */
import * as tf from "@tensorflow/tfjs-core";
import { blockLength } from "../data/tokens.js";
import { withPrecision, type Precision } from "../engine/matrixProduct.js";
import { captionChain, imageChain, imageInput, patchGrid } from "../model/ams.js";
import { runChain, traceChain, type Chain, type Trace } from "../model/chain.js";
import { seededDropout, type Part } from "../model/dropout.js";
import type { KeptPatches } from "../model/vit.js";
import { Random } from "../random.js";
import type { ObjectiveInput } from "./objective.js";

/** A batch as tensors. */
export interface BatchInputs {
  /** [B, 3, S, S], or region features [B, R, D] */
  pixels: tf.Tensor;
  /** [B, W] */
  ids: tf.Tensor2D;
  /** [B, W] */
  mask: tf.Tensor2D;
  /** [B, W]: 1 where a token counts as a word. */
  words: tf.Tensor2D;
  /** Patches that are looked at; absent: all. Flat rows b * N + patch, ascending, the same number for every image. */
  kept?: { rows: Int32Array; perImage: number };
  /** Tokens per caption after trimming. */
  length: number;
}

/** Per scale [B, R, E] and [B, W, E]. */
export interface Features {
  images: tf.Tensor3D[];
  captions: tf.Tensor3D[];
}

export interface Traces {
  images: Trace;
  captions: Trace;
}

export function batchInputs({ model, batch, stepSeed, keepPatches }: ObjectiveInput): BatchInputs {
  const { config, quirks } = model;
  const size = batch.pairs.length;
  // Where pads do not count, columns that hold nothing but pads can be cut off: the result is the same.
  const length = quirks.padWords
    ? blockLength(longest(batch.mask, size, config.maxLength), config.maxLength)
    : config.maxLength;
  const columns = (values: Int32Array): tf.Tensor2D =>
    tf.tidy(() => tf.slice(tf.tensor2d(values, [size, config.maxLength], "int32"), [0, 0], [size, length]));
  const [ids, mask] = [columns(batch.ids), columns(batch.mask)];
  const words = quirks.padWords ? tf.cast<tf.Tensor2D>(mask, "float32") : tf.ones<tf.Rank.R2>([size, length]);
  const kept = keepPatches < 1 ? choosePatches(size, patchGrid(config) ** 2, keepPatches, stepSeed) : undefined;
  const pixels = imageInput(config, batch.pixels, size);
  for (const tensor of [ids, mask, words, pixels]) tf.keep(tensor);
  return { pixels, ids, mask, words, length, ...(kept === undefined ? {} : { kept }) };
}

/** The chains of both encoders over a part of the batch, and the tensors to dispose of after them. */
function chains(
  { model, recipe, stepSeed }: ObjectiveInput,
  inputs: BatchInputs,
  part: Part,
): { images: Chain; captions: Chain; dispose: () => void } {
  const { config } = model;
  const rows = <T extends tf.Tensor>(whole: T): T => tf.keep(tf.slice(whole, part.first, part.size));
  const [pixels, ids, mask] = [rows(inputs.pixels), rows(inputs.ids), rows(inputs.mask)];
  const kept = inputs.kept === undefined ? undefined : partOfPatches(inputs.kept, part, patchGrid(config) ** 2);
  const dropout = seededDropout(recipe.dropout ?? config.text.dropout, stepSeed, part);
  const precise = (chain: Chain): Chain => inPrecision(chain, recipe.precision);
  return {
    images: precise(imageChain(model, pixels, kept)),
    captions: precise(captionChain(model, ids, mask, dropout)),
    dispose: () => {
      tf.dispose([pixels, ids, mask, ...(kept === undefined ? [] : [kept.rows])]);
    },
  };
}

/** A chain whose products have the given precision. */
function inPrecision({ first, layers, reads }: Chain, precision: Precision): Chain {
  return {
    first: () => withPrecision(precision, first),
    layers: layers.map((layer) => (x) => withPrecision(precision, () => layer(x))),
    reads: reads.map(({ layer, make }) => ({ layer, make: (hidden) => withPrecision(precision, () => make(hidden)) })),
  };
}

export function* traceBoth(input: ObjectiveInput, inputs: BatchInputs, part: Part): Generator<void, Traces> {
  const { recompute = false } = input;
  const { images, captions, dispose } = chains(input, inputs, part);
  let first: Trace | undefined;
  let complete = false;
  const free = (trace: Trace): Trace => ({
    ...trace,
    dispose: () => {
      trace.dispose();
      dispose(); // with recomputation the chains read their inputs until the end
    },
  });
  try {
    first = yield* traceChain(images, { recompute });
    const second = yield* traceChain(captions, { recompute });
    complete = true;
    return { images: free(first), captions: free(second) };
  } finally {
    if (!complete) {
      tf.dispose(first?.values ?? []);
      first?.dispose();
      dispose();
    }
  }
}

/** The features of all pairs, micro-batch by micro-batch, without what a gradient would need. */
export function* plainFeatures(
  input: ObjectiveInput,
  inputs: BatchInputs,
  micro: number,
  held: tf.Tensor[],
): Generator<void, Features> {
  const size = input.batch.pairs.length;
  const parts: Features[] = [];
  for (let first = 0; first < size; first += micro) {
    const { images, captions, dispose } = chains(input, inputs, {
      first,
      size: Math.min(micro, size - first),
      of: size,
    });
    try {
      const made: Features = { images: [], captions: [] };
      parts.push(made);
      made.images = runChain(images) as tf.Tensor3D[];
      held.push(...made.images);
      yield;
      made.captions = runChain(captions) as tf.Tensor3D[];
      held.push(...made.captions);
      yield;
    } finally {
      dispose();
    }
  }
  const joined = (name: "images" | "captions"): tf.Tensor3D[] =>
    input.model.config.scales.map((_, k) => {
      const pieces = parts.map((part) => part[name][k] as tf.Tensor3D);
      const whole = tf.concat(pieces, 0);
      tf.dispose(pieces);
      return whole;
    });
  const features = { images: joined("images"), captions: joined("captions") };
  held.push(...features.images, ...features.captions);
  return features;
}

function longest(mask: Int32Array, captions: number, width: number): number {
  let most = 1;
  for (let c = 0; c < captions; c++) {
    for (let t = most; t < width; t++) if (mask[c * width + t] === 1) most = t + 1;
  }
  return most;
}

/** A random share of the patches of every image. */
function choosePatches(images: number, count: number, share: number, seed: number): NonNullable<BatchInputs["kept"]> {
  const random = new Random(seed);
  const perImage = Math.max(1, Math.round(count * share));
  const rows = new Int32Array(images * perImage);
  const all = Array.from({ length: count }, (_, i) => i);
  for (let b = 0; b < images; b++) {
    const chosen = random
      .shuffle(all)
      .slice(0, perImage)
      .sort((x, y) => x - y);
    chosen.forEach((patch, i) => (rows[b * perImage + i] = b * count + patch));
  }
  return { rows, perImage };
}

function partOfPatches({ rows, perImage }: NonNullable<BatchInputs["kept"]>, part: Part, count: number): KeptPatches {
  const own = rows.subarray(part.first * perImage, (part.first + part.size) * perImage);
  return {
    rows: tf.keep(
      tf.tensor1d(
        own.map((row) => row - part.first * count),
        "int32",
      ),
    ),
    perImage,
  };
}
