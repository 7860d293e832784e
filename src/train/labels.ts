/** Labels that come with drawn or annotated data: what is in every patch, and what every word of a phrase names. */
import type { Batch } from "../data/batches.js";
import type { Item } from "../data/dataset.js";
import type { Tokenizer } from "../data/tokens.js";

/** Class names in order: the things of the data, then its places. */
export function labelClasses(items: Item[]): string[] {
  const things = new Set(items.flatMap((item) => (item.objects ?? []).map((object) => object.label)));
  const places = new Set(items.flatMap((item) => (item.place === undefined ? [] : [`place:${item.place}`])));
  return [...[...things].sort(), ...[...places].sort()];
}

export interface Labels {
  /** Class of every patch [B, N], row by row; -1 where nothing is known. */
  patches: Int32Array;
  /** Class of every token [B, T]; -1 where the token is in no phrase. */
  words: Int32Array;
}

/**
 * The labels of a batch: a patch has the class of the smallest box around its centre (after crop and flip), else the
 * place; a token has the class of what its phrase refers to.
 */
export function labelBatch(
  batch: Batch,
  items: Item[],
  classes: string[],
  tokenizer: Tokenizer,
  sizes: { grid: number; maxLength: number },
): Labels {
  const { grid, maxLength } = sizes;
  const number = new Map(classes.map((name, i) => [name, i]));
  const patches = new Int32Array(batch.pairs.length * grid * grid).fill(-1);
  const words = new Int32Array(batch.pairs.length * maxLength).fill(-1);
  batch.pairs.forEach((pair, b) => {
    const item = items[pair.item] as Item;
    const crop = batch.crops[b] as Batch["crops"][number];
    const objects = item.objects ?? [];
    const place = number.get(`place:${item.place ?? ""}`) ?? -1;
    for (let row = 0; row < grid; row++) {
      for (let column = 0; column < grid; column++) {
        const across = (column + 0.5) / grid;
        const x = crop.left + (crop.flip ? 1 - across : across) * crop.width;
        const y = crop.top + ((row + 0.5) / grid) * crop.height;
        let smallest = Infinity;
        let label = place;
        for (const { box, label: name } of objects) {
          const area = box.width * box.height;
          const inside = x >= box.x && x < box.x + box.width && y >= box.y && y < box.y + box.height;
          if (inside && area < smallest) {
            smallest = area;
            label = number.get(name) ?? -1;
          }
        }
        patches[(b * grid + row) * grid + column] = label;
      }
    }
    const caption = item.captions[pair.caption];
    if (caption?.phrases === undefined) return;
    const { spans } = tokenizer.encode(caption.text, maxLength);
    spans.forEach((span, t) => {
      const phrase = caption.phrases?.find(({ start, end }) => span !== null && span[0] >= start && span[1] <= end);
      const name = phrase?.objects[0] === undefined ? undefined : objects[phrase.objects[0]]?.label;
      if (name !== undefined) words[b * maxLength + t] = number.get(name) ?? -1;
    });
  });
  return { patches, words };
}
