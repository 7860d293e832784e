/** The streaming scorer: every image with every caption at every scale, exactly; only the scores stay. */
import * as tf from "@tensorflow/tfjs-core";
import { breathe, type Context } from "../context.js";
import { currentEngine } from "../engine/index.js";
import { AmsError } from "../errors.js";
import { openFusedScorer } from "./fusedScorer.js";
import type { PairScorer, ScorerShape } from "./pairScorer.js";
import { openPooledScorer } from "./pooledScorer.js";
import { timeLeft } from "./progress.js";
import { openRelevantScorer, type RelevantOptions } from "./relevantScorer.js";
import type { Block, ScoreKeeper } from "./scoreKeeper.js";
import { openTensorScorer } from "./tensorScorer.js";

/** What is scored: counts, and two functions that give features block by block. */
export interface ScoreSource {
  images: number;
  captions: number;
  /** R, the class token included. */
  regions: number;
  /** W, special tokens and pads included. */
  words: number;
  /** Weights s_k of the sum over scales; their number is the number of scales. */
  scaleWeights: readonly number[];
  /** Tokens of each caption that count as words; the others are left out of means, norms and propagation. Absent: all count. */
  lengths?: Int32Array;
  /**
   * Makes products cheaper: the matrix P [E, F] of a scale with region features V = H P^T, where H is narrower. Then `encodeImages` gives
   * H [B, R, F], and P goes into the captions once: w . v = (P^T w) . h. The scorer disposes of it.
   */
  fold?: (scale: number) => tf.Tensor2D;
  /** What a pair's score is (see `ModelHead`); default: the attention score. */
  score?: "attention" | "relevant" | "pooled";
  /** Images start .. end-1 -> per scale [end - start, R, E]; the scorer disposes of them. May be asked again for the same images. */
  encodeImages: (start: number, end: number) => Promise<tf.Tensor3D[]> | tf.Tensor3D[];
  /** Captions of these indexes -> per scale [n, W, E]; the scorer disposes of them. */
  encodeCaptions: (captions: Int32Array) => Promise<tf.Tensor3D[]> | tf.Tensor3D[];
}

/** How all pairs of a gallery are scored. */
export interface ScoreAllOptions {
  /** Regions up to this similarity do not match a word (the mined safe threshold). Default 0. */
  threshold?: number;
  /** The negative branch asks the caption's own words first, as evaluation does. Default true. */
  propagate?: boolean;
  /** Images and captions of a tile; the defaults keep a tile near the processor's cache, or fill a GPU. */
  imageBlock?: number;
  captionBlock?: number;
  /** Bytes for the captions' features (default 2 GiB). When they do not fit, images are encoded once for each part of the captions. */
  memory?: number;
  /**
   * "fused" (WebAssembly beside the engine's products) or "tensors" (engine alone). Default: tensors with CUDA, else fused; the
   * other scores than attention are made by tensors.
   */
  way?: "fused" | "tensors";
  /** Of "fused": who computes the context norms. Default: TensorFlow for many regions, else the threads. */
  norms?: "engine" | "threads";
  /** Threads of "fused" beside the engine's own (default: all processors, at most 8). */
  threads?: number;
  /** Of the score over relevant words. */
  relevant?: RelevantOptions;
  /** Gets the scores of every finished block; blocks that it has already are not scored again. */
  keeper?: ScoreKeeper;
}

interface CaptionBlock<Captions> {
  /** Where its first caption stands in the part of the captions that is in memory. */
  place: number;
  count: number;
  scales: Captions[];
}

/**
 * Scores all pairs -> [images, captions], row-major: sum over scales of s_k S_k. The same whatever the blocks are, but for the
 * rounding of the engine's products (TensorFlow: by the shape of a batch). Captions of equal
 * length share a block where pads do not count, so that pads cost nothing. Reports progress with the time left, within long blocks every few
 * seconds; throws the signal's reason within a tile of an abort.
 */
export async function scoreAll(source: ScoreSource, options: ScoreAllOptions, context: Context): Promise<Float32Array> {
  const engine = currentEngine()?.name;
  const gpu = engine === "gpu";
  const { score = "attention" } = source;
  const way = score === "attention" ? (options.way ?? (gpu ? "tensors" : "fused")) : "tensors";
  const shape = tileShape(source, options, way, gpu);
  const scorer: PairScorer<unknown, unknown> =
    score === "pooled"
      ? openPooledScorer()
      : score === "relevant"
        ? openRelevantScorer(options.relevant)
        : way === "fused"
          ? openFusedScorer(shape, {
              threads: options.threads,
              norms: options.norms ?? (engine === "native" && source.regions > manyRegions ? "engine" : "threads"),
            })
          : openTensorScorer();
  try {
    return await stream(source, shape, scorer, options, context);
  } finally {
    scorer.close();
  }
}

/**
 * Measured on TensorFlow, CPU time a similarity, norms by the threads, by the engine, and all by tensors: 65 regions 13, 21 and 18 ns, 145 regions 20, 19
 * and 22, 577 regions 53, 44 and 46 (of which the product for the similarities takes 20).
 */
const manyRegions = 130;

/**
 * Blocks for a tile of about a million similarities that threads share (fused), or of one image with so many captions that the
 * passes stay near the cache (tensors) or fill a GPU; there the block of images is what is encoded at once.
 */
function tileShape(source: ScoreSource, options: ScoreAllOptions, way: string, gpu: boolean): ScorerShape {
  const { words, regions } = source;
  if (source.captions < 1 || source.images < 1) {
    throw new AmsError("there is nothing to score", {
      where: `${source.images} images and ${source.captions} captions`,
      hint: "choose a split with images and captions",
    });
  }
  const longest = source.lengths === undefined ? words : Math.max(...source.lengths);
  const rows = gpu ? 32768 : way === "fused" ? 480 : Math.round(2 ** 19 / regions);
  const captions = Math.min(source.captions, options.captionBlock ?? Math.max(1, Math.round(rows / longest)));
  const shared = Math.max(4, Math.min(64, Math.round(2 ** 20 / (captions * longest * regions))));
  const images = Math.min(source.images, options.imageBlock ?? (gpu ? 32 : way === "fused" ? shared : 16));
  return { images, captions, words, regions };
}

/** So many tiles of a block come between two reports: a block of the published size, with all captions, has 2,000 and takes a minute. */
const tilesToTell = 64;

async function stream<Images, Captions>(
  source: ScoreSource,
  shape: ScorerShape,
  scorer: PairScorer<Images, Captions>,
  options: ScoreAllOptions,
  context: Context,
): Promise<Float32Array> {
  const { images, captions, scaleWeights } = source;
  const { threshold = 0, memory = 2 ** 31, keeper } = options;
  const scores = new Float32Array(images * captions);
  const order = captionOrder(source);
  const pulse = heart(context);
  const scoring = timeLeft(images * captions);
  const tell = (done: number): void => {
    const pairs = Math.round(done); // a tile is a part of its pairs: one scale of them
    context.progress({ label: "scoring pairs", done: pairs, total: images * captions, note: scoring.note("pairs") });
  };
  const encoding = timeLeft(captions);
  let committed = performance.now();
  try {
    for (let encoded = 0; encoded < captions;) {
      const reached = keeper?.reaches(encoded) ?? encoded;
      if (reached > encoded) {
        const block = { start: 0, end: images, from: encoded, to: reached };
        recall(block);
        encoding.skip(reached - encoded);
        encoded = reached;
        continue;
      }
      const blocks: CaptionBlock<Captions>[] = [];
      const from = encoded;
      try {
        for (let bytes = 0; encoded < captions && (blocks.length === 0 || bytes < memory);) {
          const indexes = order.subarray(encoded, Math.min(encoded + shape.captions, captions));
          const { scales, size } = await prepareCaptions(source, scorer, indexes, options);
          blocks.push({ place: encoded - from, count: indexes.length, scales });
          bytes += size;
          encoded += indexes.length;
          const done = encoding.advance(indexes.length);
          context.progress({ label: "encoding captions", done, total: captions, note: encoding.note("captions") });
          await pulse();
        }
        for (let start = 0; start < images; start += shape.images) {
          const block = { start, end: Math.min(start + shape.images, images), from, to: encoded };
          if (keeper?.has(block) === true) recall(block);
          else await scoreBlock(block, blocks);
        }
      } finally {
        for (const { scales } of blocks) for (const scale of scales) scorer.releaseCaptions(scale);
      }
    }
  } finally {
    keeper?.commit();
  }
  return scores;

  /** Scores every scale of a block, adds up their weighted sum and hands the block to the keeper. */
  async function scoreBlock(block: Block, blocks: CaptionBlock<Captions>[]): Promise<void> {
    const { start, end, from, to } = block;
    const width = to - from;
    const each = scaleWeights.map(() => new Float32Array((end - start) * width));
    let tiles = 0;
    await scoreImages(await source.encodeImages(start, end), async (k, prepared) => {
      for (const { place, count, scales } of blocks) {
        const at = (b: number, c: number): number => b * width + place + c;
        await scorer.score(prepared, scales[k] as Captions, threshold, each[k]!, at);
        const done = scoring.advance(((end - start) * count) / each.length);
        if (++tiles % tilesToTell === 0) tell(done);
        await pulse();
      }
    });
    const sum = new Float32Array((end - start) * width);
    each.forEach((values, k) => {
      for (let p = 0; p < sum.length; p++) sum[p]! += (scaleWeights[k] ?? 1) * values[p]!;
    });
    put(block, sum);
    keeper?.write(block, keeper.planes === 1 ? [sum] : each);
    if (performance.now() - committed > 1000) {
      keeper?.commit();
      committed = performance.now();
    }
    tell(scoring.advance(0));
  }

  /** Takes what the keeper has of a block, an image at a time. */
  function recall({ start, end, from, to }: Block): void {
    for (let i = start; i < end; i++) {
      const block = { start: i, end: i + 1, from, to };
      const planes = keeper?.read(block) ?? [];
      const sum = new Float32Array(to - from);
      const weights = planes.length === 1 ? [1] : scaleWeights;
      planes.forEach((values, k) => {
        for (let p = 0; p < sum.length; p++) sum[p]! += (weights[k] ?? 1) * values[p]!;
      });
      put(block, sum);
    }
    tell(scoring.skip((end - start) * (to - from)));
  }

  function put({ start, end, from, to }: Block, values: Float32Array): void {
    for (let i = start, p = 0; i < end; i++) {
      for (let place = from; place < to; place++) scores[i * captions + order[place]!] = values[p++]!;
    }
  }

  /** Prepares one scale of an image block after the other and disposes of everything, whatever happens. */
  async function scoreImages(
    features: tf.Tensor3D[],
    meet: (scale: number, images: Images) => Promise<void>,
  ): Promise<void> {
    try {
      for (const [k, scale] of features.entries()) {
        const fold = source.fold?.(k);
        const prepared = scorer.images(scale, fold);
        fold?.dispose();
        try {
          scorer.enter(prepared);
          await meet(k, prepared);
        } finally {
          scorer.releaseImages(prepared);
        }
      }
    } finally {
      tf.dispose(features);
    }
  }
}

/** Captions sorted by counted words (stable), so that a block holds few pads; in their own order where pads count. */
export function captionOrder({ captions, lengths }: Pick<ScoreSource, "captions" | "lengths">): Int32Array {
  const order = Int32Array.from({ length: captions }, (_, c) => c);
  return lengths === undefined ? order : order.sort((a, b) => lengths[a]! - lengths[b]! || a - b);
}

/** Encodes a block, cuts it after its longest caption where pads do not count, and prepares every scale. */
async function prepareCaptions<Captions>(
  { lengths, encodeCaptions, fold: foldOf }: ScoreSource,
  scorer: PairScorer<unknown, Captions>,
  indexes: Int32Array,
  { propagate = true }: ScoreAllOptions,
): Promise<{ scales: Captions[]; size: number }> {
  const features = await encodeCaptions(indexes);
  const counted = lengths === undefined ? undefined : Array.from(indexes, (c) => lengths[c]!);
  let size = 0;
  const scales = features.map((scale, k) => {
    const [count, , width] = scale.shape;
    const words = counted === undefined ? scale.shape[1] : Math.max(...counted);
    const cut = tf.slice(scale, [0, 0, 0], [count, words, width]);
    const fold = foldOf?.(k);
    size += 4 * count * words * (fold?.shape[1] ?? width);
    const prepared = scorer.captions(cut, {
      propagate,
      ...(counted === undefined ? {} : { lengths: counted }),
      ...(fold === undefined ? {} : { fold }),
    });
    tf.dispose([cut, ...(fold === undefined ? [] : [fold])]);
    return prepared;
  });
  tf.dispose(features);
  return { scales, size };
}

/** A function to call between tiles: gives the event loop a turn every 50 ms and throws once the work is aborted. */
function heart({ signal }: Context): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last > 50) {
      await breathe();
      last = performance.now();
    }
    signal.throwIfAborted();
  };
}
