/** What a model's `config.json` holds, and the check of one that was edited or comes from elsewhere. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { AmsError } from "../errors.js";
import type { ModelConfig } from "./config.js";
import { quirks, type Quirks } from "./quirks.js";

export interface StoredConfig {
  format: "ams";
  config: ModelConfig;
  recipe: string;
  quirks: Quirks;
  thresholds: { mined: number; safe: number };
  /** File name of the vocabulary in the same folder; absent: bert-base-uncased. */
  vocabulary?: string | undefined;
}

const whole = (least: number, most: number): z.ZodNumber => z.number().int().min(least).max(most);

// Bounds well above every published model, and low enough that a slip of the pen asks for no terabytes.
const encoder = { width: whole(1, 16384), layers: whole(1, 256), heads: whole(1, 256), hidden: whole(1, 65536) };

const modelConfig = z
  .object({
    size: z.string(),
    image: z.object({ pixels: whole(1, 4096), patch: whole(1, 4096), regions: whole(1, 4096).optional(), ...encoder }),
    text: z.object({
      vocabulary: whole(1, 1_000_000),
      positions: whole(3, 65536),
      ...encoder,
      dropout: z.number().min(0).lt(1),
      recurrent: z.boolean().optional(),
    }),
    embed: whole(1, 16384),
    maxLength: whole(3, 65536),
    scales: z.array(whole(1, 256)).min(1).max(256),
    textScales: z.array(whole(1, 256)).optional(),
    head: z
      .object({
        score: z.enum(["attention", "relevant", "pooled"]),
        layer: z.enum(["deepest scale", "last"]),
        norm: z.enum(["before", "after", "none"]),
        projection: z.boolean(),
        captions: z.enum(["as written", "plain"]),
      })
      .optional(),
  })
  .superRefine(({ image, text, maxLength, scales, textScales }, context) => {
    const rule = (holds: boolean, at: (string | number)[], message: string): void => {
      if (!holds) context.addIssue({ code: "custom", path: at, message });
    };
    rule(
      image.pixels % image.patch === 0,
      ["image", "pixels"],
      `${image.pixels} is no multiple of patch ${image.patch}`,
    );
    for (const [name, { width, heads }] of [
      ["image", image],
      ["text", text],
    ] as const) {
      rule(width % heads === 0, [name, "width"], `${width} is no multiple of heads ${heads}`);
    }
    rule(maxLength <= text.positions, ["maxLength"], `${maxLength} tokens have only ${text.positions} positions`);
    const ofText = textScales ?? scales;
    rule(ofText.length === scales.length, ["textScales"], `${ofText.length} layers for ${scales.length} scales`);
    for (const [name, used, layers] of [
      ["scales", scales, image.layers],
      [textScales === undefined ? "scales" : "textScales", ofText, text.layers],
    ] as const) {
      rule(Math.max(...used) <= layers, [name], `layer ${Math.max(...used)} of ${layers}`);
    }
  });

const storedConfig = z.object({
  format: z.literal("ams"),
  config: modelConfig,
  recipe: z.string(),
  quirks: z.object(
    Object.fromEntries(Object.keys(quirks.published).map((name) => [name, z.boolean()])) as Record<
      keyof Quirks,
      z.ZodBoolean
    >,
  ),
  thresholds: z.object({ mined: z.number(), safe: z.number() }),
  vocabulary: z
    .string()
    .regex(/^[^/\\]+$/, "it should be the name of a file in the same folder")
    .optional(),
});

/** Reads a `config.json`. Errors name the fields that are missing or unsuitable. */
export function readStoredConfig(file: string): StoredConfig {
  const hint = 'give a config.json as an export writes it ("format": "ams"), or export the model again';
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    const what = cause instanceof SyntaxError ? "is not JSON" : "cannot be read";
    throw new AmsError(`the model's configuration ${what}`, { where: file, hint, cause });
  }
  const checked = storedConfig.safeParse(json);
  if (checked.success) return checked.data;
  const { issues } = checked.error;
  const wrong = issues.slice(0, 3).map(({ path, message }) => [path.join("."), message].filter(Boolean).join(": "));
  const more = issues.length > 3 ? ` and ${issues.length - 3} more` : "";
  throw new AmsError(`the configuration is not that of an AMS model: ${wrong.join("; ")}${more}`, {
    where: file,
    hint,
  });
}
