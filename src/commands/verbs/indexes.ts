/** `indexes`: the galleries on disk that searches look in. */
import { z } from "zod";
import { formatBytes } from "../../display.js";
import { asTyped } from "../../errors.js";
import { frame } from "../../frame.js";
import type { StoredIndex } from "../../search/index.js";
import { defineCommand, option } from "../command.js";
import type { IndexList } from "../results.js";
import { shown, tablesBundle } from "../show/shown.js";
import { indexHome, wantIndex } from "./indexGallery.js";

export const indexesCommand = defineCommand({
  name: "indexes",
  summary: "list the indexes on disk, or remove some",
  about:
    "What each holds, which model made it and how much room it takes: those with a name, in .ams/indexes. A name serves as --index of search and index.",
  options: {
    remove: option(z.array(z.string()).optional(), {
      help: "remove this index and all that it holds, by name or folder (the pictures themselves stay)",
      value: "NAME|DIR",
      complete: "index",
    }),
  },
  aliases: {},
  examples: ["indexes", "indexes --remove photos"],
  resultType: "IndexList",
  run: async ({ remove = [] }, context, session): Promise<IndexList> => {
    const { listIndexes, removeIndex } = await import("../../search/index.js");
    const folders = new Set<string>();
    for (const text of remove) folders.add(await wantIndex(text, session)); // all of them, before one goes
    for (const folder of folders) {
      removeIndex(folder);
      context.note(`removed the index ${folder}`);
    }
    const indexes = await listIndexes(indexHome());
    const list: IndexList = shown({ indexes, removed: [...folders], frame: () => frame(list) }, () =>
      tablesBundle(indexesTable(indexes)),
    );
    return list;
  },
  json: ({ indexes, removed }) => ({ indexes, removed }),
});

function indexesTable(indexes: readonly StoredIndex[]): Parameters<typeof tablesBundle>[0] {
  const count = (value: number | undefined): string => value?.toLocaleString("en") ?? "";
  return {
    ...(indexes.length === 0 ? { caption: asTyped("no indexes yet: ams index DIR --index NAME makes one") } : {}),
    columns: ["index", "images", "captions", "features", "size", "model", "made"],
    rows: indexes.map(({ name, images, captions, features, bytes, model, made, problem }) => [
      name,
      count(images),
      count(captions),
      features ?? "",
      formatBytes(bytes),
      problem ?? model ?? "",
      made?.slice(0, 16).replace("T", " ") ?? "",
    ]),
  };
}
