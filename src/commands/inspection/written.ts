/** What `inspect` gives back: the file that it wrote, and the names and shapes in it. */
import path from "node:path";
import { writeSafetensors, type StoredTensor } from "../../model/safetensors.js";
import { makeFolder, writing } from "../../writing.js";
import type { Inspection } from "../results.js";
import { formatNumber } from "../show/format.js";
import { shown, tablesBundle } from "../show/shown.js";

/** Writes tensors as safetensors, in a folder that is made where it is missing. */
export function written(
  target: string,
  tensors: Map<string, StoredTensor>,
  metadata: Record<string, string> = {},
  loss?: number,
): Inspection {
  writing(target, () => {
    makeFolder(path.dirname(target));
    writeSafetensors(target, tensors, { metadata });
  });
  return inspection(target, Object.fromEntries([...tensors].map(([name, { shape }]) => [name, shape])), loss);
}

/** The result for a file that is written. */
export function inspection(file: string, tensors: Record<string, number[]>, loss?: number): Inspection {
  const value = { files: [file], tensors, ...(loss === undefined ? {} : { loss }) };
  const rows = Object.entries(tensors).map(([name, shape]) => [name, `[${shape.join(", ")}]`]);
  const most = 20;
  const more = rows.length > most ? [[`and ${rows.length - most} more`, ""]] : [];
  const remark = loss === undefined ? "" : `, loss ${formatNumber(loss)}`;
  return shown(value, () =>
    tablesBundle({
      caption: `written to ${file}${remark}`,
      columns: ["tensor", "shape"],
      rows: [...rows.slice(0, most), ...more],
    }),
  );
}
