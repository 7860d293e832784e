/** From `--data` to a data set: by name, by folder, or the one that is open. */
import { existsSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import type { Context } from "../context.js";
import type { Dataset, Item, Opened } from "../data/dataset.js";
import type { SceneOptions } from "../data/emojiScenes/index.js";
import { leaveOut, missingImage, type ProblemOptions } from "../data/items.js";
import { knownIn } from "../data/locate.js";
import { AmsError } from "../errors.js";
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
    help: "the folder with the images (flickr30k, coco: default looked for in the usual places; a folder of your own: default that folder)",
    value: "DIR",
    complete: "folder",
  }),
  annotations: option(z.string().optional(), {
    help: "flickr30k, coco: the annotation file, or the folder with NAME_{train,val,test}.json, Karpathy's dataset_NAME.json, Flickr's .token file or COCO's captions_*.json (default: looked for beside the images and in the usual places)",
    value: "FILE|DIR",
    complete: "file",
  }),
  captions: option(z.string().optional(), {
    help: "a folder of your own: its table of captions (.csv, .tsv, .jsonl; default: the only one in it)",
    value: "FILE",
    complete: "file",
  }),
  boxes: option(z.union([z.boolean(), z.string()]).optional(), {
    help: "flickr30k, coco: also the boxes, of Flickr30K Entities (Annotations/ and Sentences/) or COCO's instances_*.json",
    value: "DIR",
    complete: "folder",
  }),
  skipProblems: option(z.boolean().default(false), {
    help: "leave out rows with missing images, empty captions or a doubled image instead of refusing the set; data --json lists them",
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
  boxes?: boolean | string | undefined;
  skipProblems?: boolean | undefined;
  /** The verb passes over images that cannot be read: missing ones are told and kept for it. */
  skipBadImages?: boolean | undefined;
}

/** The data set that a verb works on; it becomes the session's. Without a choice: the open one, else the embedded scenes. */
export async function wantDataset(choice: DataChoice, context: Context, session: Session): Promise<Dataset> {
  const { data, root, annotations, captions, boxes, skipProblems, skipBadImages } = choice;
  if (typeof data === "object") return (session.dataset = data);
  const located = [root, annotations, captions].some((value) => value !== undefined);
  const open = session.dataset;
  const reopened = open?.name === "scenes" ? undefined : open?.opened; // the scenes have theirs
  if (boxes !== undefined && boxes !== false && data === undefined && !located && reopened !== undefined) {
    return openDataset({ ...reopened, boxes }, { ...reopened, skipBadImages }, context, session); // the same once more, with its boxes
  }
  const withBoxes = boxes === undefined || open?.name === "scenes";
  if (!located && withBoxes && open !== undefined && (data === undefined || data === open.name)) return open;
  if (!located && data === undefined) context.note("no data set is open: using the embedded scenes");
  const chosen = { ...choice, data: data ?? (located ? "flickr30k" : "scenes") };
  return openDataset(chosen, { skipProblems, skipBadImages }, context, session);
}

export interface OpenOptions {
  /** What only `data` can say. */
  scenes?: SceneOptions;
  /** Leave out rows with missing images or empty captions instead of refusing. */
  skipProblems?: boolean | undefined;
  skipBadImages?: boolean | undefined;
  /** Where it is opened again: ids of the images that were left out before, and are left out now whether they are there or not. */
  leftOut?: string[] | undefined;
}

/** Opens a data set by name or folder and makes it the session's. */
export async function openDataset(
  { data, root, annotations, captions, boxes }: Omit<DataChoice, "data"> & { data: string },
  { scenes = {}, skipProblems = false, skipBadImages = false, leftOut }: OpenOptions,
  context: Context,
  session: Session,
): Promise<Dataset> {
  const onProblem = skipProblems ? ("skip" as const) : ("stop" as const);
  // Images that went missing since the first time stay in, so that a run finds the data that it began with.
  const keep = skipBadImages && (!skipProblems || leftOut !== undefined);
  const problems = { onProblem, ...(keep ? { onMissing: "keep" as const } : {}) };
  const place = (text: string | undefined): string | undefined =>
    text === undefined ? undefined : resolvePath(session, text);
  let dataset: Dataset;
  const given = { root: place(root), annotations: place(annotations), captions: place(captions) };
  const places = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const boxPlace = typeof boxes === "string" ? place(boxes) : boxes;
  let opened: Opened = {
    data,
    ...places,
    ...(boxPlace === undefined ? {} : { boxes: boxPlace }),
    ...(skipProblems ? { skipProblems } : {}),
  };
  if (data === "scenes") {
    refuseOptions(
      { root, annotations, captions, boxes: boxes === true ? undefined : boxes },
      "the scenes, which are drawn here and have their boxes",
    );
    const { openScenes } = await import("../data/emojiScenes/index.js");
    dataset = await openScenes(scenes, context);
  } else if (data === "flickr30k" || data === "coco") {
    refuseOptions({ captions }, `${data}, whose captions are its --annotations`);
    const { openKnown } = await import("../data/openKnown.js");
    const { dataset: known, ...found } = await openKnown(
      data,
      { ...given, boxes: boxPlace, ...problems, cwd: session.cwd },
      context,
    );
    opened = { ...opened, ...found };
    dataset = known;
  } else {
    const folder = ownFolder(data === "folder" ? (root ?? "") : data, session);
    const images = data === "folder" ? undefined : place(root);
    if (data !== "folder") opened.data = folder;
    dataset = await openAnyFolder(folder, { images, annotations, table: place(captions), boxes: boxPlace }, problems, context); // prettier-ignore
  }
  const missing = (dataset.leftOut ?? []).flatMap(({ image, reason }) => (reason === missingImage ? [image] : []));
  const absent = new Set([...(leftOut ?? []), ...missing]);
  if (leftOut !== undefined && leftOut.length > 0) leaveOut(dataset, absent);
  dataset.opened = absent.size === 0 ? opened : { ...opened, leftOut: [...absent] };
  session.dataset = dataset;
  return dataset;
}

/** A folder by what lies in it: scenes that were drawn before, annotation files, or a table of captions. */
async function openAnyFolder(
  folder: string,
  {
    images,
    annotations,
    table,
    boxes,
  }: Record<"images" | "annotations" | "table", string | undefined> & { boxes: boolean | string | undefined },
  problems: ProblemOptions,
  context: Context,
): Promise<Dataset> {
  if (existsSync(path.join(folder, "manifest.json")) && knownIn(folder) === "flickr30k") {
    refuseOptions(
      { root: images, annotations, captions: table, boxes: boxes === true ? undefined : boxes },
      "scenes that were drawn before",
    );
    const { readScenes } = await import("../data/emojiScenes/read.js");
    return readScenes(folder);
  }
  const { hasRegionFeatures, openRegionFeatures } = await import("../data/regionFeatures.js");
  if (table === undefined && hasRegionFeatures(folder)) {
    refuseOptions({ root: images, annotations, boxes }, "a folder of region features (SPLIT_ims.npy, SPLIT_caps.txt)");
    return openRegionFeatures(folder, context);
  }
  const known = table === undefined ? knownIn(folder) : undefined;
  if (known !== undefined) {
    refuseOptions({ annotations }, `a folder that has annotation files itself (${known})`);
    const { openKnown } = await import("../data/openKnown.js");
    return (await openKnown(known, { root: images, annotations: folder, boxes, ...problems }, context)).dataset;
  }
  refuseOptions({ annotations, boxes }, "a folder with a table of captions (--captions FILE)");
  const { openFolder } = await import("../data/folder.js");
  const places = {
    ...(table === undefined ? {} : { captions: table }),
    ...(images === undefined ? {} : { root: images }),
  };
  return openFolder({ folder, ...places, ...problems }, context);
}

/** An option that means nothing for this kind of data is told instead of left without effect. */
function refuseOptions(options: Record<string, string | boolean | undefined>, what: string): void {
  const given = Object.entries(options).find(([, value]) => value !== undefined && value !== false);
  if (given === undefined) return;
  throw new AmsError(`--${given[0]} means nothing for ${what}`, {
    where: given[1] === true ? `--${given[0]}` : `--${given[0]} ${String(given[1])}`,
    hint: "leave it out, or choose another --data",
  });
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
  const items = Object.hasOwn(dataset.splits, split) ? dataset.splits[split] : undefined; // no "constructor"
  if (items !== undefined && items.length > 0) return items;
  const names = filledSplits(dataset);
  throw new AmsError(`${dataset.name} has no split "${split}" with images`, {
    where: `--split ${split}`,
    hint: suggestion(split, names, `it has ${names.join(", ")}`),
  });
}
