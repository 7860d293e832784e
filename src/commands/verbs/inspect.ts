/** `inspect`: what the pipeline makes of given images, captions and tensors, as files that others can check. */
import { AmsError } from "../../errors.js";
import { defineCommand } from "../command.js";
import { inspectFeatures, inspectScores } from "../inspection/featuresAndScores.js";
import { inspectShape, type InspectOptions } from "../inspection/options.js";
import { inspectPixels, inspectTokens } from "../inspection/pixelsAndTokens.js";
import { kebab } from "../optionInfo.js";
import type { Inspection } from "../results.js";

export const inspectCommand = defineCommand({
  name: "inspect",
  summary: "write what the pipeline makes of given images, captions and tensors, to check it against others",
  about:
    "pixels writes a float32 tensor [3, N, N] under each image's file name, as the evaluation sees it; tokens writes {ids, mask}; " +
    "features writes image_scale_1..6 [B, R, E] and text_scale_1..6 [C, 30, E]; scores writes scale_1..6 and total [B, C], the loss where B = C, " +
    "and with --gradients the gradient of every parameter under its name.",
  options: inspectShape,
  positional: { option: "what", rest: "files" },
  aliases: {},
  examples: [
    "inspect pixels a.jpg b.png --size 384 --out pixels.safetensors",
    "inspect tokens captions.txt --out tokens.json",
    "inspect features --checkpoint scenes-small --inputs pixels.safetensors --inputs tokens.json --out features.safetensors",
    "inspect scores --features features.safetensors --mode evaluation --threshold 0 --out scores.safetensors",
    "inspect scores --checkpoint weights_img.safetensors weights_txt.safetensors --inputs inputs.safetensors --mode train --gradients --out scores.safetensors",
  ],
  resultType: "Inspection",
  run: async (options, context, session): Promise<Inspection> => {
    refuseUnused(options);
    const work = { pixels: inspectPixels, tokens: inspectTokens, features: inspectFeatures, scores: inspectScores };
    return work[options.what](options, context, session);
  },
  json: ({ files, tensors, loss }) => ({ files, tensors, ...(loss === undefined ? {} : { loss }) }),
});

/** Which options belong to which; all others are refused there, so that none is given without an effect. */
const uses: Record<InspectOptions["what"], (keyof InspectOptions)[]> = {
  pixels: ["files", "size"],
  tokens: ["files", "maxLength", "vocabulary"],
  features: ["files", "checkpoint", "model", "inputs", "engine"],
  scores: [
    ...(["files", "checkpoint", "model", "inputs", "features"] as const),
    ...(["mode", "threshold", "recipe", "quirk", "gradients", "engine"] as const),
  ],
};

function refuseUnused(options: InspectOptions): void {
  const { what } = options;
  const unasked: Partial<InspectOptions> = { mode: "evaluation", gradients: false, engine: "auto" };
  const names = Object.keys(options) as (keyof InspectOptions)[];
  const extra = names.find(
    (name) =>
      !["what", "out"].includes(name) &&
      options[name] !== undefined &&
      options[name] !== unasked[name] &&
      !uses[what].includes(name),
  );
  if (extra === undefined) return;
  throw new AmsError(`inspect ${what} has no use for --${kebab(extra)}`, {
    where: `ams inspect ${what}`,
    hint: "leave it out; ams inspect --help says what each option is for",
  });
}
