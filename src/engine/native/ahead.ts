/**
 * Letting JavaScript run ahead of TensorFlow. An op whose results' shapes are known, since the same op ran before on inputs of the same
 * shapes, can be queued: a thread of TensorFlow's computes it while JavaScript prepares the next ones. Every other op first waits for the
 * queue and is computed at once, so that all ops run in the order in which they were called, and the results are the same to the bit.
 */
import type { OpAttribute } from "./binding.js";
import type { Pointer, TensorFlow } from "./library.js";

/** What is known of a result before it is computed. */
export interface Kind {
  shape: readonly number[];
  dtype: number;
}

/** A tensor as an op's input. */
export interface Known extends Kind {
  /** Whole numbers that came from JavaScript, where they are few: they may decide a shape (an axis, say, or a shape itself). */
  values?: string;
}

/** Kinds of calls whose results' shapes are kept; then all are forgotten and learnt anew. */
const mostCalls = 20_000;

/** The most whole numbers of a tensor that are kept to tell calls apart. */
const mostValues = 16;

/** Results have shapes that follow from the inputs' shapes and the attributes alone. */
const byShapes = [
  ...["Add", "AddV2", "Sub", "Mul", "RealDiv", "FloorDiv", "Maximum", "Minimum", "SquaredDifference", "Pow"],
  ...["Abs", "Neg", "Exp", "Log", "Log1p", "Sqrt", "Rsqrt", "Square", "Sigmoid", "Tanh", "Relu", "Sign", "Erf", "Cast"],
  ...["Equal", "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual", "LogicalAnd", "LogicalOr", "LogicalNot"],
  ...[
    "MatMul",
    "BatchMatMulV2",
    "Einsum",
    "L2Loss",
    "Softmax",
    "LogSoftmax",
    "SelectV2",
    "Select",
    "ZerosLike",
    "Pack",
    "Identity",
  ],
];

/** The inputs whose values decide the results' shapes too, by position; -1 is the last. */
const deciding = new Map<string, readonly number[]>([
  ...byShapes.map((name): [string, number[]] => [name, []]),
  ...["Sum", "Mean", "Max", "Min", "ArgMax", "Reshape", "Transpose", "ExpandDims", "Tile", "PadV2", "OneHot"].map(
    (name): [string, number[]] => [name, [1]],
  ),
  ["ConcatV2", [-1]],
  ["Fill", [0]],
  ["GatherV2", [2]],
  ["Slice", [1, 2]],
  ["SplitV", [1, 2]],
  ["StatelessRandomUniform", [0]],
  ["StridedSlice", [1, 2, 3]],
  ["UnsortedSegmentSum", [2]],
]);

/** The values of a tensor of whole numbers that JavaScript makes, as far as they are kept. */
export function keptValues(values: ArrayLike<number>): { values?: string } {
  return values.length > mostValues ? {} : { values: Array.prototype.join.call(values, ",") };
}

/** What decides the shapes of a call's results, as a text; undefined where they may depend on more (or have no shape yet). */
export function callKey(
  name: string,
  attributes: readonly OpAttribute[],
  inputs: readonly Known[],
  isFunction: boolean,
): string | undefined {
  const positions = isFunction ? [] : deciding.get(name);
  if (positions === undefined) return undefined;
  let key = name;
  for (const { name: attribute, value } of attributes) key += ` ${attribute}=${String(value)}`;
  for (const [i, { shape, dtype, values }] of inputs.entries()) {
    key += ` ${dtype}[${shape.join(",")}]`;
    if (!positions.includes(i) && !positions.includes(i - inputs.length)) continue;
    if (values === undefined) return undefined;
    key += values;
  }
  return key;
}

/** TensorFlow's queue and what is known of earlier calls. Failures of queued ops are in `status` after the functions that wait. */
export interface Ahead {
  /** What an earlier call with this key gave. */
  get(key: string): readonly Kind[] | undefined;
  learn(key: string, results: readonly Kind[]): void;
  /** The next op of this thread is queued. */
  queue(): void;
  /** The next op is computed at once -> whether it waited for the queue. */
  atOnce(): boolean;
  /** After a failure: what was queued behind it is given up, and later ops are none the worse. */
  recover(): void;
}

/** Undefined where this TensorFlow has no such queues. */
export function createAhead(tf: TensorFlow, context: Pointer, status: Pointer): Ahead | undefined {
  const {
    TFE_NewExecutor,
    TFE_ContextSetExecutorForThread,
    TFE_ExecutorWaitForAllPendingNodes,
    TFE_ExecutorClearError,
  } = tf;
  if (
    TFE_NewExecutor === undefined ||
    TFE_ContextSetExecutorForThread === undefined ||
    TFE_ExecutorWaitForAllPendingNodes === undefined ||
    TFE_ExecutorClearError === undefined
  ) {
    return undefined;
  }
  const direct = TFE_NewExecutor(false, false, 0) as Pointer;
  const queued = TFE_NewExecutor(true, false, 0) as Pointer;
  const calls = new Map<string, readonly Kind[]>();
  let current: Pointer | undefined;
  const turnTo = (executor: Pointer): void => {
    if (executor !== current) TFE_ContextSetExecutorForThread(context, executor);
    current = executor;
  };
  return {
    get: (key) => calls.get(key),
    learn(key, results) {
      if (calls.size >= mostCalls) calls.clear();
      calls.set(key, results);
    },
    queue() {
      turnTo(queued);
    },
    atOnce() {
      if (current !== queued) return false; // where nothing was ever queued, TensorFlow's own way stays
      TFE_ExecutorWaitForAllPendingNodes(queued, status);
      turnTo(direct);
      return true;
    },
    recover() {
      const ignored = tf.TF_NewStatus() as Pointer;
      TFE_ExecutorWaitForAllPendingNodes(queued, ignored);
      TFE_ExecutorClearError(queued);
      tf.TF_DeleteStatus(ignored);
    },
  };
}
