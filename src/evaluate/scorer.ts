/** The streaming scorer: every image with every caption at every scale, exactly; only the scores stay. */
import * as tf from "@tensorflow/tfjs-core";
import { breathe, type Context } from "../context.js";
import { currentEngine } from "../engine/index.js";
import { AmsError } from "../errors.js";
import { openFusedScorer } from "./fusedScorer.js";
import type { PairScorer, ScorerShape } from "./pairScorer.js";
import { timeLeft } from "./progress.js";
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
  /** Images start .. end-1 -> per scale [end - start, R, E]; the scorer disposes of them. May be asked again for the same images. */
  encodeImages: (start: number, end: number) => Promise<tf.Tensor3D[]> | tf.Tensor3D[];
  /** Captions of these indexes -> per scale [n, W, E]; the scorer disposes of them. */
  encodeCaptions: (captions: Int32Array) => Promise<tf.Tensor3D[]> | tf.Tensor3D[];
}

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
   * "fused" (WebAssembly beside the engine's products) or "tensors" (engine alone). Default: tensors on a GPU and for many
   * regions on TensorFlow, else fused.
   */
  way?: "fused" | "tensors";
}

interface CaptionBlock<Captions> {
  indexes: Int32Array;
  scales: Captions[];
}

/**
 * Scores all pairs -> [images, captions], row-major: sum over scales of s_k S_k. Exact whatever the blocks are. Captions of equal
 * length share a block where pads do not count, so that pads cost nothing. Reports progress with the time left; throws the
 * signal's reason within a tile of an abort.
 */
export async function scoreAll(source: ScoreSource, options: ScoreAllOptions, context: Context): Promise<Float32Array> {
  const engine = currentEngine()?.name;
  const gpu = engine === "gpu";
  const way = options.way ?? (gpu || (engine === "native" && source.regions > manyRegions) ? "tensors" : "fused");
  const shape = tileShape(source, options, way, gpu);
  const scorer: PairScorer<unknown, unknown> = way === "fused" ? openFusedScorer(shape) : openTensorScorer();
  try {
    return await stream(source, shape, scorer, options, context);
  } finally {
    scorer.close();
  }
}

/**
 * Measured on TensorFlow, CPU time a similarity, fused against tensors: 65 regions 14 against 28 ns, 145 regions 22 against 29,
 * 577 regions 72 against 60 (there the Gram product decides, and TensorFlow's is faster).
 */
const manyRegions = 400;

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

async function stream<Images, Captions>(
  source: ScoreSource,
  shape: ScorerShape,
  scorer: PairScorer<Images, Captions>,
  options: ScoreAllOptions,
  context: Context,
): Promise<Float32Array> {
  const { images, captions, scaleWeights } = source;
  const { threshold = 0, memory = 2 ** 31 } = options;
  const scores = new Float32Array(images * captions);
  const order = byLength(source);
  const pulse = heart(context);
  const scoring = timeLeft(images * captions);
  let encoded = 0;
  while (encoded < captions) {
    const blocks: CaptionBlock<Captions>[] = [];
    try {
      const first = encoded;
      for (let bytes = 0; encoded < captions && (blocks.length === 0 || bytes < memory);) {
        const indexes = order.subarray(encoded, Math.min(encoded + shape.captions, captions));
        const { scales, size } = await prepareCaptions(source, scorer, indexes, options);
        blocks.push({ indexes, scales });
        bytes += size;
        encoded += indexes.length;
        context.progress({ label: "encoding captions", done: encoded, total: captions });
        await pulse();
      }
      for (let start = 0; start < images; start += shape.images) {
        const end = Math.min(start + shape.images, images);
        await scoreImages(await source.encodeImages(start, end), async (k, prepared) => {
          for (const { indexes, scales } of blocks) {
            const place = (b: number, c: number): number => (start + b) * captions + indexes[c]!;
            await scorer.add(
              prepared,
              scales[k] as Captions,
              { threshold, weight: scaleWeights[k] ?? 1 },
              scores,
              place,
            );
            await pulse();
          }
        });
        const done = scoring.advance((end - start) * (encoded - first));
        context.progress({ label: "scoring pairs", done, total: images * captions, note: scoring.note("pairs") });
      }
    } finally {
      for (const { scales } of blocks) for (const scale of scales) scorer.releaseCaptions(scale);
    }
  }
  return scores;

  /** Prepares one scale of an image block after the other and disposes of everything, whatever happens. */
  async function scoreImages(
    features: tf.Tensor3D[],
    meet: (scale: number, images: Images) => Promise<void>,
  ): Promise<void> {
    try {
      for (const [k, scale] of features.entries()) {
        const prepared = scorer.images(scale);
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
function byLength({ captions, lengths }: ScoreSource): Int32Array {
  const order = Int32Array.from({ length: captions }, (_, c) => c);
  return lengths === undefined ? order : order.sort((a, b) => lengths[a]! - lengths[b]! || a - b);
}

/** Encodes a block, cuts it after its longest caption where pads do not count, and prepares every scale. */
async function prepareCaptions<Captions>(
  { lengths, encodeCaptions }: ScoreSource,
  scorer: PairScorer<unknown, Captions>,
  indexes: Int32Array,
  { propagate = true }: ScoreAllOptions,
): Promise<{ scales: Captions[]; size: number }> {
  const features = await encodeCaptions(indexes);
  const counted = lengths === undefined ? undefined : Array.from(indexes, (c) => lengths[c]!);
  let size = 0;
  const scales = features.map((scale) => {
    const [count, , width] = scale.shape;
    const words = counted === undefined ? scale.shape[1] : Math.max(...counted);
    const cut = tf.slice(scale, [0, 0, 0], [count, words, width]);
    size += 4 * cut.size;
    const prepared = scorer.captions(cut, { propagate, ...(counted === undefined ? {} : { lengths: counted }) });
    cut.dispose();
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
