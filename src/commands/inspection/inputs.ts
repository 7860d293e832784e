/** What `inspect` is given: pictures as pixels, captions as ids and mask, and features made here or elsewhere. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { AmsError } from "../../errors.js";
import type { ModelConfig } from "../../model/config.js";
import { readSafetensors, type StoredTensor } from "../../model/safetensors.js";

export interface Inputs {
  /** [B, 3, S, S] */
  pixels?: StoredTensor;
  /** Both [C, W], int32. */
  captions?: { ids: Int32Array; mask: Int32Array; count: number; words: number };
  /** The image of each caption, [C]; absent: caption c belongs to image c. */
  owner?: Int32Array;
}

/**
 * Reads `pixels` [B, 3, S, S], `ids` and `mask` [C, W] and `owner` [C] from safetensors files, or from what `inspect pixels` and
 * `inspect tokens` write: tensors [3, S, S] by file name, in their order, and {ids, mask} as JSON.
 */
export function readInputs(files: string[]): Inputs {
  const tensors = new Map<string, StoredTensor>();
  for (const file of files) {
    const found = path.extname(file).toLowerCase() === ".json" ? readTokens(file) : readSafetensors(file).tensors;
    for (const [name, tensor] of found) tensors.set(name, tensor);
  }
  const where = files.join(", ");
  const pixels = tensors.get("pixels") ?? stacked([...tensors], where);
  const owner = tensors.get("owner");
  const captions = captionsOf(tensors.get("ids"), tensors.get("mask"), where);
  if (pixels === undefined && captions === undefined) {
    throw new AmsError("there are no inputs in this file", {
      where: `${where}: it has ${[...tensors.keys()].slice(0, 5).join(", ") || "no tensors"}`,
      hint: "give pixels [B, 3, S, S], or ids and mask [C, 30], or both (ams inspect pixels and ams inspect tokens write them)",
    });
  }
  if (pixels !== undefined) {
    expect(
      pixels,
      "pixels",
      4,
      "[B, 3, S, S]",
      ([, channels, height, width]) => channels === 3 && height === width,
      where,
    );
  }
  if (owner !== undefined) {
    expect(owner, "owner", 1, "[C]", ([count]) => captions === undefined || count === captions.count, where);
  }
  return {
    ...(pixels === undefined ? {} : { pixels }),
    ...(captions === undefined ? {} : { captions }),
    ...(owner === undefined ? {} : { owner: Int32Array.from(owner.data) }),
  };
}

/** Throws an AmsError where pixels or ids do not suit the model. */
export function checkInputs({ pixels, captions }: Inputs, { image, text }: ModelConfig, where: string): void {
  const side = pixels?.shape[3];
  if (side !== undefined && side !== image.pixels) {
    throw new AmsError(`the pixels are ${side} x ${side}, and the model looks at ${image.pixels} x ${image.pixels}`, {
      where,
      hint: `make them anew: ams inspect pixels FILE... --size ${image.pixels} --out F.safetensors`,
    });
  }
  if (captions === undefined) return;
  if (captions.words > text.positions) {
    throw new AmsError(`captions of ${captions.words} tokens have only ${text.positions} positions`, {
      where: `ids in ${where}`,
      hint: "give shorter captions: ams inspect tokens --max-length N",
    });
  }
  const wrong = captions.ids.findIndex((id) => id < 0 || id >= text.vocabulary);
  if (wrong >= 0) {
    const [caption, token] = [Math.floor(wrong / captions.words), wrong % captions.words];
    throw new AmsError(`${captions.ids[wrong]} is no word piece: the model knows 0 to ${text.vocabulary - 1}`, {
      where: `ids of caption ${caption}, token ${token} in ${where}`,
      hint: "make them with the model's own vocabulary: ams inspect tokens --vocabulary FILE",
    });
  }
}

const tokenFile = z.object({ ids: z.array(z.array(z.int())), mask: z.array(z.array(z.int())) });

function readTokens(file: string): [string, StoredTensor][] {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    throw new AmsError(`the inputs ${cause instanceof SyntaxError ? "are not JSON" : "cannot be read"}`, {
      where: file,
      hint: "give a file that ams inspect tokens wrote, or safetensors with ids and mask",
      cause,
    });
  }
  const checked = tokenFile.safeParse(json);
  const rows = checked.success ? [checked.data.ids, checked.data.mask] : [];
  const width = rows[0]?.[0]?.length ?? 0;
  if (width === 0 || rows.some((list) => list.some((row) => row.length !== width))) {
    throw new AmsError("these are not the ids and masks of captions", {
      where: file,
      hint: 'give {"ids": [[...]], "mask": [[...]]} with rows of equal length, as ams inspect tokens writes it',
    });
  }
  return rows.map((list, i) => [
    i === 0 ? "ids" : "mask",
    { shape: [list.length, width], data: Int32Array.from(list.flat()) },
  ]);
}

/** Tensors [3, S, S] of equal size as one [B, 3, S, S]. */
function stacked(tensors: [string, StoredTensor][], where: string): StoredTensor | undefined {
  const pictures = tensors.filter(([, { shape }]) => shape.length === 3 && shape[0] === 3);
  const first = pictures[0]?.[1].shape;
  if (first === undefined) return undefined;
  const size = first.reduce((a, b) => a * b, 1);
  const data = new Float32Array(pictures.length * size);
  pictures.forEach(([name, tensor], b) => {
    expect(tensor, name, 3, `[${first.join(", ")}]`, (shape) => shape.join() === first.join(), where);
    data.set(tensor.data, b * size);
  });
  return { shape: [pictures.length, ...first], data };
}

function captionsOf(
  ids: StoredTensor | undefined,
  mask: StoredTensor | undefined,
  where: string,
): Inputs["captions"] | undefined {
  if (ids === undefined && mask === undefined) return undefined;
  if (ids === undefined || mask === undefined) {
    throw new AmsError(`there is ${ids === undefined ? "a mask without ids" : "no mask beside the ids"}`, {
      where,
      hint: "give both, [C, 30] int32: mask is 1 for tokens and 0 for padding",
    });
  }
  expect(ids, "ids", 2, "[C, W]", ([count, words]) => count !== 0 && words !== 0, where);
  expect(mask, "mask", 2, `[${ids.shape.join(", ")}], the shape of ids`, (s) => s.join() === ids.shape.join(), where);
  const [count, words] = ids.shape as [number, number];
  const empty = Array.from({ length: count }, (_, c) => c).find((c) => mask.data[c * words] !== 1);
  if (empty !== undefined || mask.data.some((value) => value !== 0 && value !== 1)) {
    throw new AmsError("a mask holds 1 for tokens and 0 for padding, and begins with a token", {
      where: `mask${empty === undefined ? "" : ` of caption ${empty}`} in ${where}`,
      hint: "make it with ams inspect tokens",
    });
  }
  return { ids: Int32Array.from(ids.data), mask: Int32Array.from(mask.data), count, words };
}

function expect(
  { shape }: StoredTensor,
  name: string,
  axes: number,
  wanted: string,
  fits: (shape: number[]) => boolean,
  where: string,
): void {
  if (shape.length === axes && fits(shape)) return;
  throw new AmsError(`${name} is [${shape.join(", ")}] and should be ${wanted}`, {
    where,
    hint: "give the inputs as ams inspect --help describes them",
  });
}
