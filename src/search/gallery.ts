/** What a search looks in; and a gallery in memory: one pooled vector per image and per caption, made when first asked for. */
import type * as tf from "@tensorflow/tfjs-core";
import type { Context } from "../context.js";
import { describeBad } from "../data/batches.js";
import type { Item } from "../data/dataset.js";
import { checkInput } from "../data/regionFeatures.js";
import { AmsError } from "../errors.js";
import { tokenise } from "../evaluate/encode.js";
import { captionVectors, imageVectors } from "../evaluate/pooled.js";
import type { Model } from "../model/ams.js";
import { inputOf } from "../model/config.js";
import { biasesHash } from "../model/fingerprint.js";

/** An image that the first stage found. */
export interface FoundImage {
  item: Item;
  /** The pooled score: a mean of cosines. */
  pooled: number;
  /** Region features per scale [R, F], as the exact scorer takes them, where the gallery keeps them. */
  features?: Float32Array[];
}

export interface FoundCaption {
  item: Item;
  text: string;
  pooled: number;
}

/** What a search looks in: a list of items with their vectors in memory, or an index on disk. */
export interface Gallery {
  /** How many images or captions there are. */
  size(what: "images" | "captions"): Promise<number>;
  /** The nearest to a pooled vector [scales * E], best first; images that are known to be unreadable are none of them. */
  nearestImages(vector: Float32Array, count: number, context: Context): Promise<FoundImage[]>;
  /** The captions nearest to a pooled picture, best first. */
  nearestCaptions(vector: Float32Array, count: number, context: Context): Promise<FoundCaption[]>;
}

export interface GalleryIndex extends Gallery {
  items: Item[];
  /** Every caption of the items, with the index of its item. */
  captions: { item: number; text: string }[];
  /** Items whose image could not be read when they were encoded: they are no answer. */
  unreadable: ReadonlySet<number>;
  /** [items, scales * E] and [captions, scales * E], row-major; made on first use. Unreadable images are noted. */
  images(context: Context): Promise<Float32Array>;
  /** The same of the captions. */
  texts(context: Context): Promise<Float32Array>;
}

/**
 * An index over items. Encoding waits until a query needs it: images for texts (an AmsError where the model does not look at such),
 * captions for images.
 */
export function indexGallery(model: Model, items: Item[]): GalleryIndex {
  const captions = items.flatMap(({ captions }, item) => captions.map(({ text }) => ({ item, text })));
  const unreadable = new Map<number, string>();
  let images: Float32Array | undefined;
  let texts: Float32Array | undefined;
  const encodeItems = async (context: Context): Promise<Float32Array> => {
    checkInput(items, inputOf(model.config));
    unreadable.clear(); // of a call that was interrupted
    const vectors = await values(
      imageVectors(model, items, context, (item, image) => unreadable.set(item, describeBad(image))),
    );
    tellUnreadable(unreadable, items.length, context);
    return vectors;
  };
  const index: GalleryIndex = {
    items,
    captions,
    get unreadable() {
      return new Set(unreadable.keys());
    },
    images: async (context) => (images ??= await encodeItems(context)),
    texts: async (context) => {
      const tokens = tokenise(model.tokenizer, captions.map(({ text }) => text), model.config.maxLength); // prettier-ignore
      return (texts ??= await values(captionVectors(model, tokens, context)));
    },
    size: (what) => Promise.resolve(what === "images" ? items.length : captions.length),
    nearestImages: async (vector, count, context) => {
      const near = nearest(await index.images(context), vector, count, index.unreadable);
      return near.map(({ place, pooled }) => ({ item: items[place]!, pooled }));
    },
    nearestCaptions: async (vector, count, context) =>
      nearest(await index.texts(context), vector, count).map(({ place, pooled }) => {
        const { item, text } = captions[place]!;
        return { item: items[item]!, text, pooled };
      }),
  };
  return index;
}

/** The `count` rows of `vectors` with the largest dot product with the query [D], best first, without those of `except`. */
function nearest(
  vectors: Float32Array,
  query: Float32Array,
  count: number,
  except: ReadonlySet<number> = new Set(),
): { place: number; pooled: number }[] {
  const width = query.length;
  const found = Array.from({ length: vectors.length / width }, (_, place) => {
    let pooled = 0;
    for (let d = 0; d < width; d++) pooled += vectors[place * width + d]! * query[d]!;
    return { place, pooled };
  });
  const answers = found.filter(({ place }) => !except.has(place));
  return answers.sort((a, b) => b.pooled - a.pooled || a.place - b.place).slice(0, count);
}

function tellUnreadable(unreadable: ReadonlyMap<number, string>, images: number, context: Context): void {
  const [first] = unreadable.values();
  if (first === undefined) return;
  if (unreadable.size === images) {
    throw new AmsError(`none of the ${images} images of the gallery can be read: ${first}`, {
      where: "images of the gallery",
      hint: "check the image root of the data set",
    });
  }
  const some = [...unreadable.values()].slice(0, 3).join("; ") + (unreadable.size > 3 ? "; ..." : "");
  context.note(`${unreadable.size} of ${images} images of the gallery cannot be read and are left out: ${some}`);
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
  const weights = biasesHash(model);
  let memory = remembered.get(model);
  if (memory?.weights !== weights) {
    memory = { weights, galleries: new WeakMap() };
    remembered.set(model, memory);
  }
  const index = memory.galleries.get(items) ?? indexGallery(model, items);
  memory.galleries.set(items, index);
  return index;
}
