/** Emoji scenes written in every layout that people hold annotations in, for tests of the readers. */
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { silentContext } from "../../src/context.js";
import type { Dataset, Item } from "../../src/data/dataset.js";
import { openFolder } from "../../src/data/folder.js";
import { openKnown } from "../../src/data/openKnown.js";
import type { ProblemOptions } from "../../src/data/items.js";
import { temporaryFolder } from "./pictures.js";

/** A set as it lies on disk: `file` is the annotation file of its first split. */
export interface Written {
  folder: string;
  images: string;
  file: string;
  open: (options?: ProblemOptions) => Promise<Dataset>;
}

export interface Layout {
  name: string;
  write: (scenes: Dataset) => Written;
  /** The file cut off in its middle; default: at two thirds. */
  truncate?: (text: string) => string;
  /** Texts that cannot be right, each with what is said about it. */
  wrongTypes: [change: (text: string) => string, message: RegExp][];
  /** An image or its number a second time where it must be once; absent where rows of an image are allowed. */
  double?: [change: (text: string) => string, message: RegExp];
}

interface JsonRow extends Record<string, unknown> {
  image: string;
}
type Json = Record<string, Record<string, unknown>[]>;

/** Changes JSON text as a value. */
function json(change: (value: never) => unknown): (text: string) => string {
  return (text) => JSON.stringify(change(JSON.parse(text) as never));
}

/** Changes the second of the lines (the first may be a header). */
const line =
  (change: (text: string) => string, at = 1) =>
  (text: string): string =>
    text
      .split("\n")
      .map((each, i) => (i === at ? change(each) : each))
      .join("\n");

/** Cuts in the middle of a line's caption or before it, never at the end of a line. */
const cutLine = (text: string): string => text.slice(0, text.lastIndexOf("\n", text.length - 2) + 9);

const texts = (item: Item): string[] => item.captions.map(({ text }) => text);
const named = (item: Item): string => path.basename(item.image);

function place(
  scenes: Dataset,
  folderOf: (split: string) => string = () => "images",
): { folder: string; images: string } {
  const folder = temporaryFolder();
  for (const [split, items] of Object.entries(scenes.splits)) {
    const images = path.join(folder, folderOf(split));
    mkdirSync(images, { recursive: true });
    for (const item of items) copyFileSync(item.image, path.join(images, named(item)));
  }
  return { folder, images: path.join(folder, "images") };
}

const cocoFolder = (split: string): string => `images/${split === "train" ? "train2014" : "val2014"}`;

function known(name: "flickr30k" | "coco", folder: string, annotations: string): Written["open"] {
  return async (options = {}) =>
    (await openKnown(name, { root: path.join(folder, "images"), annotations, ...options }, silentContext)).dataset;
}

function albef(name: "flickr30k" | "coco"): Layout["write"] {
  return (scenes) => {
    const { folder, images } = place(scenes, name === "coco" ? cocoFolder : undefined);
    for (const [split, items] of Object.entries(scenes.splits)) {
      const pathOf = (item: Item): string =>
        name === "coco" ? `${path.basename(cocoFolder(split))}/${named(item)}` : `flickr30k-images/${named(item)}`;
      const rows = items.flatMap((item): object[] =>
        split === "train"
          ? texts(item).map((caption) => ({ image: pathOf(item), caption, image_id: item.id }))
          : [{ image: pathOf(item), caption: texts(item) }],
      );
      writeFileSync(path.join(folder, `${name}_${split}.json`), JSON.stringify(rows, null, 1));
    }
    return { folder, images, file: path.join(folder, `${name}_train.json`), open: known(name, folder, folder) };
  };
}

const albefWrong: Layout["wrongTypes"] = [
  [json((rows: JsonRow[]) => ({ rows })), /must hold a list of rows, not an object/],
  [json((rows: JsonRow[]) => [...rows, "x"]), /a row must be an object, not the text "x"/],
  [json((rows: JsonRow[]) => [{ ...rows[0], image: 7 }]), /image must be a path, not the number 7/],
  [
    json((rows: JsonRow[]) => [{ ...rows[0], caption: { en: "x" } }]),
    /caption must be a text or a list of texts, not an object/,
  ],
  [json((rows: JsonRow[]) => [{ ...rows[0], image_id: null }]), /image_id must be a text or a number, not null/],
];
const albefDouble: Layout["double"] = [
  json((rows: JsonRow[]) => rows.map((row) => ({ ...row, image_id: 1 }))),
  /image_ids? belongs? to two images/,
];

function karpathyJson(scenes: Dataset, filepath: (split: string) => string | undefined): Json & { dataset: string } {
  let number = 0;
  const images = Object.entries(scenes.splits).flatMap(([split, items]) =>
    items.map((item) => ({
      imgid: number,
      cocoid: 100 + number++,
      filename: named(item),
      filepath: filepath(split),
      // COCO's restval images are training images in all published results.
      split: split === "train" && number % 2 === 0 && filepath(split) !== undefined ? "restval" : split,
      sentences: texts(item).map((raw) => ({ raw, tokens: raw.split(" ") })),
    })),
  );
  return { images, dataset: "x" } as unknown as Json & { dataset: string };
}

const changeImage = (changes: Record<string, unknown>): ((text: string) => string) =>
  json((value: Json) => ({
    ...value,
    images: value["images"]!.map((image, i) => (i === 1 ? { ...image, ...changes } : image)),
  }));

/** The scene file of a table: one line a caption. */
function tableOf(scenes: Dataset, row: (split: string, item: Item, text: string, i: number) => string): string {
  const rows = Object.entries(scenes.splits).flatMap(([split, items]) =>
    items.flatMap((item) => texts(item).map((text, i) => row(split, item, text, i))),
  );
  return `${rows.join("\n")}\n`;
}

function table(name: string, text: (scenes: Dataset) => string): Layout["write"] {
  return (scenes) => {
    const { folder, images } = place(scenes);
    const file = path.join(images, name);
    writeFileSync(file, text(scenes));
    return { folder, images, file, open: (options = {}) => openFolder({ folder: images, ...options }) };
  };
}

const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;

export const layouts: Layout[] = [
  { name: "flickr30k_<split>.json", write: albef("flickr30k"), wrongTypes: albefWrong, double: albefDouble },
  { name: "coco_<split>.json", write: albef("coco"), wrongTypes: albefWrong, double: albefDouble },
  {
    name: "dataset_flickr30k.json (Karpathy)",
    write: (scenes) => {
      const { folder, images } = place(scenes);
      const file = path.join(folder, "dataset_flickr30k.json");
      writeFileSync(file, JSON.stringify(karpathyJson(scenes, () => undefined)));
      return { folder, images, file, open: known("flickr30k", folder, folder) };
    },
    wrongTypes: [
      [() => "[]", /must hold a list|images must be a list/],
      [changeImage({ filename: 3 }), /filename must be a text, not the number 3/],
      [changeImage({ split: null }), /split must be a text, not null/],
      [changeImage({ sentences: "none" }), /sentences must be a list, not the text "none"/],
      [changeImage({ sentences: [{ raw: 1 }] }), /a sentence must have a text as "raw", not the number 1/],
      [changeImage({ imgid: {} }), /imgid must be a number, not an object/],
    ],
    double: [changeImage({ imgid: 0 }), /1 image_id belongs to two images: 0/],
  },
  {
    name: "dataset_coco.json (Karpathy)",
    write: (scenes) => {
      const { folder, images } = place(scenes, cocoFolder);
      const file = path.join(folder, "dataset_coco.json");
      writeFileSync(file, JSON.stringify(karpathyJson(scenes, (split) => path.basename(cocoFolder(split)))));
      return { folder, images, file, open: known("coco", folder, folder) };
    },
    wrongTypes: [[changeImage({ filepath: 1 }), /filepath must be a text, not the number 1/]],
    double: [changeImage({ imgid: 0 }), /belongs to two images/],
  },
  {
    name: "captions_<set>.json (MS-COCO) with Karpathy's splits",
    write: (scenes) => {
      const { folder, images } = place(scenes, cocoFolder);
      const all = karpathyJson(scenes, (split) => path.basename(cocoFolder(split)));
      writeFileSync(path.join(folder, "dataset_coco.json"), JSON.stringify(all));
      mkdirSync(path.join(folder, "annotations"));
      for (const set of ["val2014", "train2014"]) {
        const own = all["images"]!.filter(({ filepath }) => filepath === set);
        const entries = own.map(({ cocoid, filename }) => ({ id: cocoid, file_name: filename, license: 1 }));
        const annotations = own.flatMap(({ cocoid, sentences }) =>
          (sentences as { raw: string }[]).map(({ raw }, i) => ({
            image_id: cocoid,
            id: Number(cocoid) * 10 + i,
            caption: raw,
          })),
        );
        const text = JSON.stringify({ info: {}, licenses: [], images: entries, annotations });
        writeFileSync(path.join(folder, "annotations", `captions_${set}.json`), text);
      }
      const file = path.join(folder, "annotations", "captions_train2014.json");
      const files = [file, path.join(folder, "annotations", "captions_val2014.json")];
      const open: Written["open"] = async (options = {}) => {
        const { openCocoCaptions } = await import("../../src/data/cocoCaptions.js");
        return openCocoCaptions({ root: images, files, karpathy: path.join(folder, "dataset_coco.json"), ...options });
      };
      return { folder, images, file, open };
    },
    wrongTypes: [
      [() => "[]", /images must be a list, not nothing/],
      [changeImage({ id: "7" }), /id must be a number, not the text "7"/],
      [changeImage({ file_name: null }), /file_name must be a text, not null/],
      [json((value: Json) => ({ ...value, annotations: { 1: "x" } })), /annotations must be a list, not an object/],
      [json((value: Json) => ({ ...value, annotations: [5] })), /an entry must be an object, not the number 5/],
      [
        json((value: Json) => ({ ...value, annotations: [{ image_id: 100, caption: 5 }] })),
        /caption must be a text, not the number 5/,
      ],
      [
        json((value: Json) => ({ ...value, annotations: [{ image_id: 9, caption: "x" }] })),
        /image_id must be the id of one of the images, not the number 9/,
      ],
    ],
    double: [
      json((value: Json) => ({ ...value, images: [...value["images"]!, { id: 100, file_name: "train-000001.png" }] })),
      /1 image_id belongs to two images: 100/,
    ],
  },
  {
    name: "results_20130124.token with lists of splits",
    write: (scenes) => {
      const { folder, images } = place(scenes);
      const file = path.join(folder, "results_20130124.token");
      writeFileSync(
        file,
        tableOf(scenes, (_, item, text, i) => `${named(item)}#${String(i)}\t${text}`),
      );
      for (const [split, items] of Object.entries(scenes.splits)) {
        writeFileSync(path.join(folder, `${split}.txt`), items.map((item) => `${named(item)}\n`).join(""));
      }
      return { folder, images, file, open: known("flickr30k", folder, folder) };
    },
    truncate: cutLine,
    wrongTypes: [
      [line((text) => text.replace("#1", "")), /this line is not "image\.jpg#0<tab>caption"/],
      [line((text) => text.replace("\t", " ")), /this line is not "image\.jpg#0<tab>caption"/],
    ],
  },
  {
    name: "results.csv",
    write: (scenes) => {
      const { folder, images } = place(scenes);
      const file = path.join(folder, "results.csv");
      const rows = tableOf(scenes, (_, item, text, i) => `${named(item)}| ${String(i)}| ${text}`);
      writeFileSync(file, `image_name| comment_number| comment\n${rows}`);
      for (const [split, items] of Object.entries(scenes.splits)) {
        writeFileSync(path.join(folder, `${split}.txt`), items.map(({ id }) => `${id}.png\n`).join(""));
      }
      return { folder, images, file, open: known("flickr30k", folder, folder) };
    },
    truncate: cutLine,
    wrongTypes: [[line((text) => text.replaceAll("|", ",")), /this line is not "image\.jpg\| 0\| caption"/]],
  },
  {
    name: "a folder with a CSV table",
    write: table(
      "table.csv",
      (scenes) =>
        `image,caption,split\n${tableOf(scenes, (split, item, text) => `${named(item)},${quoted(text)},${split}`)}`,
    ),
    truncate: (text) => text.slice(0, text.lastIndexOf('"')),
    wrongTypes: [
      [line((text) => `picture${text.slice(5)}`, 0), /the table has no image column/],
      [line((text) => `${text},more`), /this line has 4 fields, the header 3/],
    ],
  },
  {
    name: "a folder with a TSV table",
    write: table(
      "table.tsv",
      (scenes) =>
        `image\tcaption\tsplit\n${tableOf(scenes, (split, item, text) => `${named(item)}\t${text}\t${split}`)}`,
    ),
    truncate: cutLine,
    wrongTypes: [
      [line((text) => text.replace("caption", "words"), 0), /the table has no caption column/],
      [line((text) => text.replace("\t", " ")), /this line has 2 fields, the header 3/],
    ],
  },
  {
    name: "a folder with JSON lines",
    write: table("table.jsonl", (scenes) =>
      tableOf(scenes, (split, item, text) => JSON.stringify({ image: named(item), caption: text, split })),
    ),
    truncate: cutLine,
    wrongTypes: [
      [line(() => "[]"), /image must be a path, not nothing/],
      [line((text) => text.replace(/"image":"[^"]*"/, '"image":1')), /image must be a path, not the number 1/],
      [
        line((text) => text.replace(/"caption":"[^"]*"/, '"caption":false')),
        /caption must be a text or a list of texts/,
      ],
      [line((text) => text.replace(/"split":"[^"]*"/, '"split":0')), /split must be a text, not the number 0/],
    ],
  },
];
