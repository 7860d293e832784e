/**
 * Gradients piece by piece. tfjs records a whole network on one tape and keeps all of it until the gradient is done; here each
 * piece of a network has a tape of its own, which is freed as soon as its gradient was taken, and between two pieces the
 * program may do something else (answer an interrupt).
 */
import * as tf from "@tensorflow/tfjs-core";

/** Gradients of variables by the variables' names; those of several pieces are added up. */
export type Gradients = Map<string, tf.Tensor>;

/** A piece of a network that was run. */
export interface Recorded {
  /** What it computed. The caller disposes of it, before or after the gradient. */
  value: tf.Tensor;
  /**
   * Takes the gradient of the value and gives those of the inputs (undefined where the value does not depend on one), which
   * the caller disposes of; adds the gradients of variables to `into`. Once only: it frees what was kept for it.
   */
  pullback(dy: tf.Tensor, into: Gradients): (tf.Tensor | undefined)[];
  /** Frees what was kept, when the gradient is not wanted any more. */
  dispose(): void;
}

/** What tfjs-core writes on its tape (its `tape.d.ts`). */
interface TapeNode {
  kernelName: string;
  inputs: Record<string, tf.Tensor>;
  outputs: tf.Tensor[];
  saved?: tf.Tensor[];
  gradient?: (dys: (tf.Tensor | null)[]) => Record<string, () => tf.Tensor>;
}

interface EngineState {
  activeTape: TapeNode[] | null;
  gradientDepth: number;
  kernelDepth: number;
}

/** Runs `f` on the inputs and keeps what its gradient needs. Inputs may be disposed of afterwards. */
export function record(inputs: tf.Tensor[], f: (...inputs: tf.Tensor[]) => tf.Tensor): Recorded {
  const { value, tape } = withTape(() => f(...inputs));
  return {
    value,
    pullback: (dy, into) => backpropagate(tape, value, dy, inputs, into),
    dispose: () => {
      for (const node of tape) tf.dispose(node.saved ?? []);
    },
  };
}

/** The same, but only the inputs are kept: `f` runs a second time when the gradient is taken. */
export function recordInputs(inputs: tf.Tensor[], f: (...inputs: tf.Tensor[]) => tf.Tensor): Recorded {
  const value = tf.keep(tf.tidy(() => f(...inputs)));
  const kept = inputs.map((input) => tf.keep(tf.clone(input)));
  return {
    value,
    pullback: (dy, into) => {
      const again = record(kept, f);
      tf.dispose([again.value, ...kept]);
      return again.pullback(dy, into);
    },
    dispose: () => {
      tf.dispose(kept);
    },
  };
}

/** Runs `f` on a tape of its own; what was being recorded around it goes on as if `f` had not run. */
function withTape(f: () => tf.Tensor): { value: tf.Tensor; tape: TapeNode[] } {
  const state = tf.engine().state as unknown as EngineState;
  const { activeTape, gradientDepth, kernelDepth } = state;
  const tape: TapeNode[] = [];
  Object.assign(state, { activeTape: tape, gradientDepth: 1, kernelDepth: 0 });
  try {
    return { value: tf.keep(tf.tidy(f)), tape };
  } catch (error) {
    for (const node of tape) tf.dispose(node.saved ?? []);
    throw error;
  } finally {
    Object.assign(state, { activeTape, gradientDepth, kernelDepth });
  }
}

function backpropagate(
  tape: TapeNode[],
  value: tf.Tensor,
  dy: tf.Tensor,
  inputs: tf.Tensor[],
  into: Gradients,
): (tf.Tensor | undefined)[] {
  const wanted = dependents(tape, inputs);
  const sums = new Map<number, tf.Tensor>([[value.id, tf.keep(tf.clone(dy))]]);
  const add = (id: number, gradient: tf.Tensor): void => {
    sums.set(id, added(sums.get(id), gradient));
  };
  for (const node of tape.reverse()) {
    const dys = node.outputs.map(({ id }) => sums.get(id) ?? null);
    const names = Object.keys(node.inputs).filter((name) => wanted.has((node.inputs[name] as tf.Tensor).id));
    if (names.length > 0 && dys.some((d) => d !== null)) {
      const { gradient } = node;
      if (gradient === undefined) throw new Error(`${node.kernelName} has no gradient`);
      const gradients = tf.tidy(() => {
        const thunks = gradient(dys);
        return names.map((name) => {
          const found = (thunks[name] as () => tf.Tensor)();
          return dys.includes(found) ? tf.clone(found) : found;
        });
      });
      names.forEach((name, i) => {
        const input = node.inputs[name] as tf.Tensor;
        const found = tf.keep(gradients[i] as tf.Tensor);
        if (isTrainable(input)) into.set(input.name, added(into.get(input.name), found));
        else add(input.id, found);
      });
    }
    for (const { id } of node.outputs) {
      sums.get(id)?.dispose();
      sums.delete(id);
    }
    tf.dispose(node.saved ?? []);
  }
  const found = inputs.map(({ id }) => sums.get(id));
  for (const [id, sum] of sums) if (!inputs.some((input) => input.id === id)) sum.dispose();
  return found;
}

/** Numbers of the tensors that depend on an input or on a trainable variable, these included. */
function dependents(tape: TapeNode[], inputs: tf.Tensor[]): Set<number> {
  const found = new Set(inputs.map(({ id }) => id));
  for (const node of tape) {
    const from = Object.values(node.inputs);
    for (const input of from) if (isTrainable(input)) found.add(input.id);
    if (from.some(({ id }) => found.has(id))) for (const { id } of node.outputs) found.add(id);
  }
  return found;
}

function isTrainable(tensor: tf.Tensor): tensor is tf.Variable {
  return tensor instanceof tf.Variable && tensor.trainable;
}

/** The sum of two gradients, which are disposed of. */
function added(sum: tf.Tensor | undefined, gradient: tf.Tensor): tf.Tensor {
  if (sum === undefined) return gradient;
  const total = tf.keep(tf.tidy(() => tf.add(sum, gradient)));
  tf.dispose([sum, gradient]);
  return total;
}
