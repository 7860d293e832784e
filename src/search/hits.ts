/** What a search returns: hits with their scores, shown as pictures or captions. */
import { displaySymbol, type MimeBundle } from "../display.js";
import type { Item } from "../data/dataset.js";
import { galleryFigure } from "../plot/index.js";

export interface Hit {
  item: Item;
  /** The caption that was found (queries by image). */
  caption?: string;
  /** The exact score. */
  score: number;
  /** The pooled score of the first stage (a mean of cosines). */
  pooled: number;
}

export interface HitsParts {
  query: { text: string } | { image: string };
  /** Best first. */
  hits: Hit[];
  /** Images (or captions) searched. */
  gallery: number;
  /** How many of them got the exact score. */
  candidates: number;
  seconds: number;
}

export interface Hits extends HitsParts {
  toJSON(): Record<string, unknown>;
  [displaySymbol](): Promise<MimeBundle>;
}

export function makeHits(parts: HitsParts): Hits {
  return {
    ...parts,
    toJSON: () => ({
      ...parts,
      hits: parts.hits.map(({ item, caption, score, pooled }) => ({
        id: item.id,
        image: item.image,
        captions: caption === undefined ? item.captions.map(({ text }) => text) : [caption],
        score,
        pooled,
      })),
    }),
    [displaySymbol]: () => show(parts),
  };
}

async function show({ query, hits, gallery, candidates, seconds }: HitsParts): Promise<MimeBundle> {
  const what = "text" in query ? "images" : "captions";
  const figure = await galleryFigure({
    title: `${String(hits.length)} of ${gallery.toLocaleString("en")} ${what}`,
    rows: [
      {
        query,
        note: `exact score of ${String(candidates)} candidates, ${seconds.toFixed(1)} s`,
        hits: hits.map(({ item, caption, score }) =>
          caption === undefined
            ? { image: item.image, text: item.captions[0]?.text ?? item.id, score }
            : { text: caption, score },
        ),
      },
    ],
  });
  return figure[displaySymbol]();
}
