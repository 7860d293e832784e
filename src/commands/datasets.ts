/** From `--data` to a data set: by name, by folder, or the one that is open. */
import { existsSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import type { Context } from "../context.js";
import type { Dataset, Item } from "../data/dataset.js";
import type { SceneOptions } from "../data/emojiScenes/index.js";
import { AmsError } from "../errors.js";
import { amsHome } from "../paths.js";
import { option } from "./command.js";
import { suggestion } from "./nearest.js";
import { resolvePath, type Session } from "./session.js";

export const dataNames = ["scenes", "flickr30k", "coco"];

/** Options of every verb that uses data. */
export const dataOptions = {
  data: option(z.union([z.string(), z.custom<Dataset>(isDataset)]).optional(), {
    help: "the data set: scenes, flickr30k, coco, or a folder (of scenes drawn before, annotation files, or images with a table of captions)",
    value: "NAME|DIR",
    type: "Dataset",
    suggest: dataNames,
    spellings: { flickr: "flickr30k" },
    complete: "folder",
  }),
  root: option(z.string().optional(), {
    help: "flickr30k, coco: the folder with the images",
    value: "DIR",
    complete: "folder",
  }),
  annotations: option(z.string().optional(), {
    help: "flickr30k, coco: the folder with NAME_train.json, NAME_val.json, NAME_test.json (default: beside the images)",
    value: "DIR",
    complete: "folder",
  }),
  captions: option(z.string().optional(), {
    help: "a folder of your own: its table of captions (.csv, .tsv, .jsonl; default: the only one in it)",
    value: "FILE",
    complete: "file",
  }),
};

/** The published names of these options. */
export const dataAliases = { dataset: "data", dataPath: "root", imageRoot: "root" } as const;

function isDataset(value: unknown): boolean {
  return typeof value === "object" && value !== null && "splits" in value && "fingerprint" in value;
}

export interface DataChoice {
  data?: string | Dataset | undefined;
  root?: string | undefined;
  annotations?: string | undefined;
  captions?: string | undefined;
}

/** The data set that a verb works on; it becomes the session's. Without a choice: the open one, else the embedded scenes. */
export async function wantDataset(choice: DataChoice, context: Context, session: Session): Promise<Dataset> {
  const { data, root, annotations, captions } = choice;
  if (typeof data === "object") return (session.dataset = data);
  const located = root !== undefined || annotations !== undefined || captions !== undefined;
  const open = session.dataset;
  if (!located && open !== undefined && (data === undefined || data === open.name)) return open;
  if (!located && data === undefined) context.note("no data set is open: using the embedded scenes");
  return openDataset({ ...choice, data: data ?? (located ? "flickr30k" : "scenes") }, {}, context, session);
}

/** What only `data` can say. */
export interface OpenOptions {
  scenes?: SceneOptions;
  /** Leave out rows with missing images or empty captions instead of refusing. */
  skipProblems?: boolean;
}

/** Opens a data set by name or folder and makes it the session's. */
export async function openDataset(
  { data, root, annotations, captions }: Omit<DataChoice, "data"> & { data: string },
  { scenes = {}, skipProblems = false }: OpenOptions,
  context: Context,
  session: Session,
): Promise<Dataset> {
  const onProblem = skipProblems ? "skip" : "stop";
  const place = (text: string | undefined): string | undefined =>
    text === undefined ? undefined : resolvePath(session, text);
  let dataset: Dataset;
  if (data === "scenes") {
    const { openScenes } = await import("../data/emojiScenes/index.js");
    dataset = await openScenes(scenes, context);
  } else if (data === "flickr30k" || data === "coco") {
    const { openFlickr30k, openCoco } = await import("../data/annotations.js");
    const found = findAnnotated(data, place(root), place(annotations));
    dataset = await (data === "coco" ? openCoco : openFlickr30k)({ ...found, onProblem }, context);
  } else {
    const folder = ownFolder(data === "folder" ? (root ?? "") : data, session);
    const images = data === "folder" ? undefined : place(root);
    dataset = await openAnyFolder(folder, { images, table: place(captions), onProblem }, context);
  }
  session.dataset = dataset;
  return dataset;
}

/** A folder by what lies in it: scenes that were drawn before, annotation files, or a table of captions. */
async function openAnyFolder(
  folder: string,
  { images, table, onProblem }: { images: string | undefined; table: string | undefined; onProblem: "skip" | "stop" },
  context: Context,
): Promise<Dataset> {
  if (existsSync(path.join(folder, "manifest.json")) && hasAnnotations(folder, "flickr30k")) {
    const { readScenes } = await import("../data/emojiScenes/read.js");
    return readScenes(folder);
  }
  for (const name of ["flickr30k", "coco"] as const) {
    if (table !== undefined || !hasAnnotations(folder, name)) continue;
    const { openFlickr30k, openCoco } = await import("../data/annotations.js");
    const root = images ?? [path.join(folder, "images"), folder].find((candidate) => existsSync(candidate)) ?? folder;
    return (name === "coco" ? openCoco : openFlickr30k)({ root, annotations: folder, onProblem }, context);
  }
  const { openFolder } = await import("../data/folder.js");
  return openFolder({ folder, onProblem, ...(table === undefined ? {} : { captions: table }) }, context);
}

/** The folders of images and annotations: as given, else under the folder of everything generated. */
function findAnnotated(
  name: "flickr30k" | "coco",
  root: string | undefined,
  annotations: string | undefined,
): { root: string; annotations: string } {
  const home = path.join(amsHome(), "data", name);
  const images =
    root ?? [path.join(home, "images"), path.join(home, `${name}-images`), home].find((d) => existsSync(d));
  if (images === undefined || !existsSync(images)) {
    throw new AmsError(`the images of ${name} are not ${root === undefined ? "here" : "in this folder"}`, {
      where: images ?? home,
      hint:
        `get the images from their owners, then: ams data ${name} --root DIR --annotations DIR ` +
        `(or put both into ${home}); the embedded set needs nothing: ams data scenes`,
    });
  }
  const beside = [images, path.dirname(images), home].find((folder) => hasAnnotations(folder, name));
  return { root: images, annotations: annotations ?? beside ?? images };
}

function hasAnnotations(folder: string, name: string): boolean {
  return ["train", "val", "test"].some((split) => existsSync(path.join(folder, `${name}_${split}.json`)));
}

function ownFolder(text: string, session: Session): string {
  const folder = resolvePath(session, text);
  if (text !== "" && existsSync(folder)) return folder;
  throw new AmsError(text === "" ? "which folder?" : `there is no data set and no folder "${text}"`, {
    where: text === "" ? "ams data folder" : folder,
    hint:
      text === ""
        ? "give it: ams data DIR"
        : suggestion(
            text,
            dataNames,
            `the data sets are ${dataNames.join(", ")}; a folder needs images and a .csv, .tsv or .jsonl`,
          ),
  });
}

/** The names of the splits that have images. */
export function filledSplits({ splits }: Dataset): string[] {
  return Object.keys(splits).filter((name) => splits[name]?.length !== 0);
}

/** The items of a split. Throws an AmsError with the nearest split names. */
export function splitOf(dataset: Dataset, split: string): Item[] {
  const items = dataset.splits[split];
  if (items !== undefined && items.length > 0) return items;
  const names = filledSplits(dataset);
  throw new AmsError(`${dataset.name} has no split "${split}" with images`, {
    where: `--split ${split}`,
    hint: suggestion(split, names, `it has ${names.join(", ")}`),
  });
}
