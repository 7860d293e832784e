/** The order of an epoch: which pairs of image and caption are seen, and when. */
import type { Pair } from "../data/batches.js";
import type { Item } from "../data/dataset.js";
import { Random } from "../random.js";
import type { Recipe } from "./recipe.js";

/** The pairs of an epoch (0-based) in their shuffled order: by the recipe all captions of all images, or one of each. */
export function epochOrder(items: Item[], recipe: Pick<Recipe, "sampling" | "seed">, epoch: number): Pair[] {
  const random = Random.stream(recipe.seed, `order/${epoch}`);
  const pairs =
    recipe.sampling === "images"
      ? items.map((item, i) => ({ item: i, caption: random.int(item.captions.length) }))
      : items.flatMap((item, i) => item.captions.map((_, caption) => ({ item: i, caption })));
  return random.shuffle(pairs);
}
