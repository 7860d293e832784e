/** The config.json of a Hugging Face folder (or of one of ours): what the weights alone cannot tell, and what must agree. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { AmsError } from "../../errors.js";
import type { Side } from "./encoder.js";

export interface EncoderSettings {
  file: string;
  heads: number | undefined;
  dropout: number | undefined;
  /** To be compared with what the shapes say; undefined where the configuration does not say it. */
  sizes: Record<string, number | undefined>;
}

const count = z.number().int().min(1).optional();

const huggingFace = z.object({
  model_type: z.string().optional(),
  hidden_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  intermediate_size: count,
  hidden_act: z.string().optional(),
  layer_norm_eps: z.number().optional(),
  hidden_dropout_prob: z.number().min(0).lt(1).optional(),
  image_size: count,
  patch_size: count,
  vocab_size: count,
  max_position_embeddings: count,
  position_embedding_type: z.string().optional(),
});

const own = z.object({
  format: z.literal("ams"),
  config: z.object({
    image: z.object({ heads: count }),
    text: z.object({ heads: count, dropout: z.number().min(0).lt(1).optional() }),
  }),
});

/** ViT and BERT, and kinds that have their layers and names. */
const kinds: Record<Side, string[]> = { image: ["vit", "deit"], text: ["bert"] };

/**
 * Reads the config.json beside weights; undefined where there is none. Errors: another kind of model, an activation or a
 * norm that the encoders here do not compute, a field of the wrong type.
 */
export function readSettings(folder: string, side: Side): EncoderSettings | undefined {
  const file = path.join(folder, "config.json");
  if (!existsSync(file)) return undefined;
  const refuse = (what: string, hint: string): never => {
    throw new AmsError(what, { where: file, hint });
  };
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    refuse("the configuration of these weights is not JSON", "get config.json again");
  }
  const ours = own.safeParse(json);
  if (ours.success) {
    const { image, text } = ours.data.config;
    return { file, heads: side === "image" ? image.heads : text.heads, dropout: text.dropout, sizes: {} };
  }
  const checked = huggingFace.safeParse(json);
  if (!checked.success) {
    const [issue] = checked.error.issues;
    return refuse(
      `the configuration of these weights has no usable ${issue?.path.join(".") ?? "fields"}`,
      "give the config.json that belongs to the weights",
    );
  }
  const c = checked.data;
  const wanted = kinds[side];
  if (c.model_type !== undefined && !wanted.includes(c.model_type)) {
    const other = side === "image" ? "text" : "image";
    refuse(
      `the ${side} encoder is to be ${wanted.join(" or ")}, and this is ${c.model_type}`,
      kinds[other].includes(c.model_type)
        ? `give it to ${other === "image" ? "--vision" : "--text"}`
        : `give ${side === "image" ? "a ViT such as google/vit-base-patch16-384" : "a BERT such as bert-base-uncased"}`,
    );
  }
  if (c.hidden_act !== undefined && c.hidden_act !== "gelu") {
    refuse(`the activation ${c.hidden_act} is not computed here`, "give weights that were trained with gelu");
  }
  if (c.layer_norm_eps !== undefined && c.layer_norm_eps !== 1e-12) {
    refuse(
      `the norms were trained with epsilon ${String(c.layer_norm_eps)}, here it is 1e-12`,
      "give weights that were trained with 1e-12, as ViT and BERT are",
    );
  }
  if (c.position_embedding_type !== undefined && c.position_embedding_type !== "absolute") {
    refuse(
      `positions of the type ${c.position_embedding_type} are not computed here`,
      "give weights with absolute ones",
    );
  }
  const common = { width: c.hidden_size, layers: c.num_hidden_layers, hidden: c.intermediate_size };
  return {
    file,
    heads: c.num_attention_heads,
    dropout: c.hidden_dropout_prob,
    sizes:
      side === "image"
        ? { ...common, pixels: c.image_size, patch: c.patch_size }
        : { ...common, vocabulary: c.vocab_size, positions: c.max_position_embeddings },
  };
}

const tokenizerSettings = z.object({ do_lower_case: z.boolean().optional() });
const tokenizerJson = z.object({
  model: z.object({ type: z.literal("WordPiece"), vocab: z.record(z.string(), z.number().int().min(0)) }),
});

/**
 * The word pieces of a text folder, of its vocab.txt or else of its tokenizer.json; undefined where it has neither. Errors: a tokenizer that keeps capital letters, or is no WordPiece.
 */
export function vocabularyIn(folder: string): string | { pieces: string[]; file: string } | undefined {
  const settings = path.join(folder, "tokenizer_config.json");
  if (existsSync(settings)) {
    const checked = tokenizerSettings.safeParse(parsed(settings));
    if (checked.success && checked.data.do_lower_case === false) {
      throw new AmsError(
        "this text encoder was trained on text with capital letters, and captions are lower-cased here",
        {
          where: settings,
          hint: "give an uncased BERT such as bert-base-uncased",
        },
      );
    }
  }
  const text = path.join(folder, "vocab.txt");
  if (existsSync(text)) return text;
  const json = path.join(folder, "tokenizer.json");
  if (!existsSync(json)) return undefined;
  const checked = tokenizerJson.safeParse(parsed(json));
  if (!checked.success) {
    throw new AmsError("the tokenizer of this text encoder is no WordPiece", {
      where: json,
      hint: "give a BERT with its vocab.txt",
    });
  }
  const given = Object.entries(checked.data.model.vocab);
  const pieces = new Map(given.map(([piece, id]) => [id, piece]));
  const wrong =
    pieces.size < given.length
      ? "two word pieces have one number"
      : given.some(([, id]) => id >= given.length)
        ? `the numbers of its ${given.length} word pieces have gaps`
        : undefined;
  if (wrong !== undefined) {
    throw new AmsError(`the tokenizer of this text encoder is damaged: ${wrong}`, {
      where: json,
      hint: "get tokenizer.json again, or put the vocab.txt of the text encoder beside it",
    });
  }
  return { pieces: given.map((_, id) => pieces.get(id) as string), file: json };
}

function parsed(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    throw new AmsError("a file of the tokenizer is not JSON", { where: file, hint: "get the folder again", cause });
  }
}
