/** The table of a model: parameters of each part, sizes, recipe, and what of the published code's quirks is in force. */
import { regionsText } from "../../data/regionFeatures.js";
import { formatBytes, type MimeBundle } from "../../display.js";
import type { Model } from "../../model/ams.js";
import { quirkNames } from "../../model/quirks.js";
import { reportLine } from "../../model/weights/report.js";
import { recipes } from "../../train/recipe.js";
import type { TrainingPlan } from "../../train/plan.js";
import { planRows } from "./plan.js";
import { formatCount } from "./format.js";
import { tablesBundle } from "./shown.js";

/** Part of the model -> what the names of its parameters begin with. */
const parts: [string, RegExp][] = [
  ["image: patch embeddings", /^img\.visual_encoder\.embeddings\./],
  ["image: transformer layers", /^img\.visual_encoder\.encoder\./],
  ["image: projections", /^img\.fc\d/],
  ["text: word vectors", /^txt\.embed\./],
  ["text: GRU", /^txt\.rnn\./],
  ["text: word embeddings", /^txt\.text_encoder\.embeddings\./],
  ["text: transformer layers", /^txt\.text_encoder\.encoder\./],
  ["text: projections", /^txt\.fc\d/],
  ["scale weights", /^b\d+$/],
];

export interface PartSize {
  part: string;
  /** Numbers in all its tensors. */
  parameters: number;
}

/** Parameters of each part; whatever fits none is counted as "other", so that the sum is the whole. */
export function partSizes(model: Model): PartSize[] {
  const counts = new Map<string, number>();
  for (const [name, variable] of model.parameters) {
    const part = parts.find(([, pattern]) => pattern.test(name))?.[0] ?? "other";
    counts.set(part, (counts.get(part) ?? 0) + variable.size);
  }
  return [...counts].map(([part, parameters]) => ({ part, parameters }));
}

/** Everything about a model as plain JSON. */
export function modelSummary(model: Model): Record<string, unknown> {
  const sizes = partSizes(model);
  return {
    size: model.config.size,
    recipe: model.recipe,
    quirks: model.quirks,
    thresholds: model.thresholds,
    ...(model.source === undefined ? {} : { source: model.source }),
    ...(model.weights === undefined ? {} : { weights: model.weights }),
    ...(model.progress === undefined ? {} : { progress: model.progress }),
    config: model.config,
    parts: Object.fromEntries(sizes.map(({ part, parameters }) => [part, parameters])),
    parameters: sizes.reduce((sum, { parameters }) => sum + parameters, 0),
  };
}

export function modelDisplay(model: Model, plan?: TrainingPlan): MimeBundle {
  const { image, text, embed, scales, textScales, size } = model.config;
  const sizes = partSizes(model);
  const total = sizes.reduce((sum, { parameters }) => sum + parameters, 0);
  const side = image.pixels / image.patch;
  const layers = scales.join(", ") + (textScales === undefined ? "" : ` (text: ${textScales.join(", ")})`);
  return tablesBundle(
    {
      caption: `AMS, size ${size}, ${model.source === undefined ? "random weights" : `weights from ${model.source}`}`,
      columns: ["part", "parameters", "MB"],
      rows: [...sizes, { part: "all", parameters: total }].map(({ part, parameters }) => [
        part,
        formatCount(parameters),
        ((parameters * 4) / 1e6).toFixed(2),
      ]),
    },
    {
      columns: ["property", "value"],
      rows: [
        image.regions !== undefined
          ? ["image", `${regionsText({ count: image.regions, width: image.width })}, a linear layer`]
          : [
              "image",
              `${String(image.pixels)} px in ${String(side)} x ${String(side)} patches + [CLS], ${encoder(image)}`,
            ],
        [
          "text",
          text.recurrent === true
            ? `${formatCount(text.vocabulary)} words, ${String(model.config.maxLength)} tokens, a bidirectional GRU of width ${String(embed)} over word vectors of ${String(text.width)} numbers`
            : `${formatCount(text.vocabulary)} word pieces, ${String(model.config.maxLength)} tokens, ${encoder(text)}`,
        ],
        image.regions !== undefined
          ? ["embedding", `${String(embed)} numbers a region and a word, one scale`]
          : ["scales", `${String(scales.length)}, after layers ${layers}, embedding ${String(embed)}`],
        ["weights", formatBytes(total * 4)],
        ...(model.weights ?? []).map((report) => [`${report.part.split(" ")[0] ?? ""} weights`, reportLine(report)]),
        ["recipe", recipeText(model.recipe)],
        ["quirks", quirksText(model)],
        ...(plan === undefined ? [] : planRows(plan)),
      ],
    },
  );
}

function encoder({ layers, width, heads }: { layers: number; width: number; heads: number }): string {
  return `${String(layers)} layers of width ${String(width)}, ${String(heads)} heads`;
}

function recipeText(name: string): string {
  const recipe = recipes[name];
  return recipe === undefined ? name : `${name}: ${recipe.summary}`;
}

function quirksText({ quirks, config: { head } }: Model): string {
  // Propagation belongs to the negative branch, which only the attention score has.
  const hasNegative = head === undefined || head.score === "attention";
  const names = quirkNames.filter((name) => hasNegative || name !== "evaluationPropagation");
  const published = names.filter((name) => !quirks[name]);
  if (published.length === 0) return "all corrected";
  return published.length === names.length
    ? "all as published"
    : `as published: ${published.join(", ")}; the others corrected`;
}
