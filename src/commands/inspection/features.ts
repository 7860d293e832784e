/** `inspect features`: the projected features of given pixels and captions at every scale. */
import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";
import { breathe, type Context } from "../../context.js";
import { AmsError } from "../../errors.js";
import { encodeCaptions, encodeImages, type Model } from "../../model/ams.js";
import { readSafetensors, type StoredTensor } from "../../model/safetensors.js";
import type { Inputs } from "./inputs.js";

/** Features as tensors: per scale [B, R, E] and [C, W, E]; either may be missing where its inputs are. */
export interface FeatureTensors {
  images?: tf.Tensor3D[];
  captions?: tf.Tensor3D[];
}

/** Encodes in blocks, so that memory does not grow with the number of inputs. The caller disposes of the tensors. */
export async function encodeInputs(
  model: Model,
  { pixels, captions }: Inputs,
  context: Context,
): Promise<FeatureTensors> {
  const features: FeatureTensors = {};
  if (pixels !== undefined) {
    const [count, , side] = pixels.shape as [number, number, number];
    const area = 3 * side * side;
    features.images = await inBlocks(count, 8, "encoding images", context, (start, end) => {
      const values = (pixels.data as Float32Array).subarray(start * area, end * area);
      return encodeImages(model, tf.tensor4d(Float32Array.from(values), [end - start, 3, side, side]));
    });
  }
  if (captions !== undefined) {
    const { ids, mask, count, words } = captions;
    features.captions = await inBlocks(count, 64, "encoding captions", context, (start, end) => {
      const rows = (values: Int32Array): tf.Tensor2D =>
        tf.tensor2d(values.slice(start * words, end * words), [end - start, words], "int32");
      return encodeCaptions(model, rows(ids), rows(mask));
    });
  }
  return features;
}

async function inBlocks(
  count: number,
  block: number,
  label: string,
  context: Context,
  encode: (start: number, end: number) => tf.Tensor3D[],
): Promise<tf.Tensor3D[]> {
  const blocks: tf.Tensor3D[][] = [];
  try {
    for (let start = 0; start < count; start += block) {
      context.signal.throwIfAborted();
      const end = Math.min(count, start + block);
      blocks.push(tf.tidy(() => encode(start, end)));
      context.progress({ label, done: end, total: count });
      await breathe();
    }
    return (blocks[0] ?? []).map((_, k) => tf.concat(blocks.map((scales) => scales[k] as tf.Tensor3D)));
  } finally {
    tf.dispose(blocks.flat());
  }
}

/** The names that features have in files. */
export function namedFeatures({ images = [], captions = [] }: FeatureTensors): [string, tf.Tensor3D][] {
  return [
    ...images.map((tensor, k): [string, tf.Tensor3D] => [`image_scale_${k + 1}`, tensor]),
    ...captions.map((tensor, k): [string, tf.Tensor3D] => [`text_scale_${k + 1}`, tensor]),
  ];
}

export interface FeatureFile {
  features: Required<FeatureTensors>;
  /** Words of each caption, where the file's metadata say. */
  lengths?: number[] | undefined;
  /** s_k, where the file's metadata say. */
  scaleWeights?: number[] | undefined;
  thresholds?: { mined: number; safe: number } | undefined;
}

/** What is known beside the features of a file that `inspect features` wrote, as its metadata. */
export type FeatureMetadata = Pick<FeatureFile, "lengths" | "scaleWeights" | "thresholds">;

/** Reads `image_scale_k` [B, R, E] and `text_scale_k` [C, W, E] of every scale k = 1, 2, ... */
export function readFeatures(file: string): FeatureFile {
  const { tensors, metadata } = readSafetensors(file);
  const series = (prefix: string): StoredTensor[] => {
    const found: StoredTensor[] = [];
    for (let k = 1; tensors.has(`${prefix}${k}`); k++) found.push(tensors.get(`${prefix}${k}`) as StoredTensor);
    return found;
  };
  const [images, captions] = [series("image_scale_"), series("text_scale_")];
  const fail = (what: string): never => {
    throw new AmsError(`these are not the features of images and captions: ${what}`, {
      where: file,
      hint: "give image_scale_1..6 [B, R, E] and text_scale_1..6 [C, W, E], as ams inspect features writes them",
    });
  };
  if (images.length === 0 || images.length !== captions.length) {
    fail(`${images.length} scales of images and ${captions.length} of captions`);
  }
  const width = images[0]?.shape[2];
  for (const [name, list] of [["image", images] as const, ["text", captions] as const]) {
    list.forEach(({ shape }, k) => {
      const same = shape.length === 3 && shape[2] === width && shape.join() === list[0]?.shape.join();
      if (!same)
        fail(`${name}_scale_${k + 1} is [${shape.join(", ")}], ${name}_scale_1 [${list[0]?.shape.join(", ") ?? ""}]`);
    });
  }
  const tensor = ({ shape, data }: StoredTensor): tf.Tensor3D =>
    tf.tensor3d(Float32Array.from(data), shape as [number, number, number]);
  const told = readMetadata(metadata["ams"]);
  if ((told.lengths?.length ?? captions[0]?.shape[0]) !== captions[0]?.shape[0])
    fail("its metadata are of other captions");
  return { features: { images: images.map(tensor), captions: captions.map(tensor) }, ...told };
}

const metadataSchema = z.object({
  lengths: z.array(z.int().min(1)).optional(),
  scaleWeights: z.array(z.number()).optional(),
  thresholds: z.object({ mined: z.number(), safe: z.number() }).optional(),
});

/** Metadata that are not as `inspect features` writes them are another program's, and say nothing here. */
function readMetadata(text = "null"): FeatureMetadata {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return {};
  }
  return metadataSchema.safeParse(json).data ?? {};
}
