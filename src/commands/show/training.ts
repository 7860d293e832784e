/** The live display of a training: where it stands, its curves, one table row per epoch, what it retrieves; the last state is the record. */
import { escapeHtml, renderTable, type MimeBundle } from "../../display.js";
import { asTyped } from "../../errors.js";
import { galleryHtml } from "../../plot/galleryHtml.js";
import { markOf } from "../../plot/gallerySvg.js";
import { series } from "../../plot/palette.js";
import { blockLine, sparkline } from "../../plot/sparkline.js";
import { speedText, type TrainingState } from "../../train/records.js";
import { formatNumber, formatSeconds } from "./format.js";

/** Pixels of the pictures that show what the model retrieves. */
const thumbnails = 56;

/** One line: "step 120/400 · loss 4.213 · lr 2.0e-5 · 83 images/s · 2 min 5 s left". */
export function trainingLine(state: TrainingState): string {
  const last = state.steps.at(-1);
  const seconds = state.epochs.reduce((sum, epoch) => sum + epoch.seconds, 0);
  return [
    `step ${String(state.step)}/${String(state.totalSteps)}`,
    ...(last === undefined
      ? []
      : [`loss ${formatNumber(last.loss)}`, `lr ${last.learningRate.toExponential(1)}`, speedText(last)]),
    ...(ended(state)
      ? [`${state.status}${seconds > 0 ? ` after ${formatSeconds(seconds)}` : ""}`]
      : (state.status === "evaluating" || state.status === "saving") && state.secondsLeft <= 0 // of the last work nothing is known
        ? []
        : [`${formatSeconds(state.secondsLeft)} left`]),
    ...(state.status === "evaluating" ? ["evaluating"] : []),
    ...(state.status === "saving" ? ["saving the checkpoint"] : []),
  ].join(" · ");
}

/** Said of a recipe that mines a threshold and ends without one. */
const notMined =
  "No threshold was mined, evaluations use 0: too few captions of the last batch found their own image first.";

/** The whole state as HTML and text; a pure function, so that a host may draw it as often or as rarely as it likes. */
export function trainingDisplay(state: TrainingState): MimeBundle {
  const title = `Training ${state.name} (${state.recipe})`;
  const line = trainingLine(state);
  const levels = ended(state) ? [] : levelsOf(state);
  const curves = curvesOf(state);
  const table = state.epochs.length > 0 ? epochTable(state) : undefined;
  const { samples } = state;
  const unmined = state.status === "finished" && state.threshold === 0 ? [notMined] : [];
  return {
    "text/html":
      `<div><b>${escapeHtml(title)}</b> ${escapeHtml(line)}${levels.map(bar).join("")}` +
      (curves.length > 0 ? `<div style="margin:4px 0">${curves.map(curve).join("")}</div>` : "") +
      `${table?.html ?? ""}${unmined.map((text) => `<div>${escapeHtml(text)}</div>`).join("")}` +
      `${samples === undefined ? "" : galleryHtml(samples, thumbnails)}</div>`,
    "text/plain": [
      line, // first: where there is room for one line only, it is this one
      title,
      ...levels.map(({ name, done, total, unit }) => `${name}: ${unit} ${String(done)}/${String(total)}`),
      ...curves.map(({ name, values, range }) => `${name} ${blockLine(values)} ${range}`),
      ...(table === undefined ? [] : [table.text]),
      ...unmined,
      ...(state.status === "finished" ? [asTyped(`to evaluate it: ams eval --checkpoint ${state.name}`)] : []),
      ...(samples === undefined ? [] : [samples.title, ...samples.rows.map(sampleLine)]),
    ].join("\n"),
  };
}

function ended({ status }: TrainingState): boolean {
  return status === "finished" || status === "stopped";
}

interface Level {
  name: string;
  unit: string;
  done: number;
  total: number;
}

/** The bars: within the epoch (its steps, then its validation), and over the whole run. */
function levelsOf({ step, totalSteps, stepsPerEpoch, totalEpochs, status, validation }: TrainingState): Level[] {
  const evaluating = status === "evaluating";
  // Between the last step of an epoch and the first of the next the epoch is full, not the next one empty.
  const epoch = Math.max(0, Math.ceil(step / stepsPerEpoch) - 1);
  const within = Math.min(stepsPerEpoch, totalSteps - epoch * stepsPerEpoch);
  const name = `epoch ${String(epoch + 1)}/${String(totalEpochs)}`;
  return [
    evaluating && validation !== undefined
      ? { name, unit: validation.label, done: validation.done, total: validation.total }
      : { name, unit: "step", done: step - epoch * stepsPerEpoch, total: within },
    { name: "whole run", unit: "step", done: step, total: totalSteps },
  ];
}

function bar({ name, unit, done, total }: Level, index: number): string {
  const percent = total > 0 ? Math.min(100, (100 * done) / total) : 0;
  const cell = "display:inline-block;vertical-align:middle";
  return (
    `<div style="line-height:1.5"><span style="${cell};min-width:110px;padding-right:8px;white-space:nowrap">${escapeHtml(name)}</span>` +
    `<span style="${cell};background:rgba(128,128,128,.3);height:8px;width:320px;border-radius:4px;overflow:hidden">` +
    `<span style="display:block;background:${series[index] ?? series[0]};height:8px;width:${percent.toFixed(1)}%"></span></span>` +
    `<small style="margin-left:8px">${escapeHtml(`${unit} ${String(done)}/${String(total)}`)}</small></div>`
  );
}

interface Curve {
  name: string;
  values: number[];
  range: string;
}

/** The loss of every step; of every epoch the recalls at 1 and their sum. */
function curvesOf({ steps, epochs }: TrainingState): Curve[] {
  const losses = steps.map(({ loss }) => loss);
  const evaluated = epochs.flatMap(({ evaluation }) => (evaluation === undefined ? [] : [evaluation]));
  const all: [string, number[], (value: number) => string][] = [
    ["loss", losses, formatNumber],
    ["i2t R@1", evaluated.map(({ i2t }) => i2t.r1), (value) => value.toFixed(1)],
    ["t2i R@1", evaluated.map(({ t2i }) => t2i.r1), (value) => value.toFixed(1)],
    ["rSum", evaluated.map(({ rsum }) => rsum), (value) => value.toFixed(1)],
  ];
  return all
    .filter(([, values]) => values.length > 1)
    .map(([name, values, format]) => ({
      name,
      values,
      range: `${format(values[0] ?? NaN)} to ${format(values.at(-1) ?? NaN)}`,
    }));
}

/** As an image with the SVG inside: that survives the sanitizers of every front end. */
function curve({ name, values, range }: Curve): string {
  const size = name === "loss" ? {} : { width: 96 };
  const svg = Buffer.from(sparkline(values, { label: name, ...size })).toString("base64");
  return (
    `<span style="display:inline-block;margin-right:16px"><img alt="${name} curve" style="display:block" ` +
    `src="data:image/svg+xml;base64,${svg}"><small>${name} ${range}</small></span>`
  );
}

/** `  ✓✗✗✗ "A cake beside a bus" (right answer at rank 1 of 100)`. */
function sampleLine({ text, note, hits }: NonNullable<TrainingState["samples"]>["rows"][number]): string {
  const marks = hits.map(({ right }) => markOf(right).trim()).join("");
  return `  ${marks} "${text ?? ""}"${note === undefined ? "" : ` (${note})`}`;
}

function epochTable(state: TrainingState): { text: string; html: string } {
  const evaluated = state.epochs.find((e) => e.evaluation !== undefined)?.evaluation;
  const recallColumns = ["i2t R@1", "R@5", "R@10", "t2i R@1", "R@5", "R@10", "rSum"];
  return renderTable({
    columns: ["epoch", "steps", "loss", "time", ...(evaluated === undefined ? [] : recallColumns)],
    rows: state.epochs.map(({ epoch, step, loss, seconds, evaluation: e }) => [
      epoch + 1,
      step,
      formatNumber(loss),
      formatSeconds(seconds),
      ...(e === undefined
        ? []
        : [e.i2t.r1, e.i2t.r5, e.i2t.r10, e.t2i.r1, e.t2i.r5, e.t2i.r10, e.rsum].map((v) => v.toFixed(1))),
    ]),
    ...(evaluated === undefined
      ? {}
      : { caption: `recalls on ${evaluated.split} (${String(evaluated.images)} images), percent` }),
  });
}
