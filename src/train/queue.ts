/** The momentum copy of a model and the queue of its features: the candidates for FNE's negatives. Source: He et al., CVPR 2020 (MoCo). */
import * as tf from "@tensorflow/tfjs-core";
import { noStatistics, type PairStatistics } from "../match/sampledNegatives.js";
import type { Model } from "../model/ams.js";
import type { Parameters } from "../model/parameters.js";
import type { QueueOptions } from "./recipe.js";

export interface Queue {
  options: QueueOptions;
  /** Under the names of the model's parameters; begins as they are. */
  momentum: Parameters;
  /** Unit vectors, [size, D] each: slot k holds an image and its caption. */
  images: tf.Variable<tf.Rank.R2>;
  captions: tf.Variable<tf.Rank.R2>;
}

/** What a checkpoint keeps of a queue beside its tensors. */
export interface QueueState {
  /** Where the next features go. */
  next: number;
  /** The item of the training split in each slot that is filled; slots fill from 0 on. */
  items: number[];
  /** The statistics are of this epoch. */
  epoch: number;
  statistics: PairStatistics;
}

/** What a step adds. The vectors are the caller's to dispose of. */
export interface QueueStep {
  /** [B, D] each, by the momentum copy. */
  images: tf.Tensor2D;
  captions: tf.Tensor2D;
  items: number[];
  statistics: PairStatistics;
}

export const emptyQueue: QueueState = { next: 0, items: [], epoch: 0, statistics: noStatistics };

export function createQueue({ parameters, config }: Model, options: QueueOptions): Queue {
  queues++;
  const copy = ([name, variable]: [string, tf.Variable]): [string, tf.Variable] => [
    name,
    tf.tidy(() => tf.variable(tf.tensor(Float32Array.from(variable.dataSync()), variable.shape), false, `momentum${queues}/${name}`)), // prettier-ignore
  ];
  const slots = (): tf.Variable<tf.Rank.R2> =>
    tf.tidy(() => tf.variable(tf.zeros<tf.Rank.R2>([options.size, config.embed * config.scales.length]), false));
  return { options, momentum: new Map([...parameters].map(copy)), images: slots(), captions: slots() };
}

let queues = 0;

/** Every variable of a queue by name, as checkpoints keep them. */
export function queueVariables({ momentum, images, captions }: Queue): [string, tf.Variable][] {
  const copies = [...momentum].map(([name, variable]): [string, tf.Variable] => [`momentum/${name}`, variable]);
  return [...copies, ["queue/images", images], ["queue/captions", captions]];
}

/** The filled slots, [filled, D] each. */
export function queued({ images, captions }: Queue, { items }: QueueState): [tf.Tensor2D, tf.Tensor2D] {
  const filled = (all: tf.Variable<tf.Rank.R2>): tf.Tensor2D => tf.slice(all, [0, 0], [items.length, -1]);
  return [filled(images), filled(captions)];
}

/**
 * After the update of the parameters: the features of the batch take the oldest slots, around the end to the beginning, and the
 * momentum copy follows the parameters.
 */
export function advanceQueue(
  queue: Queue,
  model: Model,
  state: QueueState,
  step: QueueStep,
  epoch: number,
): QueueState {
  const { size, momentum } = queue.options;
  const count = Math.min(step.items.length, size);
  const items = [...state.items];
  for (let i = 0; i < count; i++) items[(state.next + i) % size] = step.items[i]!;
  for (const [slots, vectors] of [
    [queue.images, step.images],
    [queue.captions, step.captions],
  ] as const) {
    write(slots, vectors, state.next, count);
  }
  for (const [name, copy] of queue.momentum) {
    const variable = model.parameters.get(name) as tf.Variable;
    tf.tidy(() => {
      copy.assign(tf.add(tf.mul(copy, momentum), tf.mul(variable, 1 - momentum)));
    });
  }
  return { next: (state.next + count) % size, items, epoch, statistics: step.statistics };
}

/** The first `count` vectors into the slots from `next` on, around the end. */
function write(slots: tf.Variable<tf.Rank.R2>, vectors: tf.Tensor2D, next: number, count: number): void {
  const size = slots.shape[0];
  tf.tidy(() => {
    const before = Math.min(count, size - next); // up to the end; the rest goes to the beginning
    const around = count - before;
    const part = (of: tf.Tensor2D, from: number, rows: number): tf.Tensor2D => tf.slice(of, [from, 0], [rows, -1]);
    const pieces = [
      part(vectors, before, around),
      part(slots, around, next - around),
      part(vectors, 0, before),
      part(slots, next + before, size - next - before),
    ];
    slots.assign(tf.concat(pieces.filter(({ shape }) => shape[0] > 0)));
  });
}

export function disposeQueue(queue: Queue): void {
  for (const [, variable] of queueVariables(queue)) variable.dispose();
}
