/** Finds Flickr30K and MS-COCO on this machine: images and annotation files in their usual places under their usual names. */
import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { AmsError } from "../errors.js";
import { amsHome } from "../paths.js";

export type KnownName = "flickr30k" | "coco";

/** The annotation files that were found, by their layout. */
export type Source =
  | { layout: "albef"; files: Record<string, string> }
  | { layout: "karpathy"; file: string }
  | { layout: "token"; file: string; splits: Record<string, string> }
  | { layout: "captions"; files: string[]; karpathy?: string };

export interface Located {
  /** The folder of the images. */
  root: string;
  source: Source;
  /** The file or folder that leads to the same source again. */
  annotations: string;
}

export interface Places {
  root?: string | undefined;
  /** A file, or a folder with them. */
  annotations?: string | undefined;
  /** Where relative places begin; default: the process's folder. */
  cwd?: string | undefined;
}

/** What a person needs to know about a set that is not there. */
const owners: Record<KnownName, { images: string; annotations: string; files: string; boxes: string }> = {
  flickr30k: {
    images:
      "the images come from the set's authors, by the form at the end of http://hockenmaier.cs.illinois.edu/DenotationGraph/",
    annotations:
      "captions and splits: flickr30k_{train,val,test}.json are in ALBEF's data.tar.gz (github.com/salesforce/ALBEF), " +
      "dataset_flickr30k.json in Karpathy's caption_datasets.zip (cs.stanford.edu/people/karpathy/deepimagesent), " +
      "results_20130124.token comes with the images",
    files: "flickr30k_{train,val,test}.json, dataset_flickr30k.json, results_20130124.token or results.csv",
    boxes: "annotations.zip of github.com/BryanPlummer/flickr30k_entities holds Annotations/ and Sentences/",
  },
  coco: {
    images: "the images are train2014.zip and val2014.zip of https://cocodataset.org/#download",
    annotations:
      "captions and splits: coco_{train,val,test}.json are in ALBEF's data.tar.gz (github.com/salesforce/ALBEF), " +
      "dataset_coco.json in Karpathy's caption_datasets.zip (cs.stanford.edu/people/karpathy/deepimagesent), " +
      "captions_{train,val}2014.json in annotations_trainval2014.zip of https://cocodataset.org/#download",
    files: "coco_{train,val,test}.json, dataset_coco.json or captions_{train,val}2014.json",
    boxes: "instances_{train,val}2014.json are in annotations_trainval2014.zip of https://cocodataset.org/#download",
  },
};

const usualSplits = ["train", "val", "test"];

/**
 * Where a known set is. What is given counts and only the rest is looked for: beside what is given, under the folder of
 * everything generated, and in data/, datasets/ and the like here and at home. Throws an `AmsError` that says which part
 * is missing, where it was looked for, and where people get it.
 */
export function locate(name: KnownName, { root, annotations, cwd = process.cwd() }: Places): Located {
  const around = [annotations, annotations && path.dirname(annotations), root, root && path.dirname(root)];
  const bases = [...new Set([...around.filter((place) => place !== undefined), ...usualPlaces(name, cwd)])];
  const images = root === undefined ? bases.map((base) => imagesBelow(name, base)).find(Boolean) : existing(name, root);
  const found = findSource(name, annotations, bases, images);
  const sought = (given: string | undefined): string => given ?? bases.map(short).join(", ");
  if (images === undefined) {
    const also = found === undefined ? `; ${owners[name].annotations}` : "";
    const packed = archiveIn(name, bases);
    const source = packed === undefined ? owners[name].images : `unpack ${short(packed)}`;
    throw new AmsError(`the images of ${name} are not here${found === undefined ? ", nor its annotations" : ""}`, {
      where: `looked in ${sought(undefined)}`,
      hint: `${source}${also}. Then: ams data ${name} --root DIR --annotations DIR. The embedded set needs nothing: ams data scenes`,
    });
  }
  if (found === undefined) {
    throw new AmsError(`no annotation file of ${name} is here: ${owners[name].files}`, {
      where: `looked in ${sought(annotations)} (the images are in ${images})`,
      hint: `${owners[name].annotations}. Then: ams data ${name} --root ${short(images)} --annotations DIR`,
    });
  }
  return { root: images, ...found };
}

/** Where people get the images of a known set. */
export function imagesFrom(name: KnownName): string {
  return owners[name].images;
}

/**
 * The usual files that are not there although others of their kind are: what the set then lacks, and where people get it; undefined
 * where nothing is missing. A single file that a person named is what they want.
 */
export function missingParts(name: KnownName, { source, annotations }: Located): string | undefined {
  const from = owners[name].annotations;
  switch (source.layout) {
    case "albef": {
      const lacking = usualSplits.filter((split) => source.files[split] === undefined);
      if (lacking.length === 0 || !isFolder(annotations)) return undefined;
      const files = lacking.map((split) => `${name}_${split}.json`).join(" and ");
      return `${files} ${lacking.length === 1 ? "is" : "are"} not in ${annotations}: there is no split ${lacking.join(" and no ")}; ${from}`;
    }
    case "token": {
      const lacking = usualSplits.filter((split) => source.splits[split] === undefined);
      if (lacking.length === usualSplits.length) {
        return (
          `no train.txt, val.txt and test.txt beside ${annotations}: all images are in one split, "all"; ` +
          "the lists are in github.com/BryanPlummer/flickr30k_entities"
        );
      }
      const files = lacking.map((split) => `${split}.txt`).join(" and ");
      return lacking.length === 0
        ? undefined
        : `${files} of github.com/BryanPlummer/flickr30k_entities is not beside the other lists: there is no split ${lacking.join(" and no ")}`;
    }
    case "captions": {
      const sets = source.files.map((file) => path.basename(file));
      const year = /20\d\d/.exec(sets[0] ?? "")?.[0] ?? "2014";
      const lacking = ["train", "val"]
        .map((set) => `captions_${set}${year}.json`)
        .filter((file) => !sets.includes(file));
      if (lacking.length === 0 || !isFolder(annotations)) return undefined;
      return `${lacking.join(" and ")} is not in ${annotations}: its images are left out; ${from}`;
    }
    case "karpathy":
      return undefined;
  }
}

/** Which known set's annotation files lie in a folder; undefined for a folder of another kind. */
export function knownIn(folder: string): KnownName | undefined {
  return (["flickr30k", "coco"] as const).find((name) =>
    [albef, karpathy, captions, token].some((kind) => {
      const source = kind(name, folder, [folder])?.source;
      // A table called results.csv may be anybody's.
      return source !== undefined && !(source.layout === "token" && source.file.endsWith(".csv"));
    }),
  );
}

function existing(name: KnownName, root: string): string {
  if (isFolder(root)) return imagesBelow(name, root) ?? root;
  const reason = existsSync(root) ? "it is a file" : "it does not exist";
  throw new AmsError(`the images of ${name} are not in this folder: ${reason}`, {
    where: root,
    hint: `${owners[name].images}. Then: ams data ${name} --root DIR --annotations DIR`,
  });
}

/** Folders that usually hold a set, under the names that people give it. */
function usualPlaces(name: KnownName, cwd: string): string[] {
  const names =
    name === "coco" ? ["coco", "mscoco", "COCO"] : ["flickr30k", "flickr30k-images", "Flickr30k", "Flickr30K"];
  const below = (folders: string[]): string[] =>
    folders.flatMap((folder) => names.map((each) => path.join(folder, each)));
  const home = homedir();
  return [
    ...below([cwd, path.join(cwd, "data")]),
    path.join(amsHome(), "data", name),
    ...below([home, path.join(home, "data"), path.join(home, "datasets")]),
  ];
}

/** The folder with the pictures in or right below `base`; undefined where there is none. */
function imagesBelow(name: KnownName, base: string): string | undefined {
  const within = name === "coco" ? ["", "images"] : ["", "flickr30k-images", "flickr30k_images", "images", "Images"];
  return within
    .map((folder) => path.join(base, folder))
    .find((folder) => (name === "coco" ? hasSets(folder) : hasPictures(folder)));
}

/** A set's pictures as they were downloaded, in one of these folders or right beside it. */
function archiveIn(name: KnownName, bases: string[]): string | undefined {
  const wanted = name === "coco" ? /^(train|val)20\d\d\.zip$/ : /^flickr30k[-_]?(images)?\.(zip|tar|tgz|tar\.gz)$/i;
  const folders = new Set(bases.flatMap((base) => [base, path.dirname(base)]));
  for (const folder of folders) {
    const archive = namesIn(folder).find((entry) => wanted.test(entry));
    if (archive !== undefined) return path.join(folder, archive);
  }
  return undefined;
}

function hasSets(folder: string): boolean {
  return namesIn(folder).some((entry) => /^(train|val)20\d\d$/.test(entry));
}

function hasPictures(folder: string): boolean {
  return namesIn(folder).some((entry) => /\.(jpe?g|png|webp)$/i.test(entry));
}

/** Folders below a base where annotation files lie. */
const annotationFolders = ["", "annotations", "data", "karpathy", "caption_datasets", "flickr30k_entities"];

function findSource(
  name: KnownName,
  given: string | undefined,
  bases: string[],
  images: string | undefined,
): { source: Source; annotations: string } | undefined {
  if (given !== undefined && !existsSync(given)) {
    throw new AmsError("these annotations do not exist", {
      where: given,
      hint: `give the file or the folder of the annotations. ${owners[name].annotations}`,
    });
  }
  if (given !== undefined && !isFolder(given)) return { source: ofFile(name, given, bases), annotations: given };
  // What lies beside the images belongs to them; only then the other places count, one after the other.
  const beside = images === undefined ? [] : [images, path.dirname(images)];
  const groups = given === undefined ? [beside, ...bases.map((base) => [base])] : [[given]];
  const below = (group: string[]): string[] =>
    group.flatMap((base) => annotationFolders.map((folder) => path.join(base, folder)));
  const all = below([...groups.flat(), ...beside]);
  // COCO's pictures of 2017 have other names than Karpathy's file knows: their own files tell the names, his the splits.
  const renamed = name === "coco" && images !== undefined && !namesIn(images).some((entry) => entry.endsWith("2014"));
  const kinds = [albef, ...(renamed ? [captions, karpathy] : [karpathy, captions]), token];
  for (const group of groups) {
    for (const kind of kinds) {
      for (const folder of below(group)) {
        const found = kind(name, folder, all);
        if (found !== undefined) return found;
      }
    }
  }
  return undefined;
}

type Found = { source: Source; annotations: string } | undefined;

function albef(name: KnownName, folder: string): Found {
  const splits = namesIn(folder)
    .filter((entry) => entry.startsWith(`${name}_`) && entry.endsWith(".json"))
    .map((entry) => entry.slice(name.length + 1, -".json".length))
    .sort((a, b) => (usualSplits.indexOf(a) + 1 || 9) - (usualSplits.indexOf(b) + 1 || 9) || a.localeCompare(b));
  if (!splits.some((split) => usualSplits.includes(split))) return undefined;
  const files = Object.fromEntries(splits.map((split) => [split, path.join(folder, `${name}_${split}.json`)]));
  return { source: { layout: "albef", files }, annotations: folder };
}

function karpathy(name: KnownName, folder: string): Found {
  const file = karpathyFile(name, [folder]);
  return file === undefined ? undefined : { source: { layout: "karpathy", file }, annotations: file };
}

function karpathyFile(name: KnownName, folders: string[]): string | undefined {
  return folders.map((folder) => path.join(folder, `dataset_${name}.json`)).find((file) => existsSync(file));
}

function captions(name: KnownName, folder: string, all: string[]): Found {
  if (name !== "coco") return undefined;
  const names = namesIn(folder).filter((entry) => /^captions_(train|val)20\d\d\.json$/.test(entry));
  const years = [...new Set(names.map((entry) => /20\d\d/.exec(entry)?.[0] ?? ""))].sort();
  if (years.length === 0) return undefined;
  const year = years.includes("2014") ? "2014" : years[0]!; // both years hold the same pictures
  const files = names.filter((entry) => entry.includes(year)).map((entry) => path.join(folder, entry));
  const splits = karpathyFile(name, all);
  return {
    source: { layout: "captions", files: files.sort(), ...(splits === undefined ? {} : { karpathy: splits }) },
    annotations: folder,
  };
}

function token(name: KnownName, folder: string, all: string[]): Found {
  if (name !== "flickr30k") return undefined;
  const names = namesIn(folder);
  const found =
    names.find((entry) => /^results.*\.token$/.test(entry)) ?? names.find((entry) => entry === "results.csv");
  if (found === undefined) return undefined;
  const file = path.join(folder, found);
  return { source: { layout: "token", file, splits: splitLists(all) }, annotations: file };
}

/** Lists of image names: train.txt, val.txt, test.txt (as Flickr30K Entities has them). */
function splitLists(folders: string[]): Record<string, string> {
  const found = folders.find(
    (folder) => existsSync(path.join(folder, "train.txt")) && existsSync(path.join(folder, "test.txt")),
  );
  if (found === undefined) return {};
  const files = usualSplits.map((split) => [split, path.join(found, `${split}.txt`)] as const);
  return Object.fromEntries(files.filter(([, file]) => existsSync(file)));
}

/** A file that was named: its layout by its name and its first characters. */
function ofFile(name: KnownName, file: string, bases: string[]): Source {
  const folders = [
    path.dirname(file),
    ...bases.flatMap((base) => annotationFolders.map((folder) => path.join(base, folder))),
  ];
  if (/\.(token|csv|txt)$/i.test(file)) return { layout: "token", file, splits: splitLists(folders) };
  const head = beginning(file);
  if (/^\W*\[/.test(head)) {
    const split = /_([a-z]+)\.json$/i.exec(path.basename(file))?.[1] ?? "train";
    return { layout: "albef", files: { [split]: file } };
  }
  const isCaptions =
    /^captions_/.test(path.basename(file)) || (/"file_name"|"licenses"/.test(head) && !/"sentences"/.test(head));
  if (!isCaptions) return { layout: "karpathy", file };
  const splits = karpathyFile(name, folders);
  return { layout: "captions", files: [file], ...(splits === undefined ? {} : { karpathy: splits }) };
}

function beginning(file: string): string {
  const bytes = Buffer.alloc(16384);
  const handle = openSync(file, "r");
  try {
    return bytes.toString("utf8", 0, readSync(handle, bytes, 0, bytes.length, 0));
  } finally {
    closeSync(handle);
  }
}

/** The boxes of a set: a folder with Annotations/ and Sentences/ (Flickr30K Entities), or COCO's instances files. */
export function locateBoxes(
  name: KnownName,
  located: Located,
  given: string | undefined,
  cwd = process.cwd(),
): string[] {
  const around = [located.annotations, path.dirname(located.annotations), located.root, path.dirname(located.root)];
  const bases = given === undefined ? [...new Set([...around, ...usualPlaces(name, cwd)])] : [given];
  const below = name === "coco" ? ["", "annotations"] : ["", "flickr30k_entities", "entities"];
  for (const folder of bases.flatMap((base) => below.map((part) => path.join(base, part)))) {
    const names = namesIn(folder);
    if (name === "flickr30k" && names.includes("Annotations") && names.includes("Sentences")) return [folder];
    const instances = names.filter((entry) => /^instances_(train|val)20\d\d\.json$/.test(entry));
    if (name === "coco" && instances.length > 0) return instances.map((entry) => path.join(folder, entry));
  }
  if (name === "coco" && given?.endsWith(".json") === true && existsSync(given)) return [given];
  const halves = ["Annotations", "Sentences"] as const;
  const half = bases
    .flatMap((base) => below.map((part) => path.join(base, part)))
    .find((folder) => name === "flickr30k" && halves.some((part) => namesIn(folder).includes(part)));
  if (half !== undefined) {
    const lacking = halves.find((part) => !namesIn(half).includes(part))!;
    throw new AmsError(`the boxes of ${name} are not whole: there is no ${lacking}/`, {
      where: half,
      hint: `${owners[name].boxes}: unpack both into this folder`,
    });
  }
  throw new AmsError(`the boxes of ${name} are not here`, {
    where: `looked in ${bases.map(short).join(", ")}`,
    hint: `${owners[name].boxes}. Then: ams data ${name} --boxes DIR`,
  });
}

function isFolder(place: string): boolean {
  return statSync(place, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Names in a folder, none where it cannot be read: places are only tried. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function short(place: string): string {
  return place.startsWith(homedir() + path.sep) ? `~${place.slice(homedir().length)}` : place;
}
