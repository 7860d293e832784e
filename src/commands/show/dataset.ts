/** What `data` shows: the table of splits, and a few samples as pictures with their captions. */
import type { Dataset, Item } from "../../data/dataset.js";
import { datasetSummary } from "../../data/summary.js";
import { escapeHtml, renderTable, type MimeBundle } from "../../display.js";
import { thumbnail } from "../../plot/raster.js";
import { formatCount } from "./format.js";

/** Splits, counts and samples; pictures are small JPEGs inside the HTML, so that the notebook needs no files. */
export async function datasetDisplay(dataset: Dataset, split: string, samples: number): Promise<MimeBundle> {
  const summary = await datasetSummary(dataset);
  const table = renderTable({
    caption: `${dataset.name} in ${dataset.root}`,
    columns: ["split", "images", "captions", "words each", "pieces each", "longest", "cut"],
    rows: summary.map((row) => [
      row.split,
      formatCount(row.images),
      formatCount(row.captions),
      row.words.toFixed(1),
      row.pieces.toFixed(1),
      row.longest,
      row.cut,
    ]),
  });
  const chosen = spread(dataset.splits[split] ?? [], samples);
  const text = chosen.flatMap((item) => ["", item.id, ...item.captions.map((caption) => `  ${caption.text}`)]);
  const gallery = chosen.length === 0 ? "" : `<div>${(await Promise.all(chosen.map(card))).join("")}</div>`;
  return {
    "text/html": table.html + gallery,
    "text/plain": [table.text, ...(chosen.length === 0 ? [] : ["", `samples of ${split}`]), ...text].join("\n"),
  };
}

/** `count` items at equal distances, so that samples are not all of one kind. */
function spread(items: Item[], count: number): Item[] {
  const n = Math.min(count, items.length);
  return Array.from({ length: n }, (_, i) => items[Math.floor((i * items.length) / n)]!);
}

async function card(item: Item): Promise<string> {
  const { uri, width, height } = await thumbnail(item.image, 160);
  const captions = item.captions.map((caption) => `<li>${escapeHtml(caption.text)}</li>`).join("");
  return (
    `<div style="display:inline-block;vertical-align:top;width:220px;margin:4px 12px 8px 0">` +
    `<img src="${uri}" width="${String(width)}" height="${String(height)}" alt="${escapeHtml(item.id)}">` +
    `<div><small>${escapeHtml(item.id)}</small></div>` +
    `<ul style="margin:2px 0;padding-left:16px;font-size:smaller">${captions}</ul></div>`
  );
}
