/** A file or a folder of weights, in any of the forms that PyTorch and Hugging Face programs write. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { AmsError } from "../../errors.js";
import { openSafetensors } from "../safetensors.js";
import { openRanges, type TensorEntry, type TensorFile } from "../tensorFile.js";
import { openTorch, TorchTensor } from "./torchFile.js";
import { isZip } from "./zip.js";

export interface OpenWeights extends TensorFile {
  /** Where config.json and the vocabulary would be. */
  folder: string;
}

/** In the order in which they are preferred, as the transformers library does. */
const names = [
  "model.safetensors",
  "model.safetensors.index.json",
  "pytorch_model.bin",
  "pytorch_model.bin.index.json",
];

/**
 * Opens a folder (model.safetensors, pytorch_model.bin, or either in shards with an index) or one of these files. Errors:
 * no weights there, a shard that is missing, a damaged file, a torch file without a state.
 */
export function openWeights(place: string): OpenWeights {
  const file = weightsFile(place);
  if (file.endsWith(".index.json")) return openShards(file);
  return { ...openOne(file), folder: path.dirname(file) };
}

function weightsFile(place: string): string {
  const hint = "give a folder with model.safetensors or pytorch_model.bin and config.json, or one of these files";
  if (!existsSync(place)) throw new AmsError("there are no weights at this place", { where: place, hint });
  if (!statSync(place).isDirectory()) return place;
  const found = names.find((name) => existsSync(path.join(place, name)));
  if (found !== undefined) return path.join(place, found);
  const all = readdirSync(place);
  const single = all.filter((name) => /\.safetensors$/.test(name));
  if (single.length === 1) return path.join(place, single[0] as string);
  throw new AmsError("there are no weights in this folder", {
    where: `${place} (it has ${all.length === 0 ? "nothing" : all.slice(0, 8).join(", ")})`,
    hint: all.some((name) => /\.(h5|msgpack)$/.test(name))
      ? "these are weights for TensorFlow or Flax: get model.safetensors or pytorch_model.bin of the same model"
      : hint,
  });
}

/** What a file is shows in its first bytes, whatever its name is. */
function openOne(file: string): TensorFile {
  return isTorch(file) ? openState(file) : openSafetensors(file);
}

/** A torch file is a zip archive or begins with the mark of a pickle; a safetensors file with the length of its header. */
export function isTorch(file: string): boolean {
  const ranges = openRanges(file, (what) => {
    throw new AmsError(`this is no file of weights: ${what}`, { where: file, hint: "give a file of weights" });
  });
  try {
    if (isZip(ranges)) return true;
    const first = ranges.read(0, Math.min(4, ranges.size)).toString("latin1");
    // The magic number of torch.save; of other pickles the name decides, since a safetensors file may begin like one.
    return first === "\x80\x02\x8a\x0a" || (first.startsWith("\x80") && /\.(bin|pt|pth|tar|ckpt)$/.test(file));
  } finally {
    ranges.close();
  }
}

function openState(file: string): TensorFile {
  const opened = openTorch(file);
  const tensors = stateOf(opened.value);
  if (tensors !== undefined) return { file, tensors, close: opened.close };
  opened.close();
  throw new AmsError("this torch file holds no state of a model: no dictionary of names and tensors", {
    where: file,
    hint: "save the state: torch.save(model.state_dict(), FILE); the published code's checkpoints go to --checkpoint",
  });
}

/** A dictionary of tensors, or one that is inside of another under the usual names (and not deeper: it may hold itself). */
function stateOf(value: unknown): Map<string, TensorEntry> | undefined {
  if (!(value instanceof Map)) return undefined;
  return [value, ...["state_dict", "model", "module"].map((name): unknown => value.get(name))]
    .map(tensorsOf)
    .find((state) => state !== undefined);
}

/** The tensors of a dictionary by their names; undefined where it has none. */
export function tensorsOf(state: unknown): Map<string, TensorEntry> | undefined {
  if (!(state instanceof Map)) return undefined;
  const isNamed = (entry: [unknown, unknown]): entry is [string, TorchTensor] =>
    typeof entry[0] === "string" && entry[1] instanceof TorchTensor;
  const entries = [...(state as Map<unknown, unknown>)].filter(isNamed);
  return entries.length > 0 ? new Map(entries) : undefined;
}

const indexFile = z.object({ weight_map: z.record(z.string(), z.string().regex(/^[^/\\]+$/)) });

function openShards(file: string): OpenWeights {
  const folder = path.dirname(file);
  const fail = (what: string, where = file): never => {
    throw new AmsError(`the weights in shards are not complete: ${what}`, {
      where,
      hint: "copy or download the folder again; every file that the index names must be there",
    });
  };
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    fail("the index is not JSON");
  }
  const checked = indexFile.safeParse(json);
  if (!checked.success) return fail("the index has no usable weight_map of names and files");
  const shards = new Map<string, TensorFile>();
  const close = (): void => {
    for (const shard of shards.values()) shard.close();
  };
  try {
    const tensors = new Map<string, TensorEntry>();
    for (const [name, shardName] of Object.entries(checked.data.weight_map)) {
      const shardFile = path.join(folder, shardName);
      let shard = shards.get(shardName);
      if (shard === undefined) {
        if (!existsSync(shardFile)) fail(`${shardName} is missing`);
        shard = openOne(shardFile);
        shards.set(shardName, shard);
      }
      tensors.set(name, shard.tensors.get(name) ?? fail(`${name} is not in ${shardName}`, shardFile));
    }
    return { file, tensors, folder, close };
  } catch (error) {
    close();
    throw error;
  }
}
