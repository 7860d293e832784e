/** `index`: encodes a gallery once and keeps it on disk, so that searches start at once. */
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { formatBytes } from "../../display.js";
import { AmsError } from "../../errors.js";
import { amsHome } from "../../paths.js";
import type { ImageList, Indexed } from "../../search/index.js";
import { defineCommand, option } from "../command.js";
import { dataAliases, dataOptions, splitOf, wantDataset } from "../datasets.js";
import { wantEngine } from "../engines.js";
import { checkNames, modelOptions, wantModel } from "../models.js";
import { suggestion } from "../nearest.js";
import type { IndexReport } from "../results.js";
import { resolvePath, type Session } from "../session.js";
import { shown, tablesBundle } from "../show/shown.js";

/** Where indexes with a name are. */
export const indexHome = (): string => path.join(amsHome(), "indexes");

export const indexCommand = defineCommand({
  name: "index",
  summary: "encode a gallery once and keep it for searches",
  about:
    "The gallery is a folder of pictures (with all below it) or a split of a data set. Images that are in the index already are passed over: an interrupted or killed call is " +
    "simply repeated, and a larger gallery adds what is new. An index belongs to the model that made it. Then: search TEXT --index NAME. The verb indexes lists what there is, and removes it.",
  options: {
    folder: option(z.string().optional(), {
      help: "a folder of pictures (default: the split of the data set)",
      value: "DIR",
      complete: "folder",
    }),
    index: option(z.string().default("gallery"), {
      help: "the index: a name, or a folder (with a slash in it)",
      value: "NAME|DIR",
      complete: "index",
    }),
    update: option(z.boolean().default(false), {
      help: "also encode changed images anew, and remove those of this gallery that are gone",
    }),
    delete: option(z.array(z.string()).optional(), {
      help: "remove this image, by id or file (repeatable); alone it adds nothing",
      value: "ID|FILE",
      complete: "file",
    }),
    fresh: option(z.boolean().default(false), {
      help: "throw away what is there and begin anew, e.g. with another model",
    }),
    features: option(z.enum(["float16", "float32", "none"]).optional(), {
      help: "what is kept for the exact score (default float16); none: images are encoded again when they are scored, which needs their files",
    }),
    images: option(z.int().min(1).optional(), { help: "only the first N images", value: "N" }),
    ...dataOptions,
    ...modelOptions,
    split: option(z.string().optional(), { help: "the split (default test)", value: "SPLIT", complete: "split" }),
  },
  positional: { option: "folder" },
  aliases: { ...dataAliases, name: "index" },
  redirect: { flag: "list", verb: "indexes", arguments: [] },
  examples: [
    "index ~/photos --index photos",
    "index --data scenes --split test --index scenes",
    "index ~/photos --index photos --update",
    "index --index photos --delete holiday/beach.jpg",
  ],
  resultType: "IndexReport",
  run: async (options, context, session): Promise<IndexReport> => {
    const { index, update, fresh, features, images } = options;
    const { buildIndex, indexFolder } = await import("../../search/index.js");
    const folder = indexFolder(indexHome(), session.cwd, index);
    const gallery = galleryChosen(options);
    checkNames(session, options.checkpoint);
    if (!gallery) await wantIndex(index, session); // before a model is loaded for nothing
    await wantEngine(context, session);
    const list = gallery ? await listOf(options, context, session) : undefined;
    if (list !== undefined) list.items = list.items.slice(0, images);
    const model = await wantModel(await modelOfIndex(options, folder, session), context, session);
    const remove = (options.delete ?? []).map((text) => {
      const file = resolvePath(session, text);
      return existsSync(file) ? file : text;
    });
    const indexed = await buildIndex(
      model,
      {
        folder,
        update,
        fresh,
        remove,
        ...(list === undefined ? {} : { gallery: list }), // prettier-ignore
        ...(features === undefined ? {} : { features }),
      },
      context,
    ).catch((error: unknown) => {
      if (context.signal.aborted) context.note("the finished images are kept: the same line goes on");
      throw error;
    });
    return shown({ ...indexed, index }, () => tablesBundle(reportTable({ ...indexed, index })));
  },
  json: (report) => report,
});

type IndexOptions = Parameters<(typeof indexCommand)["run"]>[0];

/** A deletion alone, without a gallery, only deletes. Throws AmsError for what cannot go together. */
function galleryChosen(options: IndexOptions): boolean {
  const { folder, data, root, annotations, captions, split, images, update, fresh } = options;
  const ofSplit = data ?? root ?? annotations ?? captions ?? split;
  if (folder !== undefined && ofSplit !== undefined) {
    throw new AmsError("a folder of pictures and a data set are two galleries", {
      where: `ams index ${folder}`,
      hint: "index one after the other, into the same --index",
    });
  }
  if (update && images !== undefined) {
    throw new AmsError("--update removes what is not in the gallery, which --images cuts short", {
      where: `--update --images ${String(images)}`,
      hint: "leave one of them out",
    });
  }
  return options.delete === undefined || folder !== undefined || ofSplit !== undefined || update || fresh;
}

async function listOf(
  options: IndexOptions,
  context: Parameters<(typeof indexCommand)["run"]>[1],
  session: Session,
): Promise<ImageList> {
  if (options.folder !== undefined) {
    const folder = resolvePath(session, options.folder);
    if (!existsSync(folder) || !statSync(folder).isDirectory()) {
      throw new AmsError(`there is no folder "${options.folder}"`, {
        where: folder,
        hint: "give a folder of pictures, or leave it out and choose a split: --data NAME --split SPLIT",
      });
    }
    const { imagesOfFolder } = await import("../../search/index.js");
    return imagesOfFolder(folder);
  }
  const dataset = await wantDataset({ ...options, skipBadImages: true }, context, session);
  const { split = "test" } = options;
  return { source: `${dataset.name} ${split} (${dataset.root})`, items: splitOf(dataset, split) };
}

/** The folder of an index that is there. Throws an AmsError that lists those that are. */
export async function wantIndex(text: string, session: Session): Promise<string> {
  const { indexFolder, indexNames } = await import("../../search/index.js");
  const folder = indexFolder(indexHome(), session.cwd, text);
  if (existsSync(path.join(folder, "index.json"))) return folder;
  const names = indexNames(indexHome());
  throw new AmsError(`there is no index "${text}"`, {
    where: folder,
    hint: names.length === 0 ? `make one: ams index DIR --index ${text}` : suggestion(text, names),
  });
}

/** The model to use with an index: the chosen one, the session's, else the one that made it, where it is still at its place. */
export async function modelOfIndex<T extends { checkpoint?: string | undefined; model?: unknown; fresh?: boolean }>(
  options: T,
  folder: string,
  session: Session,
): Promise<T> {
  const { checkpoint, model, fresh = false } = options;
  if (checkpoint !== undefined || model !== undefined || session.model !== undefined || fresh) return options;
  const { readRecord } = await import("../../search/store.js");
  const made = readRecord(folder)?.model;
  return made !== undefined && existsSync(made) ? { ...options, checkpoint: made } : options;
}

function reportTable(report: Indexed & { index: string }): Parameters<typeof tablesBundle>[0] {
  const { index, images, captions, added, updated, removed, unreadable, features, bytesPerImage, seconds } = report;
  const speed = added + updated > 0 ? `, ${((added + updated) / seconds).toFixed(0)} images/s` : "";
  return {
    caption: `index ${index}: ${images.toLocaleString("en")} images, ${captions.toLocaleString("en")} captions`,
    columns: ["what", "value"],
    rows: [
      ["added", added.toLocaleString("en")],
      ["updated", updated.toLocaleString("en")],
      ["removed", removed.toLocaleString("en")],
      ["unreadable", unreadable.length.toLocaleString("en")],
      ["features kept as", `${features}, up to ${formatBytes(bytesPerImage)} an image`],
      ["model", report.model],
      ["folder", report.folder],
      ["time", `${seconds.toFixed(1)} s${speed}`],
    ],
  };
}
