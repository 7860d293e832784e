/** A model from pretrained encoders: a Vision Transformer and a BERT in the files of Hugging Face and PyTorch programs. */
import { openTokenizer, type Tokenizer } from "../../data/tokens.js";
import { AmsError } from "../../errors.js";
import type { Model } from "../ams.js";
import { sizes, type ImageEncoderConfig, type ModelConfig, type SizeName, type TextEncoderConfig } from "../config.js";
import { quirks, type Quirks } from "../quirks.js";
import { assemble, configOf, type Source } from "./assemble.js";
import { findEncoder, withSettings, type Side } from "./encoder.js";
import { findWeights } from "./hub.js";
import { openWeights, type OpenWeights } from "./openWeights.js";
import type { Resize } from "./positions.js";
import { readSettings, vocabularyIn } from "./settings.js";

export interface PretrainedOptions {
  /** A ViT: a folder, a file, or a name in the cache of the Hugging Face hub. */
  vision?: string;
  /** A BERT, likewise. */
  text?: string;
  /** What is not pretrained is of this size (default base), and the pretrained encoders must be. */
  size?: SizeName;
  /** Side of the image, where it is not the one that the ViT was trained for: its positions are resized. */
  pixels?: number;
  /** Default bicubic, as the transformers library does. */
  resize?: Resize;
  /** Width of the projected features (default: of the size). */
  embed?: number;
  recipe?: { name: string; quirks: Quirks };
  /** Quirks switched against the recipe. */
  quirks?: Partial<Quirks>;
  /** Of everything that is new. Default 3407. */
  seed?: number;
  /** Default: the text encoder's own, else that of bert-base-uncased. */
  vocabulary?: string;
}

/** Builds a model from pretrained encoders. Errors: see `findWeights`, `openWeights`, `findEncoder`, `assemble`. */
export async function buildPretrained(options: PretrainedOptions): Promise<Model> {
  const open: OpenWeights[] = [];
  try {
    const found = (["image", "text"] as const).flatMap((side) => {
      const place = side === "image" ? options.vision : options.text;
      if (place === undefined) return [];
      const weights = openWeights(findWeights(place, side === "image" ? "--vision" : "--text"));
      open.push(weights);
      return [{ ...sourceOf(weights, side), folder: weights.folder }];
    });
    const text = found.find(({ side }) => side === "text");
    const tokenizer = await openTokenizer(
      options.vocabulary ?? (text === undefined ? undefined : vocabularyIn(text.folder)),
    );
    const config = modelConfig(found, options, tokenizer);
    const { parameters, spare, reports } = assemble(config, found, options.seed ?? 3407, options.resize);
    return {
      config,
      parameters,
      thresholds: { mined: 0, safe: 0 },
      quirks: { ...(options.recipe?.quirks ?? quirks.published), ...options.quirks },
      recipe: options.recipe?.name ?? "ams-published",
      tokenizer,
      source: found.map(({ file }) => file).join(" and "),
      weights: reports,
      spare,
    };
  } finally {
    for (const weights of open) weights.close();
  }
}

function sourceOf(weights: OpenWeights, side: Side): Source {
  const { tensors, file, folder } = weights;
  const settings = readSettings(folder, side); // first: it says what kind of model it is in its own words
  const found = withSettings(findEncoder(tensors, side, file), settings);
  return { ...found, file };
}

function modelConfig(found: Source[], options: PretrainedOptions, tokenizer: Tokenizer): ModelConfig {
  const size: ModelConfig = sizes[options.size ?? "base"];
  const image = found.find(({ side }) => side === "image");
  const text = found.find(({ side }) => side === "text");
  if (options.size !== undefined) for (const source of found) checkSize(source, size);
  const imageConfig = image === undefined ? size.image : (image.sizes as ImageEncoderConfig);
  const textConfig =
    text === undefined ? { ...size.text, vocabulary: tokenizer.vocabularySize } : (text.sizes as TextEncoderConfig);
  if (tokenizer.vocabularySize !== textConfig.vocabulary) {
    throw new AmsError(
      `the text encoder knows ${textConfig.vocabulary} word pieces, the vocabulary has ${tokenizer.vocabularySize}`,
      {
        where: text?.file ?? "--vocabulary",
        hint: "put the encoder's vocab.txt beside its weights, or give it with --vocabulary FILE",
      },
    );
  }
  const pixels = targetPixels(image, imageConfig, options);
  return configOf({ ...imageConfig, pixels }, textConfig, {
    scales: size.scales.length,
    embed: options.embed ?? projectedWidth(found) ?? size.embed,
    maxLength: size.maxLength,
  });
}

/** Of the projections beside an encoder of the published code. */
function projectedWidth(found: Source[]): number | undefined {
  return found.map(({ entries, side }) => entries.get(side === "image" ? "img.fc1.weight" : "txt.fc1.weight")?.shape[0])
    .find((width) => width !== undefined); // prettier-ignore
}

function targetPixels(image: Source | undefined, own: ImageEncoderConfig, options: PretrainedOptions): number {
  const { size, pixels, resize } = options;
  const wanted = pixels ?? (size === undefined ? own.pixels : sizes[size].image.pixels);
  if (wanted % own.patch !== 0) {
    throw new AmsError(`${wanted} pixels are no multiple of the patch of ${own.patch}`, {
      where: "--pixels",
      hint: `choose ${Math.max(1, Math.round(wanted / own.patch)) * own.patch}`,
    });
  }
  if (wanted !== own.pixels && image !== undefined && pixels === undefined && resize === undefined) {
    throw new AmsError(`the image encoder was trained at ${own.pixels} px, size ${String(size)} has ${wanted}`, {
      where: image.file,
      hint: `add --pixels ${own.pixels} to keep its positions, or --resize bicubic to resize them to ${wanted}`,
    });
  }
  return wanted;
}

/** With --size, a pretrained encoder must be of that size (image side and vocabulary aside). */
function checkSize({ side, sizes: found, file }: Source, size: ModelConfig): void {
  const own = found as unknown as Record<string, number>;
  const wanted = size[side] as unknown as Record<string, number>;
  const other = ["patch", "width", "layers", "heads", "hidden"].filter((name) => own[name] !== wanted[name]);
  if (other.length === 0) return;
  const list = (of: Record<string, number>): string => other.map((name) => `${name} ${String(of[name])}`).join(", ");
  throw new AmsError(`the ${side} encoder is not of size ${size.size}: ${list(own)} instead of ${list(wanted)}`, {
    where: file,
    hint: "leave out --size: the encoders have their own",
  });
}
