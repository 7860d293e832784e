/** Going on with a training of the published code from its checkpoint file. */
import * as tf from "@tensorflow/tfjs-core";
import type { Context } from "../context.js";
import { AmsError } from "../errors.js";
import { openCheckpoint, publishedThresholds, scalarOf, type OpenCheckpoint } from "../model/weights/published.js";
import { TorchTensor } from "../model/weights/torchFile.js";
import { momentsOf } from "./optimiser.js";
import type { Training } from "./training.js";

/**
 * Puts a training whose model has the file's weights where the file's training was: its epoch (and so its learning rate),
 * best rSum, thresholds and scale weights, and Adam's state where the file has one (the published code keeps none). Where
 * the recipe's quirk `resumeSchedule` is the published one, nothing of it: that code starts again at epoch 0 with a fresh
 * Adam. Errors: the training had all of its epochs.
 */
export function continuePublished(file: string, training: Training, stepsPerEpoch: number, context: Context): void {
  const { recipe, progression, model } = training;
  const opened = openCheckpoint(file);
  try {
    const { epoch, bestRsum } = opened.progress;
    if (!recipe.quirks.resumeSchedule) {
      context.note(
        `epoch 0 again with a fresh Adam, as the published code resumes (--recipe ams-corrected goes on with epoch ${epoch})`,
      );
      return;
    }
    if (epoch >= recipe.epochs) {
      throw new AmsError(`the training in this file has had its ${epoch} epochs`, {
        where: file,
        hint: `let it go on with --epochs ${epoch + 5}, or start anew from its weights: --checkpoint`,
      });
    }
    if (recipe.quirks.restoreThresholds) model.thresholds = publishedThresholds(opened.progress);
    if (recipe.quirks.restoreScaleWeights) {
      opened.scaleWeights?.forEach((weight, k) => {
        tf.tidy(() => model.parameters.get(`b${k + 1}`)?.assign(tf.tensor1d([weight])));
      });
    }
    const moments = restoreMoments(opened, training, context);
    Object.assign(progression, { epoch, bestRsum, step: epoch * stepsPerEpoch, thresholds: model.thresholds });
    context.note(
      `going on with epoch ${epoch + 1} of ${recipe.epochs}, best rSum ${bestRsum.toFixed(1)}, ` +
        (moments === 0 ? "a fresh Adam (the file has no state of one)" : `Adam's state of ${moments} parameters`),
    );
  } finally {
    opened.torch.close();
  }
}

const isMap = (value: unknown): value is Map<unknown, unknown> => value instanceof Map;

/** {state: {number: {step, exp_avg, exp_avg_sq}}, param_groups} -> the number of parameters whose moments were taken. */
function restoreMoments(opened: OpenCheckpoint, training: Training, context: Context): number {
  const { optimiser } = opened;
  const state = isMap(optimiser) ? optimiser.get("state") : undefined;
  if (!isMap(state) || state.size === 0) return 0;
  const names = parameterOrder(opened, optimiser);
  if (names === undefined) {
    context.note(
      "the optimiser's state in the file is not that of the published code's parameters: starting a fresh one",
    );
    return 0;
  }
  const { adam, model } = training;
  let taken = 0;
  names.forEach((name, index) => {
    const variable = name === undefined ? undefined : model.parameters.get(name);
    const entry = state.get(index);
    if (name === undefined || variable === undefined || !isMap(entry)) return;
    const refuse = (what: string): never => {
      throw new AmsError(`Adam's ${what}`, {
        where: opened.file,
        hint: "take the weights alone: --checkpoint instead of --resume",
      });
    };
    const step = scalarOf(entry.get("step")) ?? NaN;
    if (!Number.isSafeInteger(step) || step < 0) refuse(`step of ${name} is no count`);
    const parts = (["exp_avg", "exp_avg_sq"] as const).map((key) => {
      const tensor = entry.get(key);
      const size = tensor instanceof TorchTensor ? tensor.shape.reduce((a, b) => a * b, 1) : -1;
      if (!(tensor instanceof TorchTensor) || size !== variable.size)
        return refuse(`${key} of ${name} does not have the parameter's ${variable.size} numbers`);
      const values = tensor.read();
      const least = key === "exp_avg" ? -Infinity : 0;
      if (!values.every((x) => Number.isFinite(x) && x >= least)) refuse(`${key} of ${name} has unusable numbers`);
      return values;
    }) as [Float32Array, Float32Array];
    const { first, second } = momentsOf(adam, name, variable.shape);
    tf.tidy(() => {
      first.assign(tf.tensor(parts[0], variable.shape, "float32"));
      second.assign(tf.tensor(parts[1], variable.shape, "float32"));
    });
    adam.step = Math.max(adam.step, step);
    taken++;
  });
  training.progression.adamStep = adam.step;
  return taken;
}

/**
 * The names behind the optimiser's numbers: a1..a6 (which never matter), b1..b6, the text encoder, the image encoder, each in
 * the order of its state without buffers. Undefined where the file has another number of parameters.
 */
function parameterOrder({ states }: OpenCheckpoint, optimiser: unknown): (string | undefined)[] | undefined {
  const groups: unknown = isMap(optimiser) ? optimiser.get("param_groups") : undefined;
  const numbers = Array.isArray(groups)
    ? groups.flatMap((group: unknown): unknown[] => {
        const params = isMap(group) ? group.get("params") : undefined;
        return Array.isArray(params) ? (params as unknown[]) : [];
      })
    : [];
  const own = ([prefix, state]: ["txt." | "img.", OpenCheckpoint["states"][0]]): string[] =>
    [...state].filter(([, { dtype }]) => dtype.includes("F")).map(([name]) => prefix + name.replace(/^module\./, ""));
  const scalars = Array.from({ length: 12 }, (_, i) => (i < 6 ? undefined : `b${i - 5}`));
  const order = [...scalars, ...own(["txt.", states[1]]), ...own(["img.", states[0]])];
  return numbers.length === order.length && numbers.every((number, i) => number === i) ? order : undefined;
}
