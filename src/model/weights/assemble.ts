/** Encoders found in files -> the parameters of a model: every key and shape checked first, then read one by one. */
import { AmsError } from "../../errors.js";
import {
  ofSize,
  sizes,
  spreadScales,
  type ImageEncoderConfig,
  type ModelConfig,
  type TextEncoderConfig,
} from "../config.js";
import { parameterSpecs, parametersOf, randomStart, type Parameters, type ParameterSpec } from "../parameters.js";
import { finite, floatTypes, type StoredTensor } from "../tensorFile.js";
import type { FoundEncoder, NamedEntry } from "./encoder.js";
import { resizePositions, type Resize } from "./positions.js";
import type { WeightsReport } from "./report.js";

export interface Source extends FoundEncoder {
  file: string;
}

export interface Assembled {
  parameters: Parameters;
  spare: Map<string, StoredTensor>;
  reports: WeightsReport[];
}

/**
 * Builds the parameters of `config`. What no source has starts at random from `seed`: the encoder of a side without a
 * source, projections (of a side: all or none), scale weights at 1. Errors, before anything is read: parameters that are
 * missing, of another shape or no floats; while reading: numbers that are NaN or infinite.
 */
export function assemble(config: ModelConfig, sources: Source[], seed: number, resize: Resize = "bicubic"): Assembled {
  const needed = parameterSpecs(config);
  const complete = parameterSpecs(config, { complete: true });
  const sourceOf = ({ name }: ParameterSpec): Source | undefined =>
    sources.find(({ side }) => name.startsWith(side === "image" ? "img." : "txt."));
  for (const source of sources) check(config, source, needed, complete);
  const converted = new Map(sources.map((source) => [source, new Set<string>()]));
  const read = (source: Source, entry: NamedEntry): Float32Array => {
    if (entry.dtype !== "F32") converted.get(source)?.add(entry.dtype);
    return finite(entry.read(), entry.key, source.file);
  };
  const parameters = parametersOf(config, (spec) => {
    const source = sourceOf(spec);
    const entry = source?.entries.get(spec.name);
    if (source === undefined || entry === undefined) return randomStart(spec, seed);
    const values = read(source, entry);
    if (entry.shape.join() === spec.shape.join()) return values;
    const own = source.sizes as ImageEncoderConfig;
    return resizePositions(values, own.width, own.pixels / own.patch, config.image.pixels / own.patch, resize);
  });
  const used = new Set(needed.map(({ name }) => name));
  const spare = new Map<string, StoredTensor>();
  for (const spec of complete.filter(({ name }) => !used.has(name))) {
    const source = sourceOf(spec);
    const entry = source?.entries.get(spec.name);
    if (source !== undefined && entry !== undefined)
      spare.set(spec.name, { shape: spec.shape, data: read(source, entry) });
  }
  const known = new Set(complete.map(({ name }) => name));
  const reports = sources.map((source): WeightsReport => {
    const { side, entries, others, file } = source;
    const names = [...entries.keys()];
    const mine = complete.filter((spec) => sourceOf(spec) === source).map(({ name }) => name);
    const projections = mine.filter((name) => isProjection(name));
    const own = source.sizes as ImageEncoderConfig;
    return {
      part: `${side} encoder`,
      from: file,
      used: names.filter((name) => used.has(name)).length,
      kept: names.filter((name) => spare.has(name)).length,
      unused: [...names.filter((name) => !known.has(name)).map((n) => (entries.get(n) as NamedEntry).key), ...others],
      missing: mine.filter((name) => !isProjection(name) && !entries.has(name)).map((name) => name.slice(4)),
      converted: [...(converted.get(source) ?? [])].sort(),
      notes: [
        ...(projections.every((name) => entries.has(name))
          ? []
          : [`${projections.length} tensors of projections are new`]),
        ...(side === "image" && own.pixels !== config.image.pixels
          ? [`positions resized from ${own.pixels} to ${config.image.pixels} px (${resize})`]
          : []),
      ],
    };
  });
  return { parameters, spare, reports };
}

function isProjection(name: string): boolean {
  return /^(img|txt)\.fc\d+\./.test(name);
}

const positions = "img.visual_encoder.embeddings.position_embeddings";

function check(config: ModelConfig, source: Source, needed: ParameterSpec[], complete: ParameterSpec[]): void {
  const { side, entries, file } = source;
  const prefix = side === "image" ? "img." : "txt.";
  const mustHave = new Set(needed.map(({ name }) => name));
  const withProjections = [...entries.keys()].some(isProjection);
  const wrong: string[] = [];
  for (const { name, shape } of complete) {
    if (!name.startsWith(prefix)) continue;
    const found = entries.get(name);
    const optional = !mustHave.has(name) || (isProjection(name) && !withProjections);
    if (found === undefined) {
      if (!optional) wrong.push(`${name.slice(4)} is missing`);
    } else if (!floatTypes.has(found.dtype)) wrong.push(`${found.key} is of type ${found.dtype}, weights are floats`);
    else if (found.shape.join() !== shape.join() && name !== positions) {
      wrong.push(`${found.key} is [${found.shape.join(", ")}] and should be [${shape.join(", ")}]`);
    }
  }
  if (wrong.length === 0) return;
  const more = wrong.length > 3 ? ` and ${wrong.length - 3} more` : "";
  throw new AmsError(`the weights of the ${side} encoder do not fit: ${wrong.slice(0, 3).join("; ")}${more}`, {
    where: file,
    hint: `get the file again, or give the weights of a whole ${side === "image" ? "ViT" : "BERT"} (a model ${ofSize(config)})`,
  });
}

/**
 * The model of two encoders: `scales` scales at the same shares of each depth, projections `embed` wide, captions of at most
 * `maxLength` tokens. Its size is a known one's name, or "custom".
 */
export function configOf(
  image: ImageEncoderConfig,
  text: TextEncoderConfig,
  { scales: count, embed, maxLength }: { scales: number; embed: number; maxLength: number },
): ModelConfig {
  const [scales, textScales] = [image, text].map(({ layers }) => spreadScales(count, layers)) as [number[], number[]];
  const config: ModelConfig = {
    size: "custom",
    image,
    text,
    embed,
    maxLength: Math.min(maxLength, text.positions),
    scales,
    ...(textScales.join() === scales.join() ? {} : { textScales }),
  };
  return { ...config, size: sizeName(config) };
}

/** The size whose encoders and embedding these are (vocabulary aside), or "custom". */
function sizeName(config: ModelConfig): string {
  const form = ({ image, text, embed, scales, textScales }: ModelConfig): string =>
    JSON.stringify([image, { ...text, vocabulary: 0, positions: 0, dropout: 0 }, embed, scales, textScales]);
  const sorted = (c: ModelConfig): string => form({ ...c, image: ordered(c.image), text: ordered(c.text) });
  return Object.entries(sizes).find(([, size]) => sorted(size) === sorted(config))?.[0] ?? "custom";
}

function ordered<T extends object>(record: T): T {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1))) as T;
}
