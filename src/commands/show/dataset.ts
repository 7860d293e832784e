/** What `data` shows: the table of splits, and a few samples as pictures with their captions. */
import type { Context } from "../../context.js";
import type { Dataset, Item } from "../../data/dataset.js";
import { regionSizeIn, regionSizeOf, regionsText } from "../../data/regionFeatures.js";
import { datasetSummary, type SplitSummary } from "../../data/summary.js";
import { captionLength } from "../../data/tokens.js";
import { escapeHtml, renderTable, type MimeBundle } from "../../display.js";
import { blockLine } from "../../plot/sparkline.js";
import { thumbnail, type Thumbnail } from "../../plot/raster.js";
import { AmsError } from "../../errors.js";
import { formatCount } from "./format.js";

/** Splits, counts and samples; pictures are small JPEGs inside the HTML, so that the notebook needs no files. */
export async function datasetDisplay(
  dataset: Dataset,
  split: string,
  samples: number,
  context: Context,
): Promise<MimeBundle> {
  const summary = await datasetSummary(dataset, undefined, context);
  const features = featuresText(dataset);
  const table = renderTable({
    caption: `${dataset.name} in ${dataset.root}${features} (cut: captions of more than ${String(captionLength - 2)} word pieces, which lose their end)`,
    columns: [
      "split",
      "images",
      "captions",
      "words each",
      "pieces each",
      "longest",
      "cut",
      `1 to ${String(captionLength - 2)} pieces`,
    ],
    rows: summary.map((row) => [
      row.split,
      formatCount(row.images),
      formatCount(row.captions),
      row.words.toFixed(1),
      row.pieces.toFixed(1),
      row.longest,
      row.cut,
      row.captions === 0 ? "" : blockLine(row.lengths),
    ]),
  });
  const cuts = cutCaptions(summary);
  const chosen = spread(dataset.splits[split] ?? [], samples);
  const pictures = await Promise.all(chosen.map(picture));
  const text = chosen.flatMap((item, i) => [
    "",
    item.id,
    ...(typeof pictures[i] === "string" ? [`  (${pictures[i]})`] : []),
    ...item.captions.map((caption) => `  ${caption.text}`),
  ]);
  const cards = chosen.map((item, i) => card(item, pictures[i]!));
  return {
    "text/html":
      table.html +
      (cuts === undefined ? "" : `<div>${escapeHtml(cuts)}</div>`) +
      (chosen.length === 0 ? "" : `<div>${cards.join("")}</div>`),
    "text/plain": [
      table.text,
      ...(cuts === undefined ? [] : ["", cuts]),
      ...(chosen.length === 0 ? [] : ["", `samples of ${split}`]),
      ...text,
    ].join("\n"),
  };
}

/** ", 6 regions of 64 numbers an image (ams build --regions 6x64)"; empty for pictures. */
function featuresText(dataset: Dataset): string {
  const size = regionSizeIn(dataset);
  return size === undefined ? "" : `, ${regionsText(size)} an image: ams build --regions ${size.count}x${size.width}`;
}

/** Which captions lose their end, and what to do about it; undefined where none does. */
function cutCaptions(summary: SplitSummary[]): string | undefined {
  const cut = summary.reduce((sum, row) => sum + row.cut, 0);
  if (cut === 0) return undefined;
  const named = summary.flatMap(({ split, firstCut }) =>
    firstCut.map(({ id, caption, lost }) => `${split} ${id} caption ${String(caption)} (without "${shorten(lost)}")`),
  );
  const some = named.slice(0, 3).join(", ") + (cut > 3 ? ", ..." : "");
  const many = cut === 1 ? "1 caption loses its end" : `${formatCount(cut)} captions lose their ends`;
  return `${many}: ${some}. Shorten them in the annotations if the ends matter.`;
}

function shorten(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 59)}\u2026`;
}

/** `count` items at equal distances, so that samples are not all of one kind. */
function spread(items: Item[], count: number): Item[] {
  const n = Math.min(count, items.length);
  return Array.from({ length: n }, (_, i) => items[Math.floor((i * items.length) / n)]!);
}

/** A sample made small, or what there is instead of a picture, or why it cannot be shown: a data set with a bad picture is still a data set. */
async function picture(item: Item): Promise<Thumbnail | string> {
  try {
    const size = regionSizeOf(item.image);
    return size !== undefined ? regionsText(size) : await thumbnail(item.image, 160);
  } catch (error) {
    if (error instanceof AmsError) return error.message;
    throw error;
  }
}

function card(item: Item, shown: Thumbnail | string): string {
  const captions = item.captions.map((caption) => `<li>${escapeHtml(caption.text)}</li>`).join("");
  return (
    `<div style="display:inline-block;vertical-align:top;width:220px;margin:4px 12px 8px 0">` +
    (typeof shown === "string"
      ? `<div style="border:1px solid;padding:4px">${escapeHtml(shown)}</div>`
      : `<img src="${shown.uri}" width="${String(shown.width)}" height="${String(shown.height)}" alt="${escapeHtml(item.id)}">`) +
    `<div><small>${escapeHtml(item.id)}</small></div>` +
    `<ul style="margin:2px 0;padding-left:16px;font-size:smaller">${captions}</ul></div>`
  );
}
