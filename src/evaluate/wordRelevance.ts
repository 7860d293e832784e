/** What every word of a caption finds in its own image, in the hardest wrong one, and in the one that scores lowest. */
import * as tf from "@tensorflow/tfjs-core";
import { breathe, type Context } from "../context.js";
import { AmsError } from "../errors.js";
import { wordTerms } from "../match/wordTerms.js";
import { captionFeatures, imageEncoder, tokenise } from "./encode.js";
import type { Evaluation } from "./evaluation.js";
import { timeLeft } from "./progress.js";

/** Which image the words are held against; mining takes the lowest-scoring one as its mismatch. */
export const against = ["own", "hardest", "lowest"] as const;

/** A word of a caption, at one scale, held against one image. */
export interface WordRow {
  /** Id of the caption's image, and of the image that it is held against. */
  image: string;
  other: string;
  against: (typeof against)[number];
  /** Column of the scores. */
  caption: number;
  /** Number of the token in the caption; [CLS] is 0. */
  place: number;
  word: string;
  /** From 1. */
  scale: number;
  /** max_j A_ij: how well the word fits its best region. */
  strongest: number;
  /** f_i, g_i, n_i: the branches of the score. */
  feature: number;
  relevance: number;
  negative: number;
}

/** The words of captions with the branches of their scores. */
export interface WordRelevance {
  split: string;
  captions: number;
  /** The model's mined thresholds, and the one that the words were scored with. */
  thresholds: { mined: number; safe: number; used: number };
  words: WordRow[];
}

/**
 * Takes `captions` of the evaluation (default 100, evenly spread), encodes their images anew and gives a row a word, scale and image. Throws
 * AmsError for an evaluation without a model, without captions, or of one image.
 */
export async function wordRelevance(
  evaluation: Evaluation,
  { captions = 100 }: { captions?: number },
  context: Context,
): Promise<WordRelevance> {
  const { model, items, owner, scores, images, split } = evaluation;
  if (model === undefined || items.length === 0 || images < 2) {
    throw new AmsError("words need a model and at least two images with captions", {
      where: `${evaluation.name ?? evaluation.dataset} ${split}, scored by ${evaluation.scoredBy}`,
      hint: "evaluate a model first: ams eval --split test",
    });
  }
  const texts = items.flatMap((item) => item.captions.map(({ text }) => text)); // the captions of an image follow each other
  const count = Math.min(captions, owner.length);
  const chosen = Int32Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * owner.length) / count));
  const compared = Array.from(chosen, (c) => [owner[c]!, ...extremes(scores, owner, images, c)]);
  const tokens = tokenise(
    model.tokenizer,
    Array.from(chosen, (c) => texts[c] ?? ""),
    model.config.maxLength,
  );
  const encode = imageEncoder(model, compared.flat().map((i) => items[i]!), context.signal); // prettier-ignore
  const threshold = evaluation.threshold ?? model.thresholds.safe;
  const words: WordRow[] = [];
  const time = timeLeft(count);
  for (let n = 0; n < count; n++) {
    context.signal.throwIfAborted();
    const regions = await encode(against.length * n, against.length * (n + 1));
    const features = captionFeatures(model, tokens, Int32Array.of(n));
    const { pieces } = model.tokenizer.encode(texts[chosen[n]!] ?? "", model.config.maxLength);
    const length = tokens.lengths[n]!;
    features.forEach((caption, k) => {
      const terms = tf.tidy(() => {
        const all = caption.shape[1];
        const counts = Float32Array.from({ length: all }, (_, w) => Number(!model.quirks.padWords || w < length));
        const repeated = tf.tile(caption, [against.length, 1, 1]);
        const mask = tf.tile(tf.tensor2d(counts, [1, all]), [against.length, 1]);
        const found = wordTerms(regions[k]!, repeated, mask, { threshold, propagate: true });
        const rows = (t: tf.Tensor2D): number[][] => t.arraySync();
        return { strongest: rows(found.strongest), feature: rows(found.feature), relevance: rows(found.relevance), negative: rows(found.negative) }; // prettier-ignore
      });
      against.forEach((which, b) => {
        for (let w = 0; w < length; w++) {
          words.push({
            image: items[owner[chosen[n]!]!]!.id,
            other: items[compared[n]![b]!]!.id,
            against: which,
            caption: chosen[n]!,
            place: w,
            word: pieces[w] ?? "",
            scale: k + 1,
            strongest: terms.strongest[b]![w]!,
            feature: terms.feature[b]![w]!,
            relevance: terms.relevance[b]![w]!,
            negative: terms.negative[b]![w]!,
          });
        }
      });
    });
    tf.dispose([regions, features]);
    context.progress({ label: "words", done: time.advance(1), total: count, note: time.note("captions") });
    await breathe();
  }
  return { split, captions: count, thresholds: { ...model.thresholds, used: threshold }, words };
}

/** The wrong images with the highest and the lowest score of a caption. */
function extremes(scores: ArrayLike<number>, owner: Int32Array, images: number, caption: number): [number, number] {
  let [most, least] = [-1, -1];
  const at = (i: number): number => scores[i * owner.length + caption]!;
  for (let i = 0; i < images; i++) {
    if (i === owner[caption]) continue;
    if (most < 0 || at(i) > at(most)) most = i;
    if (least < 0 || at(i) < at(least)) least = i;
  }
  return [most, least];
}
