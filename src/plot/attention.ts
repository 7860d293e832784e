/** Attention of every word at every scale: a row a word, small heat maps over the image, and their weighted sum. */
import { createHash } from "node:crypto";
import { escapeHtml, renderTable } from "../display.js";
import { AmsError } from "../errors.js";
import { centreInside, phraseWords, pointedPatch } from "../evaluate/point.js";
import { scaleSum } from "../match/scaleSum.js";
import { attentionHtml } from "./attentionHtml.js";
import { attentionSvg, stackedSvg, weightsLine } from "./attentionSvg.js";
import { explorerHtml } from "./explorer.js";
import { packValues, relevanceNorms, type Branch, type ExplorerView } from "./explorerMaps.js";
import { makeFigure, type Figure } from "./figure.js";
import { heatPng } from "./heatPng.js";
import { thumbnail, type RgbImage } from "./raster.js";

/** The word-region comparison of one scale, for W words and R regions. */
export interface AttentionScale {
  /** `[W, R]`: word-region products A. */
  relevance: ArrayLike<number>;
  /** `[W, R]`: weights of the positive branch, summing to 1 over the regions of a matched word and 0 for the others. */
  weights: ArrayLike<number>;
  /** `[W]`: whether any region is above the threshold. */
  matched: readonly boolean[];
  /** S_k of the pair. */
  score: number;
  /** s_k, with which the scale counts in the sum; default 1. */
  weight?: number;
}

export interface AttentionTokens {
  pieces: readonly string[];
  /** Character span of each piece in the caption; null for special tokens and pads. */
  spans: readonly (readonly [number, number] | null)[];
  /** 1 for words and special tokens, 0 for pads. */
  mask: ArrayLike<number>;
  truncated?: boolean;
}

export interface AttentionInput {
  image: RgbImage;
  caption: string;
  tokens: AttentionTokens;
  scales: readonly AttentionScale[];
  /** Patches per side; R = grid * grid, or one more when the first region is [CLS]. */
  grid: number;
  /** True boxes of the caption's phrases, in pixels of `image`: drawn as outlines in the rows of their words. */
  phrases?: readonly { start: number; end: number; boxes: readonly Rectangle[] }[];
  /** Encoder layer of each scale, for the column heads. */
  layers?: readonly number[];
  /** A word matches the regions whose product is above this (default 0). */
  threshold?: number;
  /** `[W]`: 1 for the words that count in the score (default: the mask). */
  counted?: ArrayLike<number>;
  title?: string;
  /** What tells it from the other one in a comparison, e.g. the checkpoint. */
  name?: string;
  /** What the maps show: the attention weights (default), or the products A where they are positive. */
  show?: "weights" | "relevance";
  /** How the model scores (`ModelHead`): pooled features have products, but no matches and no attention. Default: attention. */
  score?: "attention" | "relevant" | "pooled" | undefined;
  /** What can be looked at in the explorer; default: all that AMS's score has. */
  branches?: readonly Branch[];
}

export interface Rectangle {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** One small picture of the figure. */
export interface AttentionCell {
  /** The heat map as a PNG data URI; undefined when nothing is above 0. */
  heat: string | undefined;
  /** The patch values behind it, row by row. */
  values: number[];
  /** Value of the strongest patch, which has the strongest colour. */
  strongest: number;
  /** What the [CLS] region has; 0 where there is no such region. */
  cls: number;
  matched: boolean;
  /** Where the word's phrase points at this scale (its centre as fractions of the image), and whether that is in its boxes. */
  point?: { x: number; y: number; inside: boolean };
}

export interface AttentionRow {
  label: string;
  kind: "word" | "special" | "pad";
  /** One a scale, then the sum (when there is more than one scale). */
  cells: AttentionCell[];
  /** Number of scales that match the word. */
  matches: number;
  /** True boxes as fractions of the image. */
  boxes: Rectangle[];
}

/** What the SVG and the HTML are drawn from. */
export interface AttentionView {
  /** Mark of this figure in element ids and class names. */
  id: string;
  title: string;
  /** The caption in pieces; `matches` is undefined for what is no word, "cut" for what the tokenizer dropped. */
  caption: { text: string; matches: number | undefined | "cut" }[];
  columns: { name: string; detail: string }[];
  scaleCount: number;
  /** s_k of every scale, where one of them is not 1. */
  weights: number[] | undefined;
  rows: AttentionRow[];
  show: "weights" | "relevance";
  score: "attention" | "relevant" | "pooled";
  threshold: number;
  hasCls: boolean;
  /** height / width of the image. */
  aspect: number;
  picture: string;
  faded: string;
}

/**
 * The figure of a caption and an image: an explorer, and a still as HTML, SVG and PNG. In the still each map is scaled to its own strongest
 * patch, whose value is written in it. Words that no region matches at any scale are struck through; special tokens are dimmed, and all
 * pads share one row (their mean). Throws AmsError when the numbers do not fit the words and the grid.
 */
export async function attentionFigure(input: AttentionInput): Promise<Figure> {
  const view = await viewOf(input);
  const { title } = view;
  const explorer = { version: 1 as const, title, views: [await explorerView(input, view)] };
  return makeFigure({
    title,
    svg: attentionSvg(view),
    html: explorerHtml(explorer, attentionHtml(view)),
    explorer,
    text: textOf(view, input.caption),
    json: jsonOf(input, view),
  });
}

/** Two captions of an image, or two models over the same pair, side by side in one explorer; their stills stand below each other. */
export async function attentionComparison(
  inputs: readonly [AttentionInput, AttentionInput],
  title = "Attention compared",
): Promise<Figure> {
  const views = await Promise.all(inputs.map((input) => viewOf({ ...input, title: input.name ?? title })));
  const panels = await Promise.all(inputs.map((input, i) => explorerView(input, views[i]!)));
  const explorer = { version: 1 as const, title, views: panels };
  const still = `<h4>${escapeHtml(title)}</h4>${views.map(attentionHtml).join("<hr>")}`;
  return makeFigure({
    title,
    svg: stackedSvg(views.map(attentionSvg)),
    html: explorerHtml(explorer, still),
    explorer,
    text: [title, ...views.map((view, i) => textOf(view, inputs[i]!.caption))].join("\n\n"),
    json: { title, views: views.map((view, i) => ({ ...jsonOf(inputs[i]!, view), name: panels[i]!.name })) },
  });
}

/** What the still is drawn from. */
async function viewOf(input: AttentionInput): Promise<AttentionView> {
  const { image, caption, scales, grid, score = "attention", threshold = 0 } = input;
  const { title = score === "pooled" ? "Products of every word and patch" : "Attention of every word at every scale" } =
    input;
  const show = input.show ?? "weights";
  check(input);
  const words = scales[0]?.matched.length ?? 0;
  const hasCls = regionCount(input) > grid * grid;
  const indexes = Array.from({ length: words }, (_, i) => i);
  const pads = indexes.filter((i) => input.tokens.mask[i] === 0);
  const row = (index: number): AttentionRow => {
    const { cells, matches } = cellsOf(input, [index], show);
    const points = pointsOf(input, index);
    return {
      label: input.tokens.pieces[index] ?? "[PAD]",
      kind: spanOf(input, index) === null ? "special" : "word",
      cells: cells.map((cell, k) => (points[k] === undefined ? cell : { ...cell, point: points[k] })),
      matches,
      boxes: boxesOf(input, index),
    };
  };
  const known = indexes.filter((i) => input.tokens.mask[i] !== 0).map(row);
  const rows = [
    ...known.filter((r) => r.kind === "word"),
    ...known.filter((r) => r.kind === "special"),
    ...(pads.length === 0
      ? []
      : [{ label: `[PAD] × ${String(pads.length)}`, kind: "pad" as const, ...cellsOf(input, pads, show), boxes: [] }]),
  ];
  const [picture, faded] = await Promise.all([thumbnail(image, 300), thumbnail(image, 160, true)]);
  return {
    id: createHash("sha256")
      .update(JSON.stringify([title, caption, show, rows]))
      .digest("hex")
      .slice(0, 8),
    title,
    caption: captionOf(input, rows),
    columns: columnsOf(input),
    scaleCount: scales.length,
    weights: scales.some(({ weight = 1 }) => weight !== 1) ? scales.map(({ weight = 1 }) => weight) : undefined,
    rows,
    show,
    score,
    threshold,
    hasCls,
    aspect: image.height / image.width,
    picture: picture.uri,
    faded: faded.uri,
  };
}

function jsonOf(
  { caption, grid, scales }: AttentionInput,
  { title, show, rows, weights }: AttentionView,
): Record<string, unknown> {
  return {
    title,
    caption,
    show,
    grid,
    scores: scales.map((scale) => scale.score),
    ...(weights === undefined ? {} : { weights }),
    words: rows.map(({ label, kind, cells }) => ({
      label,
      kind,
      cells: cells.map(({ values, cls, matched, point }) => ({
        values,
        cls,
        matched,
        ...(point === undefined ? {} : { point }),
      })),
    })),
  };
}

/** The words but the pads, with their products at every scale, for the page to compute maps from. */
async function explorerView(input: AttentionInput, { hasCls, aspect }: AttentionView): Promise<ExplorerView> {
  const { tokens, scales, image, caption, grid, layers } = input;
  const regions = regionCount(input);
  const counted = input.counted ?? tokens.mask;
  const count = scales[0]?.matched.length ?? 0;
  const shown = Array.from({ length: count }, (_, i) => i).filter((i) => tokens.mask[i] !== 0);
  const ordered = [
    ...shown.filter((i) => spanOf(input, i) !== null),
    ...shown.filter((i) => spanOf(input, i) === null),
  ];
  const ends = ordered.flatMap((i) => spanOf(input, i)?.[1] ?? []);
  const pieces: ExplorerView["caption"] = [];
  let at = 0;
  ordered.forEach((index, word) => {
    const span = spanOf(input, index);
    if (span === null || span[0] < at) return;
    if (span[0] > at) pieces.push({ text: caption.slice(at, span[0]) });
    pieces.push({ text: caption.slice(span[0], span[1]), word });
    at = span[1];
  });
  const rest = caption.slice(Math.max(0, ...ends));
  if (rest !== "") pieces.push({ text: rest, ...(tokens.truncated === true ? { cut: true } : {}) });
  return {
    name: input.name ?? caption,
    caption: pieces,
    picture: (await thumbnail(image, 420)).uri,
    aspect,
    grid,
    hasCls,
    threshold: input.threshold ?? 0,
    ...(input.branches === undefined ? {} : { branches: [...input.branches] }),
    words: ordered.map((index) => ({
      label: tokens.pieces[index] ?? "",
      special: spanOf(input, index) === null,
      boxes: boxesOf(input, index),
    })),
    scales: scales.map(({ relevance, score, weight }, k) => {
      const products = new Float32Array(ordered.length * regions);
      ordered.forEach((index, word) => {
        for (let j = 0; j < regions; j++) products[word * regions + j] = relevance[index * regions + j]!;
      });
      const { packed, unit } = packValues(products);
      const norms = packValues(relevanceNorms(relevance, counted, regions));
      return {
        name: `scale ${String(k + 1)}`,
        detail: layers?.[k] === undefined ? "" : `layer ${String(layers[k])}`,
        score,
        ...(weight === undefined ? {} : { weight }),
        products: packed,
        unit,
        norms: norms.packed,
        normUnit: norms.unit,
      };
    }),
  };
}

function regionCount({ scales, grid }: AttentionInput): number {
  const words = scales[0]?.matched.length ?? 0;
  return words === 0 ? grid * grid : (scales[0]?.weights.length ?? 0) / words;
}

function check(input: AttentionInput): void {
  const { scales, grid } = input;
  const regions = regionCount(input);
  const words = scales[0]?.matched.length;
  scales.forEach((scale, k) => {
    const fits =
      scale.matched.length === words &&
      scale.weights.length === words * regions &&
      scale.relevance.length === words * regions &&
      (regions === grid * grid || regions === grid * grid + 1);
    if (fits) return;
    throw new AmsError(
      `attention maps of ${String(scale.weights.length)} weights do not fit ${String(words)} words and ${String(grid)} x ${String(grid)} patches`,
      {
        where: `scale ${String(k + 1)} of an attention figure`,
        hint: "pass maps of [words, regions] with regions = grid * grid, or one more when the first region is [CLS]",
      },
    );
  });
}

/** The maps of one word, or the mean maps of several (the pads): a cell a scale and one for the sum. */
function cellsOf(
  { scales, grid, ...input }: AttentionInput,
  indexes: number[],
  show: "weights" | "relevance",
): { cells: AttentionCell[]; matches: number } {
  const regions = regionCount({ scales, grid, ...input });
  const offset = regions - grid * grid; // [CLS] comes first
  const means = scales.map((scale) => {
    const source = show === "weights" ? scale.weights : scale.relevance;
    const mean = new Array<number>(regions).fill(0);
    for (const word of indexes) {
      for (let r = 0; r < regions; r++) {
        const value = source[word * regions + r]!;
        if (value > 0) mean[r]! += value / indexes.length; // NaN and negative products have no colour
      }
    }
    return mean;
  });
  const matched = scales.map((scale) => indexes.some((i) => scale.matched[i] === true));
  const all = scales.length > 1 ? [...means, [...summed(scales, means)]] : means;
  const cells = all.map((mean, k) => {
    const values = mean.slice(offset);
    const strongest = Math.max(0, ...values);
    return {
      values: values.map((v) => Number(v.toPrecision(4))),
      heat: heatPng(values, grid, strongest),
      strongest,
      cls: offset === 0 ? 0 : (mean[0] ?? 0),
      matched: matched[k] ?? matched.some(Boolean),
    };
  });
  return { cells, matches: matched.filter(Boolean).length };
}

function summed(scales: readonly AttentionScale[], maps: readonly ArrayLike<number>[]): Float32Array {
  return scaleSum(
    maps,
    scales.map(({ weight }) => weight),
  );
}

function spanOf({ tokens }: AttentionInput, index: number): readonly [number, number] | null {
  return tokens.spans[index] ?? null;
}

function boxesOf(input: AttentionInput, index: number): Rectangle[] {
  const span = spanOf(input, index);
  if (span === null) return [];
  const { width, height } = input.image;
  const boxes = (input.phrases ?? []).filter((p) => p.start < span[1] && span[0] < p.end).flatMap((p) => p.boxes);
  return boxes.map((b) => ({ x: b.x / width, y: b.y / height, width: b.width / width, height: b.height / height }));
}

/** The pointing game of the word's phrase: its point at every scale and for their sum; none where it has no boxes. */
function pointsOf(input: AttentionInput, index: number): NonNullable<AttentionCell["point"]>[] {
  const { grid, scales, image } = input;
  const phrase = (input.phrases ?? []).find(
    (each) => each.boxes.length > 0 && phraseWords(input.tokens.spans, each).includes(index),
  );
  if (phrase === undefined || regionCount(input) === grid * grid) return [];
  const words = phraseWords(input.tokens.spans, phrase).filter((word) => word < (scales[0]?.matched.length ?? 0));
  const maps = scales.map(({ relevance }) => relevance);
  const view = { grid, imageWidth: image.width, imageHeight: image.height };
  return (maps.length > 1 ? [...maps, summed(scales, maps)] : maps).map((map) => {
    const patch = pointedPatch(map, words, grid);
    return {
      x: ((patch % grid) + 0.5) / grid,
      y: (Math.floor(patch / grid) + 0.5) / grid,
      inside: centreInside(patch, phrase.boxes, view),
    };
  });
}

/** The caption cut at the spans of its pieces, each with the number of scales that match it. */
function captionOf(input: AttentionInput, rows: AttentionRow[]): AttentionView["caption"] {
  const out: AttentionView["caption"] = [];
  const words = rows.filter((r) => r.kind === "word");
  let at = 0;
  let next = 0;
  for (const span of input.tokens.spans.slice(0, input.scales[0]?.matched.length)) {
    if (span === null) continue;
    const word = words[next++];
    if (span[0] < at) continue;
    if (span[0] > at) out.push({ text: input.caption.slice(at, span[0]), matches: undefined });
    const matches = input.score === "pooled" ? undefined : word?.matches;
    out.push({ text: input.caption.slice(span[0], span[1]), matches });
    at = span[1];
  }
  if (at < input.caption.length) {
    out.push({ text: input.caption.slice(at), matches: input.tokens.truncated === true ? "cut" : undefined });
  }
  return out;
}

function columnsOf({ scales, layers }: AttentionInput): AttentionView["columns"] {
  const columns = scales.map((scale, k) => ({
    name: `scale ${String(k + 1)}`,
    detail: `${layers?.[k] === undefined ? "" : `layer ${String(layers[k])}, `}S = ${scale.score.toFixed(2)}`,
  }));
  const total = scales.reduce((sum, { score, weight = 1 }) => sum + weight * score, 0);
  return scales.length > 1 ? [...columns, { name: "sum", detail: `S = ${total.toFixed(2)}` }] : columns;
}

function textOf(view: AttentionView, caption: string): string {
  const columns = ["word", ...view.columns.map((c) => c.name)];
  const rows = view.rows.map((row) => [
    row.label,
    ...row.cells.map(
      (cell) =>
        (cell.matched ? cell.strongest.toFixed(2) : "-") +
        (cell.point === undefined ? "" : cell.point.inside ? " in" : " out"),
    ),
  ]);
  const pointed = view.rows.some((row) => row.cells.some(({ point }) => point !== undefined));
  const note =
    view.show === "weights"
      ? "(weight of the strongest patch; - where no region matches the word)"
      : "(product with the strongest patch; - where no region matches the word)";
  const points = pointed
    ? ["(in, out: whether the strongest patch of the word's phrase lies in one of its boxes)"]
    : [];
  const weighted = view.weights === undefined ? [] : [`(${weightsLine(view.weights)})`];
  return [`${view.title}: "${caption}"`, note, ...weighted, ...points, renderTable({ columns, rows }).text].join("\n");
}
