/** Weight files of other programs made from the golden weights of the published code. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { AmsError } from "../../../src/errors.js";
import { writeSafetensors, type StoredTensor } from "../../../src/model/safetensors.js";
import { goldenTensors } from "../../golden.js";

export type Tensors = Map<string, StoredTensor>;

export const visionConfig = {
  model_type: "vit",
  hidden_size: 32,
  num_hidden_layers: 12,
  num_attention_heads: 4,
  intermediate_size: 64,
  image_size: 32,
  patch_size: 8,
  hidden_act: "gelu",
  layer_norm_eps: 1e-12,
};

export const textConfig = {
  model_type: "bert",
  hidden_size: 32,
  num_hidden_layers: 12,
  num_attention_heads: 4,
  intermediate_size: 64,
  vocab_size: 120,
  max_position_embeddings: 40,
  hidden_act: "gelu",
  layer_norm_eps: 1e-12,
  hidden_dropout_prob: 0.1,
};

/** 120 word pieces, the special ones where bert-base-uncased has them. */
export const vocabulary = Array.from({ length: 120 }, (_, id) =>
  id === 0 ? "[PAD]" : (["[UNK]", "[CLS]", "[SEP]", "[MASK]"][id - 100] ?? `w${id}`),
);

/** The golden encoder of a side under the names of the hub: google/vit-* begin with `vit.`, bert-* with `bert.`. */
export function hubTensors(side: "img" | "txt", prefix = side === "img" ? "vit." : "bert."): Tensors {
  const own = side === "img" ? "visual_encoder." : "text_encoder.";
  const names = [...goldenTensors(`tiny/weights_${side}`)].filter(([name]) => name.startsWith(own));
  return new Map(names.map(([name, tensor]) => [prefix + name.slice(own.length), tensor]));
}

/** A Hugging Face folder. */
export function writeFolder(folder: string, tensors: Tensors, config: object, words?: string[]): string {
  mkdirSync(folder, { recursive: true });
  writeSafetensors(path.join(folder, "model.safetensors"), tensors);
  writeFileSync(path.join(folder, "config.json"), JSON.stringify(config));
  if (words !== undefined) writeFileSync(path.join(folder, "vocab.txt"), `${words.join("\n")}\n`);
  return folder;
}

/** For assert.rejects: an AmsError with all three lines. */
export function threeLines(message: RegExp, hint = /./): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof AmsError, String(error));
    assert.match(error.message, message);
    assert.match(error.hint ?? "", hint);
    assert.ok((error.where ?? "") !== "", "no place");
    return true;
  };
}
