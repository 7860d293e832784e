/** Adam with decoupled weight decay, and clipping by the global norm: the arithmetic of torch.optim and torch.nn.utils. */
import * as tf from "@tensorflow/tfjs-core";
import { ahead, nativeOps } from "../engine/index.js";

export interface AdamOptions {
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  /** Decoupled (AdamW), for parameters of two and more axes. */
  weightDecay: number;
}

/** First and second moments of one variable. */
export interface Moments {
  first: tf.Variable;
  second: tf.Variable;
}

export interface Adam {
  /** Updates made so far. */
  step: number;
  moments: Map<string, Moments>;
}

export function createAdam(): Adam {
  return { step: 0, moments: new Map() };
}

let slots = 0;

/** The moments of a variable under its own name; zeros at first. */
export function momentsOf(adam: Adam, name: string, shape: number[]): Moments {
  let found = adam.moments.get(name);
  if (found === undefined) {
    slots++;
    // The tidy frees the start value: a variable has a handle of its own on the data.
    const zeros = (kind: string): tf.Variable =>
      tf.tidy(() => tf.variable(tf.zeros(shape), false, `adam${slots}/${kind}/${name}`));
    found = { first: zeros("first"), second: zeros("second") };
    adam.moments.set(name, found);
  }
  return found;
}

/** One update of every variable that has a gradient. */
export function applyAdam(
  adam: Adam,
  variables: Map<string, tf.Variable>,
  gradients: Map<string, tf.Tensor>,
  options: AdamOptions,
): void {
  adam.step++;
  const { learningRate, beta1, beta2, epsilon, weightDecay } = options;
  const native = nativeOps();
  for (const [name, gradient] of gradients) {
    const variable = variables.get(name);
    if (variable === undefined) throw new Error(`gradient of unknown variable ${name}`);
    const { first, second } = momentsOf(adam, name, variable.shape);
    tf.tidy(() => {
      if (weightDecay !== 0 && variable.shape.length > 1) {
        variable.assign(tf.mul(variable, 1 - learningRate * weightDecay));
      }
      if (native !== undefined) {
        native.adam(variable, first, second, gradient, { lr: learningRate, beta1, beta2, epsilon, step: adam.step });
        return;
      }
      const rate = learningRate / (1 - beta1 ** adam.step);
      const correction = 1 / Math.sqrt(1 - beta2 ** adam.step);
      first.assign(tf.add(tf.mul(first, beta1), tf.mul(gradient, 1 - beta1)));
      second.assign(tf.add(tf.mul(second, beta2), tf.mul(tf.square(gradient), 1 - beta2)));
      variable.assign(
        tf.sub(variable, tf.div(tf.mul(first, rate), tf.add(tf.mul(tf.sqrt(second), correction), epsilon))),
      );
    });
  }
}

/** The L2 norm over all gradients together. Squares are made of one gradient at a time: all of them would be a second model. */
export function globalNorm(gradients: Map<string, tf.Tensor>): number {
  const native = nativeOps();
  const sum = ahead(() =>
    tf.tidy(() => {
      const squares = [...gradients.values()].map((g) => native?.halfSquaredNorm(g) ?? tf.tidy(() => tf.sum(tf.square(g)))); // prettier-ignore
      return tf.sum(tf.stack(squares)).dataSync()[0] as number;
    }),
  );
  return Math.sqrt(native === undefined ? sum : 2 * sum);
}

/** Scales all gradients by limit / (norm + 1e-6) where that is below 1; disposes of the ones it replaces. */
export function clipGradients(gradients: Map<string, tf.Tensor>, norm: number, limit: number): void {
  const scale = limit / (norm + 1e-6);
  if (!(scale < 1)) return;
  ahead(() => {
    for (const [name, gradient] of gradients) {
      gradients.set(name, tf.mul(gradient, scale));
      gradient.dispose();
    }
  });
}
