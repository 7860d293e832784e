/** What a search returns: hits with their scores and strongest links, shown as pictures or captions. */
import { existsSync } from "node:fs";
import sharp from "sharp";
import { displaySymbol, type MimeBundle } from "../display.js";
import type { Item } from "../data/dataset.js";
import { featuresFile } from "../data/regionFeatures.js";
import { dashArrays, type GalleryFrame } from "../plot/gallery.js";
import { galleryFigure, type Figure, type GalleryHit } from "../plot/index.js";
import { seriesColour } from "../plot/palette.js";
import { placeName, type Link } from "./links.js";

/** Something that a search found. */
export interface Hit {
  item: Item;
  /** The caption that was found (queries by image). */
  caption?: string;
  /** The exact score. */
  score: number;
  /** The pooled score of the first stage (a mean of cosines). */
  pooled: number;
  /** Words of the text with the region that they fit best, strongest first and little words last: of the hit's picture, or of the picture that asks. */
  links: Link[];
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

/** What a search found, best first. */
export interface Hits extends HitsParts {
  /** What `--json` prints. */
  toJSON(): Record<string, unknown>;
  /** What it looks like, by mime type. */
  [displaySymbol](): Promise<MimeBundle>;
}

export function makeHits(parts: HitsParts): Hits {
  return {
    ...parts,
    toJSON: () => ({
      ...parts,
      hits: parts.hits.map(({ item, caption, score, pooled, links }) => ({
        id: item.id,
        image: item.image,
        captions: caption === undefined ? item.captions.map(({ text }) => text) : [caption],
        score,
        pooled,
        links,
      })),
    }),
    [displaySymbol]: async () => (await hitsFigure(parts))[displaySymbol](),
  };
}

/** The hits as a picture: framed pictures or captions with their scores and links. */
export async function hitsFigure({ query, hits, gallery, candidates, seconds }: HitsParts): Promise<Figure> {
  const what = "text" in query ? "images" : "captions";
  return galleryFigure({
    title: `${String(hits.length)} of ${gallery.toLocaleString("en")} ${what}`,
    rows: [
      {
        query,
        note: `exact score of ${String(candidates)} candidates, ${seconds.toFixed(1)} s`,
        hits: await Promise.all(hits.map(shownHit)),
      },
    ],
  });
}

const dots = (n: number): string => "\u25cf".repeat(n + 1);

async function shownHit({ item, caption, score, links }: Hit): Promise<GalleryHit> {
  const value = ({ similarity }: Link): string => similarity.toFixed(2);
  if (caption !== undefined) {
    const marks = links.map((link) => ({ text: `${link.word} ${placeName(link.box)} ${value(link)}` }));
    return { text: caption, score, marks };
  }
  const name = item.captions[0]?.text ?? item.id;
  const marks = links.map((link, i) => ({ text: `${dots(i)} ${link.word} ${value(link)}`, frame: frameOf(i) }));
  const there = existsSync(item.image);
  const gone = !existsSync(featuresFile(item.image) ?? item.image); // a row of features is there, and no picture
  const text = [name, ...(gone ? ["(the file is gone)"] : [])].join("  ");
  return { ...(there ? { image: await markedPicture(item.image, links) } : {}), name: item.image, text, score, marks };
}

/** Of the link's frame and its line below the picture; beside it as many dots as its number. */
function frameOf(link: number): GalleryFrame {
  const dashes = ["solid", "dashed", "dotted"] as const;
  return { colour: seriesColour([1, 0, 2][link % 3]!), dash: dashes[link % 3]! };
}

/** The picture, small, with the regions of its links; as it is where it cannot be decoded (the figure then says so). */
async function markedPicture(file: string, links: readonly Link[]): Promise<string | Buffer> {
  try {
    const small = await sharp(file)
      .resize({ width: 256, height: 256, fit: "inside" })
      .flatten({ background: "#ffffff" })
      .png()
      .toBuffer({ resolveWithObject: true });
    return await sharp(small.data)
      .composite([{ input: Buffer.from(framesSvg(links, small.info)) }])
      .png()
      .toBuffer();
  } catch {
    return file;
  }
}

/**
 * Frames of the regions on a picture of this size. One that would lie on the frame of a stronger link (of the same region or one beside it) is
 * drawn around that; dots lie in another corner for each link.
 */
export function framesSvg(links: readonly Link[], { width, height }: { width: number; height: number }): string {
  const frames = links.map(({ box }, i) => {
    const touches = ({ box: other }: Link): boolean =>
      Math.abs(box.x - other.x) < 1.01 * box.width && Math.abs(box.y - other.y) < 1.01 * box.height;
    const around = 4 * links.slice(0, i).filter(touches).length;
    const within = (value: number, most: number): number => Math.min(most - 2, Math.max(2, value));
    const [x, right] = [box.x * width - around, (box.x + box.width) * width + around].map((at) => within(at, width)) as [number, number]; // prettier-ignore
    const [y, bottom] = [box.y * height - around, (box.y + box.height) * height + around].map((at) => within(at, height)) as [number, number]; // prettier-ignore
    const { colour, dash } = frameOf(i);
    const frame = (stroke: string, more: string): string => `<rect x="${x}" y="${y}" width="${right - x}" height="${bottom - y}" fill="none" stroke="${stroke}" ${more}/>`; // prettier-ignore
    const first = i === 1 ? right - 5 - 8 * i : x + 5;
    const line = i === 2 ? bottom - 5 : y + 5;
    const corner = Array.from({ length: i + 1 }, (_, d) => `<circle cx="${first + 8 * d}" cy="${line}" r="3" fill="${colour}" stroke="#fff"/>`); // prettier-ignore
    return { frame: frame("#fff", `stroke-width="4"`) + frame(colour, `stroke-width="2.5" stroke-dasharray="${dashArrays[dash]}"`), corner: corner.join("") }; // prettier-ignore
  });
  const drawn = [...frames].reverse(); // the strongest on top
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">` +
    [...drawn.map(({ frame }) => frame), ...drawn.map(({ corner }) => corner)].join("") +
    `</svg>`
  );
}
