/** The index of a gallery: one pooled vector per image and per caption, in memory, made when first asked for. */
import type * as tf from "@tensorflow/tfjs-core";
import type { Context } from "../context.js";
import type { Item } from "../data/dataset.js";
import { tokenise } from "../evaluate/encode.js";
import { captionVectors, imageVectors } from "../evaluate/pooled.js";
import type { Model } from "../model/ams.js";

export interface GalleryIndex {
  items: Item[];
  /** Every caption of the items, with the index of its item. */
  captions: { item: number; text: string }[];
  /** [items, scales * E] and [captions, scales * E], row-major; made on first use. */
  images(context: Context): Promise<Float32Array>;
  texts(context: Context): Promise<Float32Array>;
}

/** An index over items. Encoding waits until a query needs it: images for texts, captions for images. */
export function indexGallery(model: Model, items: Item[]): GalleryIndex {
  const captions = items.flatMap(({ captions }, item) => captions.map(({ text }) => ({ item, text })));
  let images: Float32Array | undefined;
  let texts: Float32Array | undefined;
  return {
    items,
    captions,
    images: async (context) => (images ??= await values(imageVectors(model, items, context))),
    texts: async (context) => {
      const tokens = tokenise(model.tokenizer, captions.map(({ text }) => text), model.config.maxLength); // prettier-ignore
      return (texts ??= await values(captionVectors(model, tokens, context)));
    },
  };
}

async function values(vectors: Promise<tf.Tensor2D>): Promise<Float32Array> {
  const tensor = await vectors;
  try {
    return (await tensor.data()) as Float32Array;
  } finally {
    tensor.dispose();
  }
}

const remembered = new WeakMap<Model, { weights: string; galleries: WeakMap<Item[], GalleryIndex> }>();

/** The index of a list of items that was made before with the same weights, else a new one. */
export function galleryOf(model: Model, items: Item[]): GalleryIndex {
  const weights = fingerprint(model);
  let memory = remembered.get(model);
  if (memory?.weights !== weights) {
    memory = { weights, galleries: new WeakMap() };
    remembered.set(model, memory);
  }
  const index = memory.galleries.get(items) ?? indexGallery(model, items);
  memory.galleries.set(items, index);
  return index;
}

/** The first projection's biases as text: every training step moves them, and reading them costs nothing. */
function fingerprint({ parameters }: Model): string {
  return ["img.fc1.bias", "txt.fc1.bias", "img.fc2.bias", "txt.fc2.bias"]
    .map((name) => parameters.get(name)?.dataSync().join() ?? "")
    .join(";");
}
