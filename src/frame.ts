/** Results as tables to calculate with: danfo.js DataFrames, typed and shown as HTML in a notebook. */
import path from "node:path";
import util from "node:util";
import type { DataFrame, NDframe } from "danfojs-node";
import type { IndexList, RunList } from "./commands/results.js";
import type { StoredRun } from "./commands/runList.js";
import type { Dataset } from "./data/dataset.js";
import { countWords } from "./data/summary.js";
import { displaySymbol, escapeHtml, renderTable, type Displayable, type MimeBundle } from "./display.js";
import { AmsError } from "./errors.js";
import { captionsOf } from "./evaluate/captions.js";
import type { Comparison, MeasureDifference } from "./evaluate/compare.js";
import { hardestConfusions, type Confusion } from "./evaluate/confusions.js";
import { scoreDistributions, type Distributions } from "./evaluate/distributions.js";
import type { Evaluation, EvaluationSummary } from "./evaluate/evaluation.js";
import { phraseRecalls, type PhraseRecall } from "./evaluate/phraseRecall.js";
import type { ScaleRecalls, ScaleSummary } from "./evaluate/scales.js";
import type { WordRow } from "./evaluate/wordRelevance.js";
import type { StoredIndex } from "./search/index.js";
import type { EpochRecord, StepRecord } from "./train/records.js";
import type { Run } from "./train/trainer.js";
import { vendored } from "./vendored.js";

/** A danfo.js DataFrame that shows itself; the frames that its methods return do so too. */
export type Frame = DataFrame & Displayable;

/**
 * A data set as a table with a row a caption: split, image (its id), file, caption, words; or the list of runs as a table with a row
 * a run: name, recipe, status, epochs, steps, loss, rsum (its best), changed; or of indexes: name, images, captions, features, megabytes, model,
 * made, problem.
 *
 * `ams.frame(scenes).groupby(["split"]).col(["words"]).mean()`
 */
export function frame(value: Dataset | RunList | IndexList): Frame;
/**
 * A run as a table with a row a step: step, epoch, loss, learningRate, gradientNorm, imagesPerSecond; or a row an epoch: epoch,
 * step, loss, seconds, and the validation's recalls, NaN where none were measured. Steps count from 1, epochs from 0.
 */
export function frame(run: Run, options?: { of?: "steps" | "epochs" }): Frame;
/**
 * An evaluation as a table with a row a query: direction ("i2t", "t2i"), image (its id), caption (empty where the image asks), rank of
 * the true item from 1 (images without captions ask nothing and have no row); as its `summary` in one row; with a row a query that is answered
 * wrongly, the hardest first (`confusions`: the wrong answer and by how much it scores higher); as histograms of the scores of true, hardest and
 * all wrong pairs (`scores`, a row a bin); with a row a word, scale and image (`words`, after `eval --words N`: strongest similarity and the
 * branches of the score); with a row a scale (`scales`, after `eval --scales`); or with a row a kind of
 * phrase (`phrases`: recalls of the captions that have one, where the data knows kinds).
 */
export function frame(
  evaluation: Evaluation,
  options?: { of?: "queries" | "summary" | "confusions" | "scores" | "words" | "scales" | "phrases" },
): Frame;
/**
 * A comparison as a table with a row a measure: measure, a, b, difference (b - a), low and high of its interval, p, real; or its means over
 * the folds (`folds`), or what differs in the records of two runs (`records`).
 */
export function frame(comparison: Comparison, options?: { of?: "measures" | "folds" | "records" }): Frame;
export function frame(value: unknown, { of }: { of?: string } = {}): Frame {
  const found = tablesOf(value);
  if (found === undefined) {
    throw new AmsError(
      "only a data set, a run, an evaluation, a comparison or a list of runs or indexes becomes a frame",
      {
        where: `frame(${util.inspect(value, { depth: 0, breakLength: Infinity, maxStringLength: 60 })})`,
        hint:
          value instanceof Promise
            ? "wait for the result first: frame(await ...)"
            : "give it what the verbs data, train, eval, compare, runs or indexes returned",
      },
    );
  }
  const names = Object.keys(found.tables);
  const make = found.tables[of ?? names[0]!];
  if (make === undefined) {
    throw new AmsError(`${found.what} has no table "${String(of)}"`, {
      where: `frame(..., { of: ${JSON.stringify(of)} })`,
      hint: `choose one of: ${names.join(", ")}`,
    });
  }
  return make();
}

/** What can be made of a value, the default first; undefined for a value that is no result. */
function tablesOf(value: unknown): { what: string; tables: Record<string, () => Frame> } | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if ("splits" in value && "fingerprint" in value) {
    const dataset = value as Dataset;
    return { what: "a data set", tables: { captions: () => build(captionRows(dataset), captionColumns) } };
  }
  if ("ranks" in value && "owner" in value) {
    const evaluation = value as Evaluation;
    return {
      what: "an evaluation",
      tables: {
        queries: () => build(queryRows(evaluation), queryColumns),
        summary: () => build([evaluation], summaryColumns),
        confusions: () => build(confusionRows(evaluation), confusionColumns),
        scores: () => build(binRows(scoreDistributions(evaluation)), binColumns),
        words: () => build(asked(evaluation.words, "words", "--words 100").words, wordColumns),
        phrases: () => build(phraseRecalls(evaluation), phraseColumns),
        scales: () => build(scaleRows(asked(evaluation.scales, "scales", "--scales")), scaleColumns),
      },
    };
  }
  if ("steps" in value && Array.isArray(value.steps) && "epochs" in value) {
    const { steps, epochs } = value as Run;
    return {
      what: "a run",
      tables: { steps: () => build(steps, stepColumns), epochs: () => build(epochs, epochColumns) },
    };
  }
  if ("measures" in value && Array.isArray(value.measures) && "a" in value) {
    const { measures, folds, records } = value as Comparison;
    return {
      what: "a comparison",
      tables: {
        measures: () => build(measures, measureColumns),
        ...(folds === undefined ? {} : { folds: () => build(folds.measures, measureColumns) }),
        ...(records === undefined ? {} : { records: () => build(records, recordColumns) }),
      },
    };
  }
  if ("runs" in value && Array.isArray(value.runs)) {
    const { runs } = value as RunList;
    return { what: "the list of runs", tables: { runs: () => build(runs, runColumns) } };
  }
  if ("indexes" in value && Array.isArray(value.indexes)) {
    const { indexes } = value as IndexList;
    return { what: "the list of indexes", tables: { indexes: () => build(indexes, indexColumns) } };
  }
  return undefined;
}

/** danfo's type of a column, and a row's value in it. */
type Column<R> = ["string" | "int32" | "float32" | "boolean", (row: R) => string | number | boolean];
/** A frame's columns are its properties: none may have the name of a method, as `query`, `count` or `mean` would. */
type Columns<R> = Record<string, Column<R>>;

interface CaptionRow {
  split: string;
  image: string;
  file: string;
  caption: string;
}

function captionRows({ splits }: Dataset): CaptionRow[] {
  return Object.entries(splits).flatMap(([split, items]) =>
    items.flatMap(({ id, image, captions }) =>
      captions.map(({ text }) => ({ split, image: id, file: path.basename(image), caption: text })),
    ),
  );
}

const captionColumns: Columns<CaptionRow> = {
  split: ["string", ({ split }) => split],
  image: ["string", ({ image }) => image],
  file: ["string", ({ file }) => file],
  caption: ["string", ({ caption }) => caption],
  words: ["int32", ({ caption }) => countWords(caption)],
};

const stepColumns: Columns<StepRecord> = {
  step: ["int32", ({ step }) => step],
  epoch: ["int32", ({ epoch }) => epoch],
  loss: ["float32", ({ loss }) => loss],
  learningRate: ["float32", ({ learningRate }) => learningRate],
  gradientNorm: ["float32", ({ gradientNorm }) => gradientNorm],
  imagesPerSecond: ["float32", ({ imagesPerSecond }) => imagesPerSecond],
};

const recallColumns: Columns<Pick<EvaluationSummary, "i2t" | "t2i" | "rsum"> | undefined> = {
  ...Object.fromEntries(
    (["i2t", "t2i"] as const).flatMap((way) =>
      (["r1", "r5", "r10", "medr", "meanr"] as const).map((name) => [
        `${way}_${name}`,
        ["float32", (summary: Pick<EvaluationSummary, "i2t" | "t2i"> | undefined) => summary?.[way][name] ?? NaN],
      ]),
    ),
  ),
  rsum: ["float32", (summary) => summary?.rsum ?? NaN],
};

const epochColumns: Columns<EpochRecord> = {
  epoch: ["int32", ({ epoch }) => epoch],
  step: ["int32", ({ step }) => step],
  loss: ["float32", ({ loss }) => loss],
  seconds: ["float32", ({ seconds }) => seconds],
  ...Object.fromEntries(
    Object.entries(recallColumns).map(([name, [type, of]]): [string, Column<EpochRecord>] => [
      name,
      [type, ({ evaluation }) => of(evaluation)],
    ]),
  ),
};

const summaryColumns: Columns<Evaluation> = {
  dataset: ["string", ({ dataset }) => dataset],
  split: ["string", ({ split }) => split],
  images: ["int32", ({ images }) => images],
  captions: ["int32", ({ captions }) => captions],
  ...recallColumns,
  rsum_low: ["float32", ({ interval }) => interval[0]],
  rsum_high: ["float32", ({ interval }) => interval[1]],
  ties: ["int32", ({ ties }) => ties],
};

interface QueryRow {
  direction: "i2t" | "t2i";
  image: string;
  caption: string;
  /** From 0; -1 for an image without captions. */
  rank: number;
}

function queryRows(evaluation: Evaluation): QueryRow[] {
  const { ranks, owner, items } = evaluation;
  const captions = captionsOf(evaluation);
  const id = (image: number): string => items[image]?.id ?? String(image);
  const fromImages = Array.from(ranks.i2t, (rank, image): QueryRow => {
    return { direction: "i2t", image: id(image), caption: "", rank };
  });
  const fromCaptions = Array.from(ranks.t2i, (rank, caption): QueryRow => {
    return { direction: "t2i", image: id(owner[caption]!), caption: captions[caption]?.text ?? "", rank };
  });
  return [...fromImages.filter(({ rank }) => rank >= 0), ...fromCaptions];
}

const queryColumns: Columns<QueryRow> = {
  direction: ["string", ({ direction }) => direction],
  image: ["string", ({ image }) => image],
  caption: ["string", ({ caption }) => caption],
  rank: ["int32", ({ rank }) => rank + 1],
};

type ConfusionRow = Omit<Confusion, "image" | "caption" | "wrongImage" | "wrongCaption"> &
  Record<"image" | "caption" | "wrongImage" | "wrongCaption", string>;

/** Both directions together, the largest margin first. */
function confusionRows(evaluation: Evaluation): ConfusionRow[] {
  const captions = captionsOf(evaluation);
  const id = (image: number): string => evaluation.items[image]?.id ?? String(image);
  const both = (["t2i", "i2t"] as const).flatMap((direction) => hardestConfusions(evaluation, direction));
  return both
    .sort((a, b) => b.margin - a.margin)
    .map(({ image, caption, wrongImage, wrongCaption, ...rest }) => ({
      ...rest,
      image: id(image),
      caption: captions[caption]?.text ?? "",
      wrongImage: id(wrongImage),
      wrongCaption: captions[wrongCaption]?.text ?? "",
    }));
}

const confusionColumns: Columns<ConfusionRow> = {
  direction: ["string", ({ direction }) => direction],
  image: ["string", ({ image }) => image],
  caption: ["string", ({ caption }) => caption],
  wrong_image: ["string", ({ wrongImage }) => wrongImage],
  wrong_caption: ["string", ({ wrongCaption }) => wrongCaption],
  score: ["float32", ({ score }) => score],
  wrong_score: ["float32", ({ wrongScore }) => wrongScore],
  margin: ["float32", ({ margin }) => margin],
  rank: ["int32", ({ rank }) => rank + 1],
};

interface BinRow {
  low: number;
  high: number;
  positive: number;
  hardest: number;
  negative: number;
}

function binRows({ edges, positive, hardest, negative }: Distributions): BinRow[] {
  return positive.bins.map((count, k) => {
    return {
      low: edges[k]!,
      high: edges[k + 1]!,
      positive: count,
      hardest: hardest.bins[k]!,
      negative: negative.bins[k]!,
    };
  });
}

const binColumns: Columns<BinRow> = {
  low: ["float32", ({ low }) => low],
  high: ["float32", ({ high }) => high],
  positive: ["int32", ({ positive }) => positive],
  hardest: ["int32", ({ hardest }) => hardest],
  negative: ["int32", ({ negative }) => negative],
};

const wordColumns: Columns<WordRow> = {
  image: ["string", ({ image }) => image],
  other: ["string", ({ other }) => other],
  against: ["string", ({ against }) => against],
  caption: ["int32", ({ caption }) => caption],
  place: ["int32", ({ place }) => place],
  word: ["string", ({ word }) => word],
  scale: ["int32", ({ scale }) => scale],
  strongest: ["float32", ({ strongest }) => strongest],
  feature: ["float32", ({ feature }) => feature],
  relevance: ["float32", ({ relevance }) => relevance],
  negative: ["float32", ({ negative }) => negative],
};

type ScaleRow = { scales: string } & ScaleSummary;

function scaleRows(scales: readonly ScaleRecalls[]): ScaleRow[] {
  return [
    ...scales.map(({ scale, alone }) => ({ scales: `${scale} alone`, ...alone })),
    ...scales.flatMap(({ scale, without }) =>
      without === undefined ? [] : [{ scales: `all but ${scale}`, ...without }],
    ),
  ];
}

const scaleColumns: Columns<ScaleRow> = {
  scales: ["string", ({ scales }) => scales],
  ...recallColumns,
  rsum_low: ["float32", ({ intervals }) => intervals[6][0]],
  rsum_high: ["float32", ({ intervals }) => intervals[6][1]],
};

const phraseColumns: Columns<PhraseRecall> = {
  type: ["string", ({ type }) => type],
  captions: ["int32", ({ captions }) => captions],
  images: ["int32", ({ images }) => images],
  ...Object.fromEntries(
    [0, 1, 2].flatMap((i): [string, Column<PhraseRecall>][] => [
      [`r${[1, 5, 10][i]!}`, ["float32", ({ recalls }) => recalls[i]!.recall]],
      [`r${[1, 5, 10][i]!}_low`, ["float32", ({ recalls }) => recalls[i]!.interval[0]]],
      [`r${[1, 5, 10][i]!}_high`, ["float32", ({ recalls }) => recalls[i]!.interval[1]]],
    ]),
  ),
};

const measureColumns: Columns<MeasureDifference> = {
  measure: ["string", ({ measure }) => measure],
  a: ["float32", ({ a }) => a],
  b: ["float32", ({ b }) => b],
  difference: ["float32", ({ difference }) => difference],
  low: ["float32", ({ interval }) => interval[0]],
  high: ["float32", ({ interval }) => interval[1]],
  p: ["float32", ({ p }) => p],
  real: ["boolean", ({ real }) => real],
};

const recordColumns: Columns<NonNullable<Comparison["records"]>[number]> = {
  what: ["string", ({ what }) => what],
  a: ["string", ({ a }) => a],
  b: ["string", ({ b }) => b],
};

function asked<T>(value: T | undefined, what: string, option: string): T {
  if (value !== undefined) return value;
  throw new AmsError(`the evaluation has no ${what}: they were not asked for`, {
    where: `frame(..., { of: "${what}" })`,
    hint: `evaluate with them: ams eval ${option}`,
  });
}

const runColumns: Columns<StoredRun> = {
  name: ["string", ({ name }) => name],
  recipe: ["string", ({ recipe }) => recipe],
  status: ["string", ({ status }) => status],
  epochs: ["int32", ({ epochs }) => epochs.length],
  steps: ["int32", ({ lastStep }) => lastStep?.step ?? 0],
  loss: ["float32", ({ epochs, lastStep }) => epochs.at(-1)?.loss ?? lastStep?.loss ?? NaN],
  rsum: ["float32", ({ epochs }) => largest(epochs.flatMap(({ evaluation }) => evaluation?.rsum ?? []))],
  changed: ["string", ({ changed }) => changed.toISOString()],
};

const indexColumns: Columns<StoredIndex> = {
  name: ["string", ({ name }) => name],
  images: ["int32", ({ images }) => images ?? 0],
  captions: ["int32", ({ captions }) => captions ?? 0],
  features: ["string", ({ features }) => features ?? ""],
  megabytes: ["float32", ({ bytes }) => bytes / 1e6],
  model: ["string", ({ model }) => model ?? ""],
  made: ["string", ({ made }) => made ?? ""],
  problem: ["string", ({ problem }) => problem ?? ""],
};

function largest(values: number[]): number {
  return values.length === 0 ? NaN : Math.max(...values);
}

/** Types are given, because danfo would infer them from the first twenty rows, and none from no rows. */
function build<R>(rows: R[], columns: Columns<R>): Frame {
  const getters = Object.values(columns).map(([, of]) => of);
  const data = rows.map((row) => getters.map((of) => of(row)));
  const made = new (danfo().DataFrame)(data, {
    columns: Object.keys(columns),
    dtypes: Object.values(columns).map(([type]) => type),
  });
  return made as Frame;
}

type Danfo = typeof import("danfojs-node");
let loaded: Danfo | undefined;

/** danfo.js, loaded with the first frame: it takes a second or two that nobody else should wait for. */
function danfo(): Danfo {
  if (loaded !== undefined) return loaded;
  const { noDeprecation } = process;
  // Its dependency request uses Node's own punycode, about which newer Nodes print a warning.
  process.noDeprecation = true;
  try {
    /* eslint-disable @typescript-eslint/no-require-imports */
    const danfojs = require(vendored("danfojs-node")) as Danfo;
    // Arithmetic on frames before an engine is started runs on tfjs's plain backend.
    (require("./engine/plain.js") as typeof import("./engine/plain.js")).silencePlain();
    /* eslint-enable @typescript-eslint/no-require-imports */
    Object.defineProperty(danfojs.NDframe.prototype, displaySymbol, {
      value: function (this: NDframe) {
        return show(this);
      },
      configurable: true,
    });
    loaded = danfojs;
    return danfojs;
  } finally {
    if (noDeprecation === undefined) delete process.noDeprecation;
    else process.noDeprecation = noDeprecation;
  }
}

const shownRows = 20;

/** The first rows with their index, and the size of the whole. */
function show({ index, columns, values, shape }: NDframe): MimeBundle {
  const [rows = 0, width = 1] = shape;
  const first = (values as unknown[]).slice(0, shownRows);
  const table = renderTable({
    columns: ["", ...columns],
    rows: first.map((row, i) => [String(index[i]), ...(Array.isArray(row) ? row : [row]).map(cell)]),
  });
  const whole = (n: number, what: string): string => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;
  const size = `${rows > shownRows ? `the first ${shownRows} of ` : ""}${whole(rows, "row")}, ${whole(width, "column")}`;
  return {
    "text/html": `${table.html}<div>${escapeHtml(size)}</div>`,
    "text/plain": `${table.text}\n${size}`,
  };
}

function cell(value: unknown): string {
  if (typeof value === "number") return String(Number.isInteger(value) ? value : Number(value.toPrecision(6)));
  return typeof value === "string" ? value : util.inspect(value);
}
