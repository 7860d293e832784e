/** From a picture and a caption to the attention figure: the evaluation's pipeline, with every intermediate kept. */
import * as tf from "@tensorflow/tfjs-core";
import { loadPixels } from "../data/batches.js";
import type { Item } from "../data/dataset.js";
import { decodeImage } from "../data/decode.js";
import { attentionMaps, type AttentionMap } from "../match/maps.js";
import { encodeCaptions, encodeImages, patchGrid, scaleWeights, type Model } from "../model/ams.js";
import type { ModelHead } from "../model/head.js";
import { attentionComparison, attentionFigure, type AttentionInput } from "../plot/attention.js";
import { branches, type Branch } from "../plot/explorerMaps.js";
import type { Figure } from "../plot/figure.js";

export interface AttentionRequest {
  /** Path of the image. */
  image: string;
  caption: string;
  /** The item that image and caption belong to, for the true boxes of its phrases. */
  item?: Item;
  /** Default: the model's mined safe threshold. */
  threshold?: number;
  /** What tells it from the other one in a comparison; default: the caption. */
  name?: string;
}

/** Scores one pair at every scale and draws what each word attends to. */
export async function drawAttention(model: Model, request: AttentionRequest): Promise<Figure> {
  return attentionFigure(await attentionOf(model, request));
}

/** Two pairs side by side: other captions, or another model. */
export async function compareAttention(
  sides: readonly [{ model: Model; request: AttentionRequest }, { model: Model; request: AttentionRequest }],
  title: string,
): Promise<Figure> {
  const first = await attentionOf(sides[0].model, sides[0].request);
  return attentionComparison([first, await attentionOf(sides[1].model, sides[1].request)], title);
}

async function attentionOf(model: Model, request: AttentionRequest): Promise<AttentionInput> {
  const { caption, item, name } = request;
  const { config } = model;
  const grid = patchGrid(config); // a model that looks at no pixels is refused here
  const { pixels: side } = config.image;
  const [image, pixels] = await Promise.all([decodeImage(request.image), loadPixels([request.image], side)]);
  const tokens = model.tokenizer.encode(caption, config.maxLength);
  // Where pads do not count as words they are left out of the norms; else they are words like others.
  const counted = model.quirks.padWords ? tokens.mask : tokens.mask.map(() => 1);
  const threshold = request.threshold ?? model.thresholds.safe;
  const score = config.head?.score;
  const weights = scaleWeights(model);
  let scales: AttentionMap[] = [];
  tf.tidy(() => {
    const images = encodeImages(model, tf.tensor4d(pixels, [1, 3, side, side]));
    const ids = tf.tensor2d(tokens.ids, [1, config.maxLength], "int32");
    const mask = tf.tensor2d(tokens.mask, [1, config.maxLength], "int32");
    const words = encodeCaptions(model, ids, mask);
    const first = (features: tf.Tensor3D[]): tf.Tensor2D[] => features.map((f) => tf.squeeze(f, [0]));
    scales = attentionMaps(first(images), first(words), counted, { threshold, propagate: true, score });
  });
  const phrases = phrasesOf(item, caption);
  return {
    image,
    caption,
    tokens,
    scales: scales.map((scale, k) => ({
      ...scale,
      weight: weights[k] ?? 1,
      // Where nothing is matched, nothing lacks a match.
      ...(score === "pooled" ? { matched: scale.matched.map(() => true) } : {}),
    })),
    score,
    grid,
    layers: config.scales,
    threshold,
    counted,
    // Means of words and regions have no attention: what there is to see are their products.
    ...(score === "pooled" ? { show: "relevance" as const } : {}),
    ...(score === undefined ? {} : { branches: branchesOf[score] }),
    ...(name === undefined ? {} : { name }),
    ...(phrases === undefined ? {} : { phrases }),
  };
}

/** The maps that are a part of the score. */
const branchesOf: Record<ModelHead["score"], Branch[]> = {
  attention: [...branches],
  relevant: ["match", "similarity"],
  pooled: ["similarity"],
};

/** The caption's phrases with the boxes of what they name; undefined where the data set knows none. */
function phrasesOf(
  item: Item | undefined,
  text: string,
): { start: number; end: number; boxes: { x: number; y: number; width: number; height: number }[] }[] | undefined {
  return item?.captions
    .find((caption) => caption.text === text)
    ?.phrases?.map(({ start, end, objects }) => ({
      start,
      end,
      boxes: objects.flatMap((o) => item.objects?.[o]?.box ?? []),
    }));
}
