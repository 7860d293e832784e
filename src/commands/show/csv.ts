/** Tables as CSV (RFC 4180). */
import type { EvaluationSummary } from "../../evaluate/index.js";
import type { EpochRecord } from "../../train/records.js";

type Cell = string | number | null;

export function csv(columns: string[], rows: Cell[][]): string {
  return `${[columns, ...rows].map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
}

function cell(value: Cell): string {
  const text = String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const recallColumns = ["i2t", "t2i"].flatMap((way) =>
  ["r1", "r5", "r10", "medr", "meanr"].map((name) => `${way}_${name}`),
);

function recallCells({ i2t, t2i }: Pick<EvaluationSummary, "i2t" | "t2i">): number[] {
  return [i2t, t2i].flatMap(({ r1, r5, r10, medr, meanr }) => [r1, r5, r10, medr, meanr]);
}

/** One row an evaluation. */
export function evaluationsCsv(evaluations: EvaluationSummary[]): string {
  return csv(
    ["split", "images", "captions", ...recallColumns, "rsum", "low", "high", "ties"],
    evaluations.map((e) => [e.split, e.images, e.captions, ...recallCells(e), e.rsum, ...e.interval, e.ties]),
  );
}

/** One row an epoch, counted from 1; the recalls are empty where nothing was evaluated. */
export function epochsCsv(epochs: EpochRecord[]): string {
  return csv(
    ["epoch", "steps", "loss", "seconds", "split", "images", ...recallColumns, "rsum"],
    epochs.map(({ epoch, step, loss, seconds, evaluation: e }) => [
      epoch + 1,
      step,
      loss,
      seconds,
      ...(e === undefined
        ? recallColumns.map(() => null).concat([null, null, null])
        : [e.split, e.images, ...recallCells(e), e.rsum]),
    ]),
  );
}
