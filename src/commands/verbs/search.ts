/** `search`: the pictures that fit a text, or the captions that fit a picture. */
import { existsSync } from "node:fs";
import { z } from "zod";
import { AmsError } from "../../errors.js";
import type { Hits } from "../../search/index.js";
import { defineCommand, option } from "../command.js";
import { dataAliases, dataOptions, splitOf, wantDataset } from "../datasets.js";
import { wantEngine } from "../engines.js";
import { modelOptions, wantModel } from "../models.js";
import { resolvePath, type Session } from "../session.js";

export const searchCommand = defineCommand({
  name: "search",
  summary: "find pictures for a text, or captions for a picture",
  about:
    "Two stages: pooled features choose candidates out of the whole split, the exact score of all scales orders them. " +
    "A query that is the path of an image file searches captions.",
  options: {
    query: option(z.string().optional(), {
      help: "what to look for, or the path of an image",
      value: "TEXT",
      complete: "file",
    }),
    image: option(z.string().optional(), { help: "look for captions of this image", value: "FILE", complete: "file" }),
    k: option(z.int().min(1).max(100).default(5), { help: "hits to show", value: "N" }),
    ...dataOptions,
    ...modelOptions,
    split: option(z.string().default("test"), { help: "the split to search in", value: "SPLIT", complete: "split" }),
  },
  positional: { option: "query", joined: true },
  aliases: dataAliases,
  examples: [
    'search "two red cars on the beach"',
    "search --image photo.jpg --k 10",
    "search a cat --split test-style",
  ],
  resultType: "Hits",
  run: async (options, context, session): Promise<Hits> => {
    const query = queryOf(options, session);
    await wantEngine(context, session);
    const dataset = await wantDataset(options, context, session);
    const items = splitOf(dataset, options.split);
    const model = await wantModel(options, context, session);
    const { search } = await import("../../search/index.js");
    return search(model, items, query, options.k, context);
  },
  json: (hits) => hits,
});

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
  const isFile =
    query !== undefined && /\.(jpe?g|png|webp|gif|bmp)$/i.test(query) && existsSync(resolvePath(session, query));
  const file = image ?? (isFile ? query : undefined);
  if (file !== undefined) return { image: resolvePath(session, file) };
  if (query === undefined || query.trim() === "") {
    throw new AmsError("search for what?", {
      where: "ams search",
      hint: 'for example: ams search "two red cars on the beach"',
    });
  }
  return { text: query };
}
