/** Sizes of the model: the published one, a small one for laptops, and the tiny one of the golden numbers. */
import type { RegionSize } from "../data/regionFeatures.js";
import type { ModelHead } from "./head.js";

/** The Vision Transformer (or the layer over region features). */
export interface ImageEncoderConfig {
  /** Side of the square input in pixels. */
  pixels: number;
  /** Side of a patch in pixels; (pixels / patch)^2 patches + [CLS] = regions. */
  patch: number;
  width: number;
  layers: number;
  heads: number;
  /** Inner width of the feed-forward part. */
  hidden: number;
  /** Precomputed region features instead of pixels: so many, `width` wide; the other sizes then mean nothing. */
  regions?: number | undefined;
}

/** The BERT (or GRU) over word pieces. */
export interface TextEncoderConfig {
  /** Number of word pieces. */
  vocabulary: number;
  positions: number;
  width: number;
  layers: number;
  heads: number;
  hidden: number;
  /** Probability of dropout in training (embeddings, attention weights, outputs). */
  dropout: number;
  /** A GRU in both directions over word vectors of `width` instead of BERT; its states are as wide as the features. */
  recurrent?: boolean | undefined;
}

/** The shape of a model, as `config.json` keeps it. */
export interface ModelConfig {
  size: string;
  image: ImageEncoderConfig;
  text: TextEncoderConfig;
  /** Width E of the projected features. */
  embed: number;
  /** Tokens per caption, [CLS], [SEP] and [PAD] included. */
  maxLength: number;
  /** For each scale the layer whose output it uses (1 = first layer), ascending. */
  scales: number[];
  /** The same for the text encoder, where it has another depth than the image encoder; default: `scales`. */
  textScales?: number[] | undefined;
  /** How features are made and pairs are scored, where that is not AMS's way. */
  head?: ModelHead | undefined;
}

/** For each scale the layer of one of the encoders (1 = first layer). */
export function scalesOf(config: ModelConfig, encoder: "image" | "text"): number[] {
  return encoder === "text" ? (config.textScales ?? config.scales) : config.scales;
}

/** Where scales lie in an encoder: of 12 layers on 1, 3, 5, 7, 9, 11; of any other depth at the same shares of it. */
export function spreadScales(count: number, layers: number): number[] {
  return Array.from({ length: count }, (_, k) => Math.ceil(((2 * k + 1) * layers) / (2 * count)));
}

/** "of size small"; of a model that has no known size its widths and depths. */
export function ofSize({ size, image, text }: ModelConfig): string {
  if (size in sizes) return `of size ${size}`;
  const encoder = ({ layers, width }: ImageEncoderConfig | TextEncoderConfig): string =>
    `${layers} layers ${width} wide`;
  return `of its own size (image: ${encoder(image)}, text: ${encoder(text)})`;
}

/** What the image encoder takes: the side of a picture, or the size of region features. */
export function inputOf({ image }: ModelConfig): number | RegionSize {
  return image.regions === undefined ? image.pixels : { count: image.regions, width: image.width };
}

/** Regions per image: patches and [CLS], or the precomputed ones. */
export function regions(config: ModelConfig): number {
  if (config.image.regions !== undefined) return config.image.regions;
  return (config.image.pixels / config.image.patch) ** 2 + 1;
}

const sixOfTwelve = [1, 3, 5, 7, 9, 11];

/** The sizes that `--size` names. */
export const sizes = {
  /** The configuration of the golden numbers; for tests. */
  tiny: {
    size: "tiny",
    image: { pixels: 32, patch: 8, width: 32, layers: 12, heads: 4, hidden: 64 },
    text: { vocabulary: 120, positions: 40, width: 32, layers: 12, heads: 4, hidden: 64, dropout: 0.1 },
    embed: 48,
    maxLength: 30,
    scales: sixOfTwelve,
  },
  /** For a laptop: 96 px in 8 x 8 = 64 patches of 12 px; 5 million parameters with a vocabulary of its own. */
  small: {
    size: "small",
    image: { pixels: 96, patch: 12, width: 128, layers: 12, heads: 4, hidden: 512 },
    text: { vocabulary: 30522, positions: 40, width: 128, layers: 12, heads: 4, hidden: 512, dropout: 0.1 },
    embed: 128,
    maxLength: 30,
    scales: sixOfTwelve,
  },
  /** As published: ViT-B/16 at 384 px and BERT-base uncased, projected to 1,024. */
  base: {
    size: "base",
    image: { pixels: 384, patch: 16, width: 768, layers: 12, heads: 12, hidden: 3072 },
    text: { vocabulary: 30522, positions: 512, width: 768, layers: 12, heads: 12, hidden: 3072, dropout: 0.1 },
    embed: 1024,
    maxLength: 30,
    scales: sixOfTwelve,
  },
} satisfies Record<string, ModelConfig>;

/** A size that `--size` names. */
export type SizeName = keyof typeof sizes;

/**
 * The same model with half the layers, which learns twice as fast; `grow` doubles it again. Two scales share a layer
 * where there are fewer layers than scales.
 */
export function halfDepth(config: ModelConfig): ModelConfig {
  return {
    ...config,
    size: `${config.size}-half`,
    image: { ...config.image, layers: config.image.layers / 2 },
    text: { ...config.text, layers: config.text.layers / 2 },
    scales: config.scales.map((layer) => Math.ceil(layer / 2)),
    ...(config.textScales === undefined ? {} : { textScales: config.textScales.map((layer) => Math.ceil(layer / 2)) }),
  };
}
