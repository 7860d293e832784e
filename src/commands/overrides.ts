/** The changes to a recipe that are given in code or in YAML, checked as written words are: names and values. */
import { z } from "zod";
import { quirkNames } from "../model/quirks.js";
import type { Recipe } from "../train/recipe.js";
import { suggestion } from "./nearest.js";

const share = z.number().min(0).max(1);
const positive = z.number().positive();
const range = z
  .tuple([positive, positive])
  .refine(([low, high]) => low <= high, "the first number is above the second");

const settings: Record<keyof Recipe, z.ZodType> = {
  name: z.string(),
  summary: z.string(),
  score: z.enum(["attention", "pooled"]),
  loss: z.enum(["hinge", "contrast"]),
  margin: z.number().min(0),
  scale: positive,
  negligible: share,
  head: z.strictObject({
    score: z.enum(["attention", "relevant", "pooled"]),
    layer: z.enum(["deepest scale", "last"]),
    norm: z.enum(["before", "after", "none"]),
    projection: z.boolean(),
    captions: z.enum(["as written", "plain"]),
  }),
  evaluationThreshold: z.enum(["safe", "mined"]),
  // Its numbers are checked with the recipe that they change.
  queue: z.looseObject({}),
  quirks: z.partialRecord(z.enum(quirkNames), z.boolean()),
  batchSize: z.int().min(1),
  epochs: z.int().min(1),
  learningRate: positive,
  schedule: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("drops"), epochs: z.array(z.int().min(0)) }),
    z.strictObject({ kind: z.literal("cosine"), warmup: share }),
  ]),
  weightDecay: z.number().min(0),
  clip: positive,
  dropout: share,
  sampling: z.enum(["captions", "images"]),
  cropScale: range,
  cropRatio: range,
  flip: share,
  randAugment: z.strictObject({ operations: z.int().min(0), magnitude: z.number().min(0).max(10) }),
  patches: z.strictObject({ keep: z.number().positive().max(1), until: share }),
  labels: z.number().min(0),
  precision: z.enum(["float32", "bfloat16"]),
  seed: z.int(),
};
const schema = z.strictObject(settings).partial();

/** What is wrong with changes to a recipe, as the end of a sentence that begins with them; undefined where nothing is. */
export function overridesProblem(value: unknown): string | undefined {
  const result = schema.safeParse(value);
  if (result.success) return undefined;
  const issue = result.error.issues[0]!;
  if (issue.code === "unrecognized_keys" && issue.path.length === 0) {
    const key = issue.keys[0]!;
    return `holds "${key}", which no recipe has (${suggestion(key, Object.keys(settings))})`;
  }
  return `has a wrong ${issue.path.map(String).join(".") || "form"}: ${issue.message}`;
}
