/** The strongest links between words of a text and regions of a picture: why the two fit. */
import * as tf from "@tensorflow/tfjs-core";
import { captionFeatures, tokenise } from "../evaluate/encode.js";
import { isNarrower } from "../evaluate/evaluate.js";
import { foldOf, patchGrid, scaleWeights, type Model } from "../model/ams.js";
import { regions } from "../model/config.js";

/** A word and the region that it looks at most. */
export interface Link {
  word: string;
  /** Where it stands in the text: [start, end) in UTF-16 units. */
  span: [number, number];
  /** Similarity A_ij of word i and region j, the mean over scales weighted by s_k. */
  similarity: number;
  /** The region, in shares of the picture's width and height. */
  box: { x: number; y: number; width: number; height: number };
}

/** A text as the links need it: its words per scale [W, F], as regions of the scorer are compared with them, and weighted by s_k. */
export interface LinkWords {
  text: string;
  scales: Float32Array[];
  /** Tokens, [CLS] and [SEP] included, without pads. */
  length: number;
}

export function linkWords(model: Model, text: string): LinkWords {
  const tokens = tokenise(model.tokenizer, [text], model.config.maxLength);
  const weights = scaleWeights(model);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const scales = tf.tidy(() =>
    captionFeatures(model, tokens, Int32Array.of(0)).map((words, k) => {
      const flat = tf.mul<tf.Tensor2D>(tf.squeeze(words, [0]), weights[k]! / total); // [W, E]
      const asked = isNarrower(model) ? tf.matMul<tf.Tensor2D>(flat, foldOf(model, k)) : flat;
      return asked.dataSync<"float32">().slice();
    }),
  );
  return { text, scales, length: tokens.lengths[0]! };
}

/** English words that say little by themselves: articles, pronouns, prepositions, conjunctions, forms of to be, to have and to do. */
const littleWords = new Set(
  (
    "a an the this that these those some any each every no not its his her their our your my it he she they we you i who whom which what " +
    "him them us me itself one's there here of in on at to by for from with without into onto over under above below up down off out near " +
    "beside between behind through across along around against during before after about as than like and or but nor so if while " +
    "when where because is are was were be been being am has have had having do does did doing will would can could may might very " +
    "too also just other another"
  ).split(" "),
);

/**
 * The `count` words with the strongest region, strongest first, little words (`littleWords`) after all others. `features` [R, F] per scale are those of the scorer (`isNarrower`). [CLS], [SEP] and punctuation
 * are no words here, and the class token is no region.
 */
export function strongestLinks(
  model: Model,
  features: readonly Float32Array[],
  { text, scales, length }: LinkWords,
  count = 3,
): Link[] {
  const { pieces, spans } = model.tokenizer.encode(text, model.config.maxLength);
  if (model.config.image.regions !== undefined) return []; // region features do not say where they are
  const [places, grid] = [regions(model.config), patchGrid(model.config)];
  const similarityOf = (w: number, j: number): number => {
    let sum = 0;
    for (const [k, words] of scales.entries()) {
      const seen = features[k]!;
      const width = seen.length / places;
      for (let e = 0; e < width; e++) sum += words[w * width + e]! * seen[j * width + e]!;
    }
    return sum;
  };
  const links: (Link & { place: number })[] = [];
  for (let w = 0; w < length; w++) {
    const span = spans[w];
    if (span === null || span === undefined || !/[\p{L}\p{N}]/u.test(text.slice(...span))) continue;
    let [best, similarity] = [0, -Infinity];
    for (let j = 1; j < places; j++) {
      const value = similarityOf(w, j);
      if (value > similarity) [best, similarity] = [j, value];
    }
    const [row, column] = [Math.floor((best - 1) / grid), (best - 1) % grid];
    const link = { similarity, box: { x: column / grid, y: row / grid, width: 1 / grid, height: 1 / grid } };
    const before = links.at(-1);
    if (pieces[w]!.startsWith("##") && before?.place === w - 1) {
      const whole: [number, number] = [before.span[0], span[1]]; // one word of several pieces: the strongest piece speaks
      Object.assign(before, { place: w, span: whole, word: text.slice(...whole), ...(similarity > before.similarity ? link : {}) }); // prettier-ignore
    } else links.push({ place: w, word: text.slice(...span), span: [...span], ...link });
  }
  return links
    .sort((a, b) => Number(isLittle(a)) - Number(isLittle(b)) || b.similarity - a.similarity)
    .slice(0, count)
    .map(({ word, span, similarity, box }) => ({ word, span, similarity, box }));
}

const isLittle = ({ word }: Link): boolean => littleWords.has(word.toLowerCase());

/** "upper left", "middle", "right" of a box in a picture. */
export function placeName({ x, y, width, height }: Link["box"]): string {
  const third = (centre: number): number => Math.min(2, Math.floor(3 * centre));
  const across = ["left", "", "right"][third(x + width / 2)]!;
  const down = ["upper", "", "lower"][third(y + height / 2)]!;
  if (across === "" && down === "") return "middle";
  if (across === "") return down === "upper" ? "top" : "bottom";
  return down === "" ? across : `${down} ${across}`;
}
