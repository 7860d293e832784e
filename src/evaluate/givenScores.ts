/** Score matrices in files: those made elsewhere are read, our own are written so that NumPy opens them. */
import { existsSync } from "node:fs";
import path from "node:path";
import { AmsError } from "../errors.js";
import { readDoubles, writeSafetensors } from "../model/safetensors.js";
import { makeFolder, writing } from "../writing.js";
import type { Evaluation } from "./evaluation.js";
import { readNpy, writeNpy } from "./npy.js";

/** Scores [images, captions], row-major, and the image of each caption. */
export interface GivenScores {
  scores: Float64Array;
  owner: Int32Array;
}

const wanted =
  "give two tensors: scores [images, captions] of floats, and owner [captions] of integers, the image of each caption counted from 0";

/**
 * Reads `scores` [images, captions] (kept in full) and `owner` [captions] (the image of each caption, from 0) from safetensors, or from
 * NAME.npy with NAME.owner.npy. A file without owners needs `owner`, the owners that the caller knows, from the shape of
 * the scores. Throws AmsError for a file that lacks one of them, or whose shapes disagree.
 */
export function readScores(file: string, knownOwner?: (images: number, captions: number) => Int32Array): GivenScores {
  if (/\.npz$/i.test(file)) throw ofArchive(file);
  const { scores, owner, has } = /\.npy$/i.test(file) ? fromNpy(file) : fromSafetensors(file);
  const [images = 0, captions = 0] = scores?.shape ?? [];
  const isMatrix = scores?.shape.length === 2 && images > 0 && captions > 0;
  const known = owner === undefined && isMatrix ? knownOwner?.(images, captions) : undefined;
  const owners = known === undefined ? owner : { shape: [known.length], data: Float64Array.from(known) };
  const wrong =
    scores === undefined
      ? `it has ${has}`
      : !isMatrix
        ? `scores are of shape [${scores.shape.join(", ")}], no matrix of images and captions`
        : owners === undefined
          ? `it has ${has}`
          : owners.shape.length !== 1 || owners.shape[0] !== captions
            ? `scores are [${scores.shape.join(", ")}], owner [${owners.shape.join(", ")}]`
            : badOwner(owners.data, images);
  if (scores === undefined || owners === undefined || wrong !== undefined) {
    throw new AmsError(`these are not scores with the image of each caption: ${wrong ?? ""}`, {
      where: file,
      hint:
        owners === undefined && isMatrix ? `${wanted}; or say --captions-per-image N, or --data and --split` : wanted,
    });
  }
  return { scores: scores.data, owner: Int32Array.from(owners.data) };
}

/** NumPy's .npz is a ZIP of .npy files with any names. */
function ofArchive(file: string): AmsError {
  const name = path.basename(file);
  const plain = name.replace(/\.npz$/i, ".npy");
  return new AmsError("a .npz holds several arrays, and scores are read from a .npy with one", {
    where: file,
    hint: `save the one with the scores (its name is in numpy.load("${name}").files): numpy.save("${plain}", numpy.load("${name}")["NAME"])`,
  });
}

/** Says which caption belongs to no image. */
function badOwner(owner: Float64Array, images: number): string | undefined {
  const caption = owner.findIndex((image) => !Number.isInteger(image) || image < 0 || image >= images);
  if (caption < 0) return undefined;
  return `caption ${caption} is said to belong to image ${owner[caption]}, and the ${images} images count from 0 to ${images - 1}`;
}

interface Found {
  scores?: { shape: number[]; data: Float64Array } | undefined;
  owner?: { shape: number[]; data: Float64Array } | undefined;
  /** What is there, for an error. */
  has: string;
}

function fromSafetensors(file: string): Found {
  const tensors = readDoubles(file);
  const names = [...tensors.keys()].slice(0, 5);
  return { scores: tensors.get("scores"), owner: tensors.get("owner"), has: names.join(", ") || "no tensors" };
}

function fromNpy(file: string): Found {
  const beside = ownerFile(file);
  return {
    scores: readNpy(file),
    owner: existsSync(beside) ? readNpy(beside, "owner") : undefined,
    has: `scores, and ${path.basename(beside)} is not beside them`,
  };
}

const ownerFile = (file: string): string => file.replace(/\.npy$/i, ".owner.npy");

/** Throws an AmsError for a name that `saveScores` cannot write. */
export function checkSaveName(file: string): ".npy" | ".safetensors" {
  const ending = path.extname(file).toLowerCase();
  if (ending === ".npy" || ending === ".safetensors") return ending;
  throw new AmsError(`scores cannot be saved as "${ending === "" ? path.basename(file) : ending}"`, {
    where: file,
    hint: "end the name with .safetensors or .npy, as in scores.npy",
  });
}

type Matrix = Pick<Evaluation, "scores" | "owner" | "images" | "dataset" | "split"> & { name?: string | undefined };

/**
 * Writes the scores of an evaluation with the owners: NAME.safetensors, or NAME.npy with NAME.owner.npy -> the files. Throws
 * AmsError for another ending, and where the place cannot be written.
 */
export function saveScores(file: string, { scores, owner, images, dataset, split, name }: Matrix): string[] {
  const ending = checkSaveName(file);
  return writing(file, () => {
    makeFolder(path.dirname(file));
    if (ending === ".npy") {
      writeNpy(file, [images, owner.length], scores);
      writeNpy(ownerFile(file), [owner.length], owner);
      return [file, ownerFile(file)];
    }
    writeSafetensors(
      file,
      [
        ["scores", { shape: [images, owner.length], data: scores }],
        ["owner", { shape: [owner.length], data: owner }],
      ],
      { metadata: { dataset, split, ...(name === undefined ? {} : { model: name }) } },
    );
    return [file];
  });
}

/** Where the scores of one scale go: NAME.scale-1.npy beside NAME.npy. */
export function scaleFile(file: string, scale: number): string {
  const { dir, name, ext } = path.parse(file);
  return path.join(dir, `${name}.scale-${String(scale)}${ext}`);
}
