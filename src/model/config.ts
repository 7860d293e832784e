/** Sizes of the model: the published one, a small one for laptops, and the tiny one of the golden numbers. */

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
}

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
}

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
}

/** Regions per image: patches and [CLS]. */
export function regions(config: ModelConfig): number {
  return (config.image.pixels / config.image.patch) ** 2 + 1;
}

const sixOfTwelve = [1, 3, 5, 7, 9, 11];

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
  };
}
