/** A training on batches of random numbers: no data set, no tokenizer, every step the same work. */
import type { Batch } from "../../src/data/batches.js";
import type { Dataset, Item } from "../../src/data/dataset.js";
import type { Tokenizer } from "../../src/data/tokens.js";
import { sizes, type ModelConfig } from "../../src/model/config.js";
import type { Model } from "../../src/model/ams.js";
import { shapeModel } from "../../src/model/head.js";
import { createParameters } from "../../src/model/parameters.js";
import { Random } from "../../src/random.js";
import { recipeOf } from "../../src/train/recipe.js";
import { prepare, type Training } from "../../src/train/training.js";

/** The small size with few words: what the tests need of it is its encoders. */
export const smallSize: ModelConfig = { ...sizes.small, text: { ...sizes.small.text, vocabulary: 2000 } };

/** Of the captions the batches' ids are random numbers; labels ask where their words are. */
const spansOnly: Tokenizer = {
  vocabularySize: 0,
  words: [],
  encode: () => ({
    ids: new Int32Array(),
    mask: new Int32Array(),
    pieces: [],
    spans: [null, [0, 1], [2, 5], null],
    truncated: false,
  }),
};

/** What labels are made of: a dog in the left half of every picture, named by its caption. */
const labelled: Item[] = Array.from({ length: 4 }, (_, i) => ({
  id: String(i),
  image: `${String(i)}.png`,
  captions: [{ text: "a dog", phrases: [{ start: 0, end: 5, objects: [0] }] }],
  objects: [{ label: "dog", box: { x: 0, y: 0, width: 0.5, height: 1 } }],
  place: "beach",
}));

/** A training at its start, of the published recipe or another, with a model of random weights that has the recipe's head. */
export function trainingOfNumbers(config: ModelConfig, name = "ams-published"): Training {
  const recipe = recipeOf(name);
  const model: Model = {
    config,
    parameters: createParameters(config, 1),
    thresholds: { mined: 0, safe: 0 },
    quirks: recipe.quirks,
    recipe: recipe.name,
    tokenizer: spansOnly,
  };
  const dataset: Dataset = { name: "numbers", root: "", fingerprint: "", splits: {} };
  return prepare(shapeModel(model, recipe.head, recipe.name), recipe, labelled, 1000, dataset, {});
}

const whole = { left: 0, top: 0, width: 1, height: 1 };

export function batchOfNumbers({ image, text, maxLength }: ModelConfig, size: number, seed: number): Batch {
  const random = new Random(seed);
  return {
    pixels: Float32Array.from({ length: size * 3 * image.pixels ** 2 }, () => random.normal()),
    ids: Int32Array.from({ length: size * maxLength }, () => 1 + random.int(text.vocabulary - 1)),
    mask: new Int32Array(size * maxLength).fill(1),
    pairs: Array.from({ length: size }, (_, item) => ({ item, caption: 0 })),
    crops: Array.from({ length: size }, () => ({ ...whole, flip: false, imageWidth: 1, imageHeight: 1 })),
    skipped: [],
  };
}

/** Longest stretches between two turns of the event loop, in milliseconds. */
export interface Gap {
  wall: number;
  /** Of the process's processor time: with one thread it hardly depends on what else the machine does. */
  cpu: number;
}

/** Watches the event loop until the function that it returns is called. */
export function watchTurns(): () => Gap {
  const gap: Gap = { wall: 0, cpu: 0 };
  let [turned, used] = [performance.now(), process.cpuUsage()];
  let next = setImmediate(look);
  function look(): void {
    measure();
    next = setImmediate(look);
  }
  function measure(): void {
    const { user, system } = process.cpuUsage(used);
    gap.wall = Math.max(gap.wall, performance.now() - turned);
    gap.cpu = Math.max(gap.cpu, (user + system) / 1000);
    [turned, used] = [performance.now(), process.cpuUsage()];
  }
  return () => {
    measure();
    clearImmediate(next);
    return gap;
  };
}
