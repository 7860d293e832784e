/** An encoder among the tensors of a file: where it is, what its sizes are, and whether all of it is there. */
import { AmsError } from "../../errors.js";
import { sizes as published, type ImageEncoderConfig, type TextEncoderConfig } from "../config.js";
import type { TensorEntry } from "../tensorFile.js";
import type { EncoderSettings } from "./settings.js";

export type Side = "image" | "text";

/** A tensor with the name that it has in its file. */
export interface NamedEntry extends TensorEntry {
  key: string;
}

export interface FoundEncoder {
  side: Side;
  /** By the names of this package, e.g. `img.visual_encoder.embeddings.cls_token`. */
  entries: Map<string, NamedEntry>;
  /** Names in the file that are not of this encoder. */
  others: string[];
  /** Layers, widths and so on, read off the shapes; heads are 0 where only a configuration could tell them. */
  sizes: ImageEncoderConfig | TextEncoderConfig;
}

const marks = {
  image: {
    own: "img.visual_encoder.",
    key: "embeddings.patch_embeddings.projection.weight",
    what: "Vision Transformer",
  },
  text: { own: "txt.text_encoder.", key: "embeddings.word_embeddings.weight", what: "BERT" },
};

/**
 * Finds the encoder of a side, whatever its names begin with (`vit.`, `bert.`, `module.`, the published code's
 * `visual_encoder.`, nothing). Old names of norms (gamma, beta) and the projections beside an encoder of the published code
 * (`fc1..6`) are known. Errors: no such encoder (saying what is there instead), several, a tensor of the wrong form.
 */
export function findEncoder(tensors: Map<string, TensorEntry>, side: Side, where: string): FoundEncoder {
  const { own, key, what } = marks[side];
  const keys = [...tensors.keys()];
  const prefixes = keys.filter((name) => name === key || name.endsWith(`.${key}`)).map((n) => n.slice(0, -key.length));
  if (prefixes.length === 0) {
    const other = side === "image" ? "text" : "image";
    const isOther = keys.some((name) => name.endsWith(marks[other].key));
    throw new AmsError(`there is no ${what} in these weights: no name ends in ${key}`, {
      where: `${where} (it has ${keys.slice(0, 3).join(", ")}${keys.length > 3 ? ", ..." : ""})`,
      hint: isOther
        ? `this is a ${marks[other].what}: give it to ${other === "image" ? "--vision" : "--text"}`
        : `give ${side === "image" ? "a ViT such as google/vit-base-patch16-384" : "a BERT such as bert-base-uncased"} with the names of the transformers library`,
    });
  }
  const [prefix, second] = prefixes.sort((a, b) => a.length - b.length) as [string, string | undefined];
  if (second !== undefined) {
    throw new AmsError(`there are ${prefixes.length} encoders in these weights: ${prefixes.join(", ")}`, {
      where,
      hint: "save the one that is meant by itself",
    });
  }
  const entries = new Map<string, NamedEntry>();
  const others: string[] = [];
  const beside = /^(.*\.)?(visual_encoder|text_encoder)\.$/.exec(prefix)?.[1] ?? "";
  const isPublished = /(visual_encoder|text_encoder)\.$/.test(prefix);
  for (const [name, entry] of tensors) {
    const projection =
      isPublished && name.startsWith(beside) ? /^fc\d+\.(weight|bias)$/.exec(name.slice(beside.length)) : null;
    if (name.startsWith(prefix)) {
      const modern = name.slice(prefix.length).replace(/(LayerNorm|layernorm\w*)\.gamma$/, "$1.weight").replace(/(LayerNorm|layernorm\w*)\.beta$/, "$1.bias"); // prettier-ignore
      entries.set(own + modern, { ...entry, read: () => entry.read(), key: name });
    } else if (projection !== null) {
      entries.set(own.slice(0, 4) + projection[0], { ...entry, read: () => entry.read(), key: name });
    } else others.push(name);
  }
  const sizes = side === "image" ? imageSizes(entries, own, where) : textSizes(entries, own, where);
  return { side, entries, others, sizes };
}

type Entries = Map<string, NamedEntry>;

function shapeOf(entries: Entries, name: string, axes: number, where: string): number[] {
  const found = entries.get(name);
  const hint = "the file is incomplete or of another kind of model: get it again, or save the whole model";
  if (found === undefined) throw new AmsError(`the weights lack ${name.slice(4)}`, { where, hint });
  if (found.shape.length === axes && found.shape.every((size) => size > 0)) return found.shape;
  throw new AmsError(`${found.key} is [${found.shape.join(", ")}] and should have ${axes} axes`, { where, hint });
}

/** The most layers that an encoder may have. */
const mostLayers = 256;

/**
 * Counts the layers of an encoder whose names begin with `own`. Errors: numbers that are not 0, 1, 2, ... without a gap, more
 * than 256 (a name alone must not ask for memory).
 */
export function layersIn(names: Iterable<string>, own: string, where: string): number {
  const numbers = new Set<number>();
  for (const name of names) {
    const layer = name.startsWith(own) ? /^encoder\.layer\.(\d+)\./.exec(name.slice(own.length)) : null;
    if (layer !== null) numbers.add(Number(layer[1]));
  }
  const gap = Array.from({ length: Math.min(numbers.size, mostLayers) }, (_, n) => n).find((n) => !numbers.has(n));
  if (gap === undefined && numbers.size <= mostLayers) return numbers.size;
  const what = gap === undefined ? `more than ${mostLayers} layers` : `layers beyond ${gap}, but no layer ${gap}`;
  throw new AmsError(`the weights have ${what}`, { where, hint: "the file is incomplete or damaged: get it again" });
}

function imageSizes(entries: Entries, own: string, where: string): ImageEncoderConfig {
  const shape = (name: string, axes: number): number[] => shapeOf(entries, own + name, axes, where);
  const [width, channels, patch, patchWidth] = shape(marks.image.key, 4) as [number, number, number, number];
  const [, positions] = shape("embeddings.position_embeddings", 3) as [number, number];
  const [hidden] = shape("encoder.layer.0.intermediate.dense.weight", 2) as [number];
  const grid = Math.sqrt(positions - 1);
  const problem =
    channels !== 3
      ? `patches of ${channels} channels instead of 3`
      : patch !== patchWidth
        ? `patches of ${patch} x ${patchWidth} pixels, which are no squares`
        : Number.isInteger(grid) && grid > 0
          ? undefined
          : `${positions} positions, which are no square of patches and [CLS]`;
  if (problem !== undefined) {
    throw new AmsError(`this Vision Transformer has ${problem}`, { where, hint: "give a ViT for square RGB images" });
  }
  return { pixels: grid * patch, patch, width, layers: layersIn(entries.keys(), own, where), heads: 0, hidden };
}

function textSizes(entries: Entries, own: string, where: string): TextEncoderConfig {
  const shape = (name: string, axes: number): number[] => shapeOf(entries, own + name, axes, where);
  const [vocabulary, width] = shape(marks.text.key, 2) as [number, number];
  const [positions] = shape("embeddings.position_embeddings.weight", 2) as [number];
  const [hidden] = shape("encoder.layer.0.intermediate.dense.weight", 2) as [number];
  return { vocabulary, positions, width, layers: layersIn(entries.keys(), own, where), heads: 0, hidden, dropout: 0.1 };
}

/**
 * What a configuration says of the encoder must be what the shapes say; heads and dropout it alone can tell. Without one,
 * encoders with the widths of a known size have its heads; others are refused, since a wrong number would go unnoticed.
 */
export function withSettings(found: FoundEncoder, settings: EncoderSettings | undefined): FoundEncoder {
  const { sizes, side } = found;
  const known = Object.values(published).map((size): ImageEncoderConfig | TextEncoderConfig => size[side]);
  const heads =
    settings?.heads ?? known.find(({ width, hidden }) => width === sizes.width && hidden === sizes.hidden)?.heads ?? 0;
  const wrong = Object.entries(settings?.sizes ?? {}).filter(
    ([name, value]) => value !== undefined && value !== (sizes as unknown as Record<string, number>)[name],
  );
  const [first] = wrong;
  const where = settings?.file;
  if (first !== undefined && where !== undefined) {
    const [name, value] = first;
    throw new AmsError(
      `the configuration says ${name} ${String(value)}, the weights have ${String((sizes as unknown as Record<string, number>)[name])}`,
      { where, hint: "config.json and weights are of different models: get both from the same place" },
    );
  }
  if (heads === 0 || sizes.width % heads !== 0) {
    throw new AmsError(`the number of heads cannot be told from weights of width ${sizes.width}`, {
      where: where ?? `${side} encoder`,
      hint: 'put its config.json with "num_attention_heads" beside the weights',
    });
  }
  const dropout = settings?.dropout;
  return { ...found, sizes: { ...sizes, heads, ...(side === "text" && dropout !== undefined ? { dropout } : {}) } };
}
