/** Models that look at precomputed region features instead of pictures, with a GRU or a BERT for the captions. */
import type { RegionSize } from "../data/regionFeatures.js";
import { openTokenizer } from "../data/tokens.js";
import { splitWords } from "../data/words.js";
import { AmsError } from "../errors.js";
import { disposeModel, type Model } from "./ams.js";
import type { BuildOptions } from "./build.js";
import type { ModelConfig } from "./config.js";
import { withHead } from "./head.js";
import { createParameters } from "./parameters.js";
import { buildPretrained } from "./weights/pretrained.js";

const specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];

/** Every word that is at least `least` times in the captions (SCAN: 4), in alphabetical order, after the special tokens. */
export function wordsOf(captions: Iterable<string>, least = 4): string[] {
  const counts = new Map<string, number>();
  for (const caption of captions) {
    for (const { text } of splitWords(caption, /(?!)/g)) counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return [...specials, ...[...counts].filter(([, count]) => count >= least).map(([word]) => word).sort()]; // prettier-ignore
}

/**
 * One scale: regions by a linear layer, captions by a GRU over `words` (300 wide), or by a pretrained BERT (`text`). Errors: a recipe that needs
 * pictures, a GRU without words.
 */
export async function buildRegionModel(
  size: RegionSize,
  { recipe, text, words = [], quirks, embed = 1024, seed = 3407 }: BuildOptions,
): Promise<Model> {
  if (recipe?.head?.projection !== true) {
    throw new AmsError(`the recipe ${recipe?.name ?? "ams-published"} does not work on region features`, {
      where: `--regions ${size.count}x${size.width}`,
      hint: "choose one with a single projected scale: --recipe naaf, uarda or vse",
    });
  }
  if (text === undefined && words.length <= specials.length) {
    throw new AmsError("a GRU needs to know the words of its captions", {
      where: `--regions ${size.count}x${size.width}`,
      hint: "open the data first (their training captions give the words), or take a BERT: --text bert-base-uncased",
    });
  }
  const bert = text === undefined ? undefined : await buildPretrained({ text, seed });
  const tokenizer = bert?.tokenizer ?? (await openTokenizer({ pieces: words, file: "words of the captions" }));
  const gru = { vocabulary: words.length, positions: 30, width: 300, layers: 1, heads: 1, hidden: 1, dropout: 0, recurrent: true }; // prettier-ignore
  const depth = bert === undefined ? 1 : Math.max(...(bert.config.textScales ?? bert.config.scales));
  const whole: ModelConfig = {
    size: bert === undefined ? "regions-gru" : "regions-bert",
    image: { pixels: 1, patch: 1, width: size.width, layers: 1, heads: 1, hidden: 1, regions: size.count },
    text: bert?.config.text ?? gru,
    embed,
    maxLength: 30,
    scales: [1],
    ...(depth === 1 ? {} : { textScales: [depth] }),
  };
  const config = withHead(whole, recipe.head);
  const parameters = createParameters(config, seed);
  for (const [name, variable] of parameters) {
    const pretrained = name.startsWith("txt.text_encoder.") ? bert?.parameters.get(name) : undefined;
    if (pretrained !== undefined) variable.assign(pretrained);
  }
  const model: Model = {
    config,
    parameters,
    thresholds: { mined: 0, safe: 0 },
    quirks: { ...recipe.quirks, ...quirks },
    recipe: recipe.name,
    tokenizer,
    ...(bert?.source === undefined ? {} : { source: bert.source }),
    ...(bert?.weights === undefined ? {} : { weights: bert.weights }),
  };
  if (bert !== undefined) disposeModel(bert);
  return model;
}
