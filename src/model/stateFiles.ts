/** A model from bare files of weights, without a config.json: its sizes are read off the tensors' shapes. */
import { openTokenizer, type Tokenizer } from "../data/tokens.js";
import { AmsError } from "../errors.js";
import type { Model } from "./ams.js";
import { sizes, type ModelConfig } from "./config.js";
import { createParameters } from "./parameters.js";
import { quirks, type Quirks } from "./quirks.js";
import { readSafetensors, type StoredTensor } from "./safetensors.js";
import { assignParameters } from "./store.js";
import { layersIn } from "./weights/encoder.js";

type Tensors = Map<string, StoredTensor>;

/**
 * Reads the weights of both encoders from one or more safetensors files: under this package's names (`img.*`, `txt.*`,
 * `b1..6`), or as the published code's two states with their own (`visual_encoder.*` and `fc1..6.*`; `text_encoder.*` and
 * `fc1..6.*`). Scale weights that are not there are 1, as in the published code. Errors name the file and what is missing.
 */
export async function modelOfFiles(
  files: string[],
  recipe: { name: string; quirks: Quirks } = { name: "ams-published", quirks: quirks.published },
): Promise<Model> {
  const where = files.join(", ");
  const tensors: Tensors = new Map();
  for (const file of files) {
    for (const [name, tensor] of fullNames(readSafetensors(file).tensors, file)) tensors.set(name, tensor);
  }
  const config = configOf(tensors, where);
  config.scales.forEach((_, k) => {
    if (!tensors.has(`b${k + 1}`)) tensors.set(`b${k + 1}`, { shape: [1], data: Float32Array.of(1) });
  });
  const parameters = createParameters(config, 0);
  assignParameters(parameters, tensors, config, where);
  return {
    config,
    parameters,
    thresholds: { mined: 0, safe: 0 },
    quirks: recipe.quirks,
    recipe: recipe.name,
    tokenizer: await tokenizerOf(config, where),
    source: where,
  };
}

/** The names that this package uses; the published code's states do not say whose projections `fc1..6` are. */
export function fullNames(tensors: Tensors, file: string): Tensors {
  const names = [...tensors.keys()];
  const encoder = (prefix: string): boolean => names.some((name) => name.startsWith(prefix));
  const part = encoder("visual_encoder.") ? "img" : encoder("text_encoder.") ? "txt" : undefined;
  if (part === undefined && !names.some((name) => /^(img|txt)\./.test(name))) {
    throw new AmsError("no weights of an AMS encoder are in this file", {
      where: `${file}: it has ${names.slice(0, 3).join(", ")}${names.length > 3 ? ", ..." : ""}`,
      hint: "give the weights of both encoders (img.* and txt.*, or visual_encoder.* and text_encoder.*)",
    });
  }
  return new Map(
    [...tensors].map(([name, tensor]) => [
      part === undefined || /^(img|txt)\.|^b\d+$/.test(name) ? name : `${part}.${name}`,
      tensor,
    ]),
  );
}

/**
 * The sizes that a model's tensors imply. Where they are those of a known size it has that size's heads, else heads are
 * 64 wide, as in every published ViT and BERT; six scales lie on layers 1, 3, 5, ...
 */
export function configOf(tensors: Map<string, { shape: number[] }>, where: string): ModelConfig {
  const shape = (name: string): number[] => {
    const found = tensors.get(name);
    if (found !== undefined) return found.shape;
    throw new AmsError(`the weights lack ${name}`, {
      where,
      hint: "give the weights of both encoders and of their projections, as the published code's state holds them",
    });
  };
  const at = (name: string, axis: number): number => shape(name)[axis] ?? 0;
  const layers = (encoder: string): number => layersIn(tensors.keys(), `${encoder}.`, where);
  const [vit, bert] = ["img.visual_encoder", "txt.text_encoder"];
  const kernel = `${vit}.embeddings.patch_embeddings.projection.weight`;
  const patch = at(kernel, 2);
  const grid = Math.sqrt(at(`${vit}.embeddings.position_embeddings`, 1) - 1);
  const scales = [...tensors.keys()].filter((name) => /^img\.fc\d+\.weight$/.test(name)).map((_, k) => 2 * k + 1);
  const image = {
    pixels: grid * patch,
    patch,
    width: at(kernel, 0),
    layers: layers(vit),
    heads: 0,
    hidden: at(`${vit}.encoder.layer.0.intermediate.dense.weight`, 0),
  };
  const words = `${bert}.embeddings.word_embeddings.weight`;
  const text = {
    vocabulary: at(words, 0),
    positions: at(`${bert}.embeddings.position_embeddings.weight`, 0),
    width: at(words, 1),
    layers: layers(bert),
    heads: 0,
    hidden: at(`${bert}.encoder.layer.0.intermediate.dense.weight`, 0),
    dropout: 0.1,
  };
  const embed = at("img.fc1.weight", 0);
  const known = Object.values(sizes).find(
    (size) =>
      size.embed === embed &&
      [size.image.width, size.image.hidden, size.text.width, size.text.hidden].join() ===
        [image.width, image.hidden, text.width, text.hidden].join(),
  );
  const deepest = Math.max(0, ...scales);
  const problem =
    !Number.isInteger(grid) || grid < 1
      ? `${at(`${vit}.embeddings.position_embeddings`, 1)} positions are no square of patches and [CLS]`
      : deepest === 0 || Math.min(image.layers, text.layers) < deepest
        ? `${scales.length} scales need ${deepest} layers; the encoders have ${image.layers} and ${text.layers}`
        : known === undefined && (image.width % 64 !== 0 || text.width % 64 !== 0)
          ? `widths of ${image.width} and ${text.width} do not tell the number of heads`
          : undefined;
  if (problem !== undefined) {
    throw new AmsError(`the sizes of this model cannot be told from its weights: ${problem}`, {
      where,
      hint: "give a folder with config.json beside the weights, as an export writes it",
    });
  }
  return {
    size: known?.size ?? "custom",
    image: { ...image, layers: Math.max(image.layers, deepest), heads: known?.image.heads ?? image.width / 64 },
    text: { ...text, heads: known?.text.heads ?? text.width / 64 },
    embed,
    maxLength: Math.min(30, text.positions),
    scales,
  };
}

/** BERT's, where the vocabulary is its; else the ids of captions can only be given. */
async function tokenizerOf({ text }: ModelConfig, where: string): Promise<Tokenizer> {
  if (text.vocabulary === sizes.base.text.vocabulary) return openTokenizer();
  return {
    vocabularySize: text.vocabulary,
    words: [],
    encode: () => {
      throw new AmsError(`these weights come without their vocabulary of ${text.vocabulary} word pieces`, {
        where,
        hint: "give captions as ids and mask, or a folder with config.json and vocab.txt",
      });
    },
  };
}
