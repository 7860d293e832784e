/** The annotation files of a set: Flickr30K's JSON layout, and the same scenes with boxes and phrases as JSON lines. */
import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import path from "node:path";
import { breathe, type Context } from "../../context.js";
import type { SceneRecipe } from "./options.js";
import type { SceneRow } from "./scene.js";
import { sceneSplits, type SceneSplit } from "./splits.js";
import type { Block } from "./worker.js";

/** Flickr30K's own file name for a split. */
export function flickrFile(split: SceneSplit): string {
  return `flickr30k_${split}.json`;
}

/** One scene a line: id, image, place, objects with boxes, captions with phrases. */
export function scenesFile(split: SceneSplit): string {
  return `scenes-${split}.jsonl`;
}

/** Joins the finished blocks to the files of all splits; returns the sha256 over the scene files. */
export async function writeAnnotations(
  folder: string,
  recipe: SceneRecipe,
  blocksOf: (recipe: SceneRecipe, split: SceneSplit) => Block[],
  context: Context,
): Promise<string> {
  const hash = createHash("sha256");
  for (const split of sceneSplits) {
    const scenes = openSync(path.join(folder, scenesFile(split)), "w");
    const flickr = openSync(path.join(folder, flickrFile(split)), "w");
    let separator = "[\n";
    for (const block of blocksOf(recipe, split)) {
      await breathe(); // 100,000 scenes take some seconds
      context.signal.throwIfAborted();
      const text = readFileSync(path.join(folder, "blocks", `${block.name}.jsonl`), "utf8");
      writeSync(scenes, text);
      hash.update(text);
      for (const line of text.trimEnd().split("\n")) {
        writeSync(flickr, `${separator}${flickrRows(JSON.parse(line) as SceneRow, split).join(",\n")}`);
        separator = ",\n";
      }
    }
    writeSync(flickr, separator === "[\n" ? "[]\n" : "\n]\n");
    closeSync(scenes);
    closeSync(flickr);
  }
  return hash.digest("hex");
}

/** Training: a row a caption. Elsewhere: a row an image. */
function flickrRows({ id, image, captions }: SceneRow, split: SceneSplit): string[] {
  const texts = captions.map(({ text }) => text);
  if (split !== "train") return [JSON.stringify({ image, caption: texts })];
  return texts.map((caption) => JSON.stringify({ image, caption, image_id: id }));
}
