/** An encoder as a chain of layers, run plainly or with what its gradient needs. */
import * as tf from "@tensorflow/tfjs-core";
import { record, recordInputs, type Gradients, type Recorded } from "./recorded.js";

export interface Chain {
  /** Embeddings, [B, T, D]. */
  first: () => tf.Tensor;
  /** [B, T, D] -> [B, T, D] each. */
  layers: ((x: tf.Tensor) => tf.Tensor)[];
  /** What is read from the chain: at the output of which layer (1 = first), and what is made of it. */
  reads: { layer: number; make: (hidden: tf.Tensor) => tf.Tensor }[];
}

/** Everything read from the chain, in order. */
export function runChain({ first, layers, reads }: Chain): tf.Tensor[] {
  const found: tf.Tensor[] = [];
  let x = tf.tidy(first);
  layers.forEach((layer, l) => {
    const before = x;
    x = tf.tidy(() => layer(before));
    before.dispose();
    reads.forEach((read, k) => {
      if (read.layer === l + 1) found[k] = tf.tidy(() => read.make(x));
    });
  });
  x.dispose();
  return found;
}

/** A chain that was run, ready for its gradient. */
export interface Trace {
  /** What was read, in order. The caller disposes of it. */
  values: tf.Tensor[];
  /**
   * Adds the gradients of all variables, given those of the values (undefined: none), and frees the trace. Between the layers
   * it yields.
   */
  pullback(gradients: (tf.Tensor | undefined)[], into: Gradients): Generator<void>;
  dispose(): void;
}

/** Runs a chain for its gradient, yielding between the layers; with `recompute` only the layers' inputs are kept. */
export function* traceChain({ first, layers, reads }: Chain, { recompute = false } = {}): Generator<void, Trace> {
  const keep = recompute ? recordInputs : record;
  const pieces: Recorded[] = [];
  const read: Recorded[] = [];
  const dispose = (): void => {
    for (const piece of [...pieces, ...read]) piece.dispose();
  };
  let x: tf.Tensor | undefined;
  let complete = false;
  try {
    const start = keep([], first);
    pieces.push(start);
    x = start.value;
    for (const [l, layer] of layers.entries()) {
      const piece: Recorded = keep([x], layer);
      pieces.push(piece);
      x.dispose();
      x = piece.value;
      for (const [k, { layer: at, make }] of reads.entries()) {
        if (at === l + 1) read[k] = keep([x], make);
      }
      yield;
    }
    complete = true;
  } finally {
    x?.dispose();
    if (!complete) {
      for (const { value } of read.filter(Boolean)) value.dispose();
      dispose();
    }
  }
  return {
    values: read.map(({ value }) => value),
    *pullback(gradients, into) {
      let dx: tf.Tensor | undefined;
      try {
        for (let l = layers.length; l >= 0; l--) {
          for (const [k, { layer }] of reads.entries()) {
            const dy = gradients[k];
            if (layer !== l || dy === undefined) continue;
            const [dHidden] = (read[k] as Recorded).pullback(dy, into);
            if (dx === undefined) dx = dHidden;
            else if (dHidden !== undefined) {
              const sum: tf.Tensor = tf.add(dx, dHidden);
              tf.dispose([dx, dHidden]);
              dx = sum;
            }
          }
          if (dx === undefined) continue;
          const [before]: (tf.Tensor | undefined)[] = (pieces[l] as Recorded).pullback(dx, into);
          dx.dispose();
          dx = before;
          yield;
        }
      } finally {
        dx?.dispose();
        dispose(); // those that the loss does not depend on, or all that an interrupt left over
      }
    },
    dispose,
  };
}
