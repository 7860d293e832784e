/** What a search returns: hits with their scores and strongest links, shown as pictures or captions. */
import { existsSync } from "node:fs";
import sharp from "sharp";
import { displaySymbol, type MimeBundle } from "../display.js";
import type { Item } from "../data/dataset.js";
import { featuresFile } from "../data/regionFeatures.js";
import { galleryFigure, type GalleryHit } from "../plot/index.js";
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
  /** Words of the text with the region that they fit best, strongest first: of the hit's picture, or of the picture that asks. */
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
        hits: await Promise.all(hits.map(shownHit)),
      },
    ],
  });
  return figure[displaySymbol]();
}

const dots = (n: number): string => "\u25cf".repeat(n + 1);

async function shownHit({ item, caption, score, links }: Hit): Promise<GalleryHit> {
  const value = ({ similarity }: Link): string => similarity.toFixed(2);
  if (caption !== undefined) {
    const linked = links.map((link) => `${link.word} ${placeName(link.box)} ${value(link)}`).join(", ");
    return { text: linked === "" ? caption : `${caption} (${linked})`, score };
  }
  const name = item.captions[0]?.text ?? item.id;
  const linked = links.map((link, i) => `${dots(i)} ${link.word} ${value(link)}`).join("  ");
  const there = existsSync(item.image);
  const gone = !existsSync(featuresFile(item.image) ?? item.image); // a row of features is there, and no picture
  const text = [name, ...(gone ? ["(the file is gone)"] : []), ...(linked === "" ? [] : [linked])].join("  ");
  return { ...(there ? { image: await markedPicture(item.image, links) } : {}), name: item.image, text, score };
}

/** Orange, blue and green that are told apart also by the colour-blind; as many dots in the corner as the link's number. */
const colours = ["#d55e00", "#0072b2", "#009e73"];

/** The picture, small, with the regions of its links; as it is where it cannot be decoded (the figure then says so). */
async function markedPicture(file: string, links: readonly Link[]): Promise<string | Buffer> {
  try {
    const small = await sharp(file)
      .resize({ width: 256, height: 256, fit: "inside" })
      .flatten({ background: "#ffffff" })
      .png()
      .toBuffer({ resolveWithObject: true });
    const { width, height } = small.info;
    const marks = links.map(({ box }, i) => {
      const [x, y, w, h] = [box.x * width, box.y * height, box.width * width, box.height * height];
      const colour = colours[i % colours.length]!;
      const corner = Array.from({ length: i + 1 }, (_, d) => `<circle cx="${x + 5 + 8 * d}" cy="${y + 5}" r="3" fill="${colour}" stroke="#fff"/>`); // prettier-ignore
      const frame = (stroke: string, thick: number): string => `<rect x="${x}" y="${y}" width="${w}" height="${h}" fill="none" stroke="${stroke}" stroke-width="${thick}"/>`; // prettier-ignore
      return frame("#fff", 4) + frame(colour, 2.5) + corner.join("");
    });
    const overlay = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${marks.join("")}</svg>`;
    return await sharp(small.data)
      .composite([{ input: Buffer.from(overlay) }])
      .png()
      .toBuffer();
  } catch {
    return file;
  }
}
