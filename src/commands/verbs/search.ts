/** `search`: the pictures that fit a text, or the captions that fit a picture. */
import { existsSync } from "node:fs";
import { z } from "zod";
import { AmsError } from "../../errors.js";
import type { Context } from "../../context.js";
import type { Hits, Query } from "../../search/index.js";
import { featuresFile } from "../../data/regionFeatures.js";
import { defineCommand, option } from "../command.js";
import { dataAliases, dataOptions, splitOf, wantDataset } from "../datasets.js";
import { wantEngine } from "../engines.js";
import { checkNames, modelOptions, wantModel } from "../models.js";
import { isPicture } from "../../search/places.js";
import { modelOfIndex, wantIndex } from "./indexGallery.js";
import { resolvePath, type Session } from "../session.js";

export const searchCommand = defineCommand({
  name: "search",
  summary: "find pictures for a text, or captions for a picture",
  about:
    "Two stages: pooled features choose candidates out of the whole split, the exact score of all scales orders them. " +
    "A query that is the path of an image file searches captions. Each hit names the words that it fits best, and marks their regions. " +
    "Images of the split that cannot be read are named and left out. With --index the gallery is on disk and nothing of it is encoded.",
  options: {
    query: option(z.string().optional(), {
      help: "what to look for, or the path of an image",
      value: "TEXT",
      complete: "file",
    }),
    image: option(z.string().optional(), { help: "look for captions of this image", value: "FILE", complete: "file" }),
    k: option(z.int().min(1).max(100).default(5), { help: "hits to show", value: "N" }),
    candidates: option(z.int().min(1).default(50), {
      help: "candidates of the first stage that get the exact score (at least k)",
      value: "N",
    }),
    index: option(z.string().optional(), {
      help: "search in this index (made by `ams index`) instead of a split",
      value: "NAME|DIR",
      complete: "index",
    }),
    ...dataOptions,
    ...modelOptions,
    split: option(z.string().optional(), {
      help: "the split to search in (default test)",
      value: "SPLIT",
      complete: "split",
    }),
  },
  positional: { option: "query", joined: true },
  aliases: dataAliases,
  examples: [
    'search "two red cars on the beach"',
    "search --image photo.jpg --k 10",
    "search a cat --split test-style",
    'search "a dog on the grass" --k 20 --index photos',
  ],
  resultType: "Hits",
  run: async (options, context, session): Promise<Hits> => {
    const query = queryOf(options, session);
    const { k, candidates, split = "test" } = options;
    checkNames(session, options.checkpoint);
    if (options.index !== undefined) return searchIndex(options.index, query, options, context, session);
    await wantEngine(context, session);
    const dataset = await wantDataset({ ...options, skipBadImages: true }, context, session);
    const items = splitOf(dataset, split);
    const model = await wantModel(options, context, session);
    const { search } = await import("../../search/index.js");
    return search(model, items, query, { k, candidates }, context);
  },
  json: (hits) => hits,
});

type SearchOptions = Parameters<(typeof searchCommand)["run"]>[0];

async function searchIndex(
  index: string,
  query: Query,
  options: SearchOptions,
  context: Context,
  session: Session,
): Promise<Hits> {
  const { data, root, annotations, captions, split, k, candidates } = options;
  const elsewhere = Object.entries({ data, root, annotations, captions, split }).find(
    ([, value]) => value !== undefined,
  );
  if (elsewhere !== undefined) {
    throw new AmsError(`an index has its own images: --${elsewhere[0]} means nothing for it`, {
      where: `ams search --index ${index} --${elsewhere[0]}`,
      hint: "leave one of the two out",
    });
  }
  const folder = await wantIndex(index, session);
  await wantEngine(context, session);
  const model = await wantModel(await modelOfIndex(options, folder, session), context, session);
  const { openGallery, search } = await import("../../search/index.js");
  const gallery = await openGallery(model, folder);
  try {
    return await search(model, gallery, query, { k, candidates }, context);
  } finally {
    gallery.close();
  }
}

/** The picture where the query is the path of one, else the text. Throws AmsError for neither, for both, and for a picture that is not there. */
export function queryOf(
  { query, image }: { query?: string | undefined; image?: string | undefined },
  session: Session,
): { text: string } | { image: string } {
  if (query !== undefined && image !== undefined) {
    throw new AmsError("search for a text or for an image, not both", {
      where: `ams search "${query}" --image ${image}`,
      hint: "leave one out",
    });
  }
  const isFile = query !== undefined && isPicture(query) && existsSync(resolvePath(session, query));
  if (query !== undefined && !isFile && isPicture(query) && !/\s/.test(query)) {
    throw new AmsError(`there is no picture "${query}"`, {
      where: resolvePath(session, query),
      hint: "check the path of the picture that asks; a text to search for does not end like a file",
    });
  }
  const file = image ?? (isFile ? query : undefined);
  if (file !== undefined) {
    const place = resolvePath(session, file);
    if (existsSync(featuresFile(place) ?? place)) return { image: place };
    throw new AmsError("the picture that asks does not exist", {
      where: place,
      hint: "check its path: --image FILE, or a text in its place",
    });
  }
  if (query === undefined || query.trim() === "") {
    throw new AmsError("search for what?", {
      where: "ams search",
      hint: 'for example: ams search "two red cars on the beach"',
      usage: true,
    });
  }
  return { text: query };
}
