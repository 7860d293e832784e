/** The live display of a training: where it stands, the loss curve, one table row per epoch; its last state is the record. */
import { escapeHtml, renderTable, type MimeBundle } from "../../display.js";
import { blockLine, sparkline } from "../../plot/sparkline.js";
import type { TrainingState } from "../../train/records.js";
import { formatNumber, formatSeconds } from "./format.js";

/** One line: "step 120/400 · loss 4.213 · lr 2.0e-5 · 83 images/s · 2 min 5 s left". */
export function trainingLine(state: TrainingState): string {
  const last = state.steps.at(-1);
  const seconds = state.epochs.reduce((sum, epoch) => sum + epoch.seconds, 0);
  return [
    `step ${String(state.step)}/${String(state.totalSteps)}`,
    ...(last === undefined
      ? []
      : [
          `loss ${formatNumber(last.loss)}`,
          `lr ${last.learningRate.toExponential(1)}`,
          `${last.imagesPerSecond.toFixed(last.imagesPerSecond < 10 ? 1 : 0)} images/s`,
        ]),
    ...(state.status === "training" ? [`${formatSeconds(state.secondsLeft)} left`] : []),
    ...(state.status === "evaluating" ? ["evaluating"] : []),
    ...(ended(state) ? [`${state.status}${seconds > 0 ? ` after ${formatSeconds(seconds)}` : ""}`] : []),
  ].join(" · ");
}

/** The whole state as HTML and text; a pure function, so that a host may draw it as often or as rarely as it likes. */
export function trainingDisplay(state: TrainingState): MimeBundle {
  const losses = state.steps.map((s) => s.loss);
  const title = `Training ${state.name} (${state.recipe})`;
  const line = trainingLine(state);
  const table = state.epochs.length > 0 ? epochTable(state) : undefined;
  const percent = state.totalSteps > 0 ? Math.min(100, (100 * state.step) / state.totalSteps) : 0;
  const bar = !ended(state)
    ? `<div style="background:#8883;height:6px;width:320px;border-radius:3px">` +
      `<div style="background:#4c78a8;height:6px;width:${percent.toFixed(1)}%;border-radius:3px"></div></div>`
    : "";
  return {
    "text/html":
      `<div><b>${escapeHtml(title)}</b> ${escapeHtml(line)}${bar}` +
      (losses.length > 1 ? `<div>${curve(losses)} <small>loss, ${range(losses)}</small></div>` : "") +
      `${table?.html ?? ""}</div>`,
    "text/plain": [
      line, // first: where there is room for one line only, it is this one
      title,
      ...(losses.length > 1 ? [`loss ${blockLine(losses)} ${range(losses)}`] : []),
      ...(table === undefined ? [] : [table.text]),
    ].join("\n"),
  };
}

/** As an image with the SVG inside: that survives the sanitizers of every front end. */
function curve(losses: number[]): string {
  const svg = Buffer.from(sparkline(losses, { label: "loss" })).toString("base64");
  return `<img alt="loss curve" style="vertical-align:middle" src="data:image/svg+xml;base64,${svg}">`;
}

function ended({ status }: TrainingState): boolean {
  return status === "finished" || status === "stopped";
}

function range(losses: number[]): string {
  return `${formatNumber(losses[0] ?? NaN)} to ${formatNumber(losses.at(-1) ?? NaN)}`;
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
