/** What was found in files of weights, in words. */
import path from "node:path";

export interface WeightsReport {
  /** "image encoder", "text encoder". */
  part: string;
  /** The file that was read. */
  from: string;
  /** Tensors in use. */
  used: number;
  /** Tensors of the encoder that AMS never reads (last layer, pooler): kept for exports. */
  kept: number;
  /** Names in the file that are of no use here. */
  unused: string[];
  /** Parts of the encoder that the file lacks and AMS does not need. */
  missing: string[];
  /** Number types other than float32 that were converted. */
  converted: string[];
  /** What else a person should know. */
  notes: string[];
}

/** One line for notes, e.g. "image encoder: 181 tensors used, 20 kept, 2 unused (classifier.weight, ...)". */
export function reportLine(report: WeightsReport): string {
  const { part, from, used, kept, unused, missing, converted, notes } = report;
  const some = (names: string[]): string => names.slice(0, 3).join(", ") + (names.length > 3 ? ", ..." : "");
  return [
    `${part} from ${path.basename(path.dirname(from))}/${path.basename(from)}: ${used} tensors used`,
    ...(kept > 0 ? [`${kept} kept that AMS does not read`] : []),
    unused.length === 0 ? "none unused" : `${unused.length} unused (${some(unused)})`,
    missing.length === 0 ? "none missing" : `${missing.length} missing that AMS does not need (${some(missing)})`,
    ...(converted.length > 0 ? [`converted from ${converted.join(", ")} to float32`] : []),
    ...notes,
  ].join("; ");
}
