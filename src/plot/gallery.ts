/** A gallery of hits: for every query the best answers with their scores, and which of them are right. */
import { createHash } from "node:crypto";
import path from "node:path";
import { captionsOf } from "../evaluate/captions.js";
import { featuresFile } from "../data/regionFeatures.js";
import { makeFigure, type Figure } from "./figure.js";
import { galleryHtml } from "./galleryHtml.js";
import { gallerySvg, markOf } from "./gallerySvg.js";
import { thumbnail, type Picture, type Thumbnail } from "./raster.js";

/** How a frame in a picture is drawn. */
export interface GalleryFrame {
  colour: string;
  dash: keyof typeof dashArrays;
}

/** Of SVG, by the names of CSS. */
export const dashArrays = { solid: "none", dashed: "7 4", dotted: "2 3" };

/** A remark on a hit, in a line of its own; with a frame it explains that frame of the picture. */
export interface GalleryMark {
  text: string;
  frame?: GalleryFrame;
}

/** A picture or text in a row of a gallery. */
export interface GalleryHit {
  image?: Picture;
  /** What to call the image in texts; default its file's name. */
  name?: string;
  text?: string;
  score: number;
  /** Whether it belongs to the query; undefined where nobody knows. */
  right?: boolean;
  marks?: readonly GalleryMark[];
}

/** A query with what was found for it. */
export interface GalleryRow {
  query: { text: string } | { image: Picture };
  /** Best first. */
  hits: readonly GalleryHit[];
  /** A remark under the query, e.g. "right answer at rank 12". */
  note?: string;
}

/** A row with its pictures made small. */
export interface GalleryView {
  title: string;
  id: string;
  rows: {
    text: string | undefined;
    picture: Thumbnail | undefined;
    note: string | undefined;
    hits: {
      text: string | undefined;
      picture: Thumbnail | undefined;
      score: number;
      right: boolean | undefined;
      marks: readonly GalleryMark[];
    }[];
  }[];
}

/** Draws the rows; pictures are shown 128 pixels large (and stored at twice that, for sharp screens, when there are few). */
export async function galleryFigure({ title, rows }: { title: string; rows: readonly GalleryRow[] }): Promise<Figure> {
  const count = rows.reduce((sum, { hits }) => sum + 1 + hits.length, 0);
  const view = await galleryView(title, rows, count <= 40 ? 256 : 160);
  return makeFigure({
    title,
    svg: gallerySvg(view),
    html: galleryHtml(view),
    text: textOf(title, rows),
    json: {
      title,
      rows: rows.map(({ query, hits, note }) => ({
        query: "text" in query ? query.text : nameOf(query.image),
        note,
        hits: hits.map(({ image, name, text, score, right, marks }) => ({
          image: name ?? (image === undefined ? undefined : nameOf(image)),
          text,
          ...(marks === undefined ? {} : { marks: marks.map((mark) => mark.text) }),
          score: Number.isFinite(score) ? score : null,
          right,
        })),
      })),
    },
  });
}

/**
 * The rows with their pictures at most `size` pixels large. Rows of features have no picture: their name stands for one that asks. Throws an
 * AmsError that names a picture that cannot be read.
 */
export async function galleryView(title: string, rows: readonly GalleryRow[], size: number): Promise<GalleryView> {
  const small = async (picture: Picture | undefined): Promise<Thumbnail | undefined> =>
    picture === undefined || hasNoPicture(picture) ? undefined : thumbnail(picture, size);
  const view: GalleryView = { title, id: "", rows: [] };
  for (const { query, hits, note } of rows) {
    view.rows.push({
      text: "text" in query ? query.text : hasNoPicture(query.image) ? path.basename(nameOf(query.image)) : undefined,
      picture: await small("image" in query ? query.image : undefined),
      note,
      hits: await Promise.all(
        hits.map(async ({ image, text, score, right, marks = [] }) => {
          return { text, picture: await small(image), score, right, marks };
        }),
      ),
    });
  }
  view.id = createHash("sha256").update(JSON.stringify(view)).digest("hex").slice(0, 8);
  return view;
}

/** What `galleryOf` reads of an evaluation. */
export interface GalleryEvaluation {
  /** [images, captions], row-major. */
  scores: ArrayLike<number>;
  /** The image of each caption. */
  owner: ArrayLike<number>;
  items: readonly { image: string; captions: readonly { text: string }[] }[];
}

export interface GalleryChoice {
  /** Captions looking for images (default), or images looking for captions. */
  direction?: "t2i" | "i2t";
  /** Which captions or images ask; default `count` of them, evenly spread. */
  queries?: readonly number[];
  count?: number;
  /** Hits a query. */
  k?: number;
}

/** Rows for the queries of an evaluation. Equal scores count against the right answer, as in the recalls. */
export function galleryOf(evaluation: GalleryEvaluation, choice: GalleryChoice = {}): GalleryRow[] {
  const { direction = "t2i", count = 5, k = 5 } = choice;
  const { scores, owner, items } = evaluation;
  const captions = owner.length;
  const images = captions === 0 ? 0 : scores.length / captions;
  const total = direction === "t2i" ? captions : images;
  const queries =
    choice.queries ??
    Array.from({ length: Math.min(count, total) }, (_, i) => Math.floor(((i + 0.5) * total) / Math.min(count, total)));
  const texts = captionsOf(evaluation).map((caption) => caption?.text);
  return queries.map((query) => {
    const length = direction === "t2i" ? images : captions;
    const answers = Array.from({ length }, (_, i) => {
      const [image, caption] = direction === "t2i" ? [i, query] : [query, i];
      return { image, caption, score: scores[image * captions + caption] ?? NaN, right: owner[caption] === image };
    });
    answers.sort((a, b) => b.score - a.score || Number(a.right) - Number(b.right));
    const rank = answers.findIndex((answer) => answer.right) + 1;
    return {
      query: direction === "t2i" ? { text: texts[query] ?? "" } : { image: items[query]?.image ?? "" },
      note:
        rank === 0 ? "no right answer in this gallery" : `right answer at rank ${String(rank)} of ${String(length)}`,
      hits: answers.slice(0, k).map(({ image, caption, score, right }) => ({
        ...(direction === "t2i" ? imageOf(items[image]) : { text: texts[caption] ?? "" }),
        score,
        right,
      })),
    };
  });
}

/** What stands for an image: its picture, and of features, which have none, the first caption too. */
function imageOf(item: GalleryEvaluation["items"][number] | undefined): Pick<GalleryHit, "image" | "text"> {
  const { image = "", captions = [] } = item ?? {};
  return hasNoPicture(image) ? { image, text: captions[0]?.text ?? path.basename(image) } : { image };
}

/** Whether it is a row of features instead of a picture. */
function hasNoPicture(picture: Picture): boolean {
  return typeof picture === "string" && featuresFile(picture) !== undefined;
}

function nameOf(picture: Picture): string {
  return typeof picture === "string" ? picture : "picture";
}

function textOf(title: string, rows: readonly GalleryRow[]): string {
  const lines = rows.flatMap(({ query, hits, note }) => [
    `\n${"text" in query ? `"${query.text}"` : path.basename(nameOf(query.image))}${note === undefined ? "" : ` (${note})`}`,
    ...hits.map(
      ({ image, name, text, score, right, marks = [] }, i) =>
        `  ${String(i + 1)}. ${markOf(right)}${score.toFixed(3)}  ${[name ?? (image === undefined ? "" : path.basename(nameOf(image))), text ?? "", marks.map((mark) => mark.text).join(", ")].filter((t) => t !== "").join("  ")}`,
    ),
  ]);
  return [title, ...(rows.length === 0 ? ["no queries"] : lines)].join("\n");
}
