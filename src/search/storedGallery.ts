/** A gallery whose vectors and features lie in an index on disk. */
import type { Item } from "../data/dataset.js";
import type { Model } from "../model/ams.js";
import type { FoundCaption, Gallery } from "./gallery.js";
import { unpackFeatures, type Precision } from "./packedFeatures.js";
import { refuseOtherModel } from "./indexing.js";
import { openStore, type IndexedImage } from "./store.js";

export interface StoredGallery extends Gallery {
  folder: string;
  features: Precision;
  /** All images with their features in blocks, for scoring every one of them. */
  scan(): AsyncGenerator<{ image: string; features?: Float32Array[] }[]>;
  /** Lets go of the index's files. */
  close(): void;
}

/** Opens an index for a model. Throws AmsError where there is none, it is damaged, or another model made it. */
export async function openGallery(model: Model, folder: string): Promise<StoredGallery> {
  const store = await openStore(folder);
  const { features: precision, fingerprint, model: name } = store.record;
  try {
    refuseOtherModel(model, fingerprint, name, folder);
  } catch (error) {
    store.close();
    throw error;
  }
  const scales = model.config.scales.length;
  /** [scales, R, F] as bytes -> per scale [R, F] */
  const unpack = (bytes: Uint8Array | undefined): { features?: Float32Array[] } => {
    if (bytes === undefined || precision === "none") return {};
    const all = unpackFeatures(bytes, precision);
    const each = all.length / scales;
    return { features: Array.from({ length: scales }, (_, k) => all.subarray(k * each, (k + 1) * each)) };
  };
  return {
    folder,
    features: precision,
    size: async (what) => (await store.counts())[what],
    nearestImages: async (vector, count) =>
      (await store.nearestImages(vector, count))
        .map(({ features, pooled, ...image }) => ({ item: itemOf(image), pooled, ...unpack(features) }))
        .sort((a, b) => b.pooled - a.pooled || (a.item.image < b.item.image ? -1 : 1)),
    nearestCaptions: async (vector, count) => {
      const near = await store.nearestCaptions(vector, count);
      const images = await store.imagesAt([...new Set(near.map(({ image }) => image))]);
      const items = new Map(images.map((image) => [image.image, itemOf(image)]));
      // A caption whose image is not there was left by a write that was cut off.
      return near.flatMap(({ image, text, pooled }): FoundCaption[] => {
        const item = items.get(image);
        return item === undefined ? [] : [{ item, text, pooled }];
      });
    },
    async *scan() {
      for await (const rows of store.scan()) {
        yield rows.map(({ image, features }) => ({ image, ...unpack(features) }));
      }
    },
    close: () => {
      store.close();
    },
  };
}

function itemOf({ id, image, captions }: IndexedImage): Item {
  return { id, image, captions: captions.map((text) => ({ text })) };
}
