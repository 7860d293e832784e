/** TensorFlow's own ops on tfjs tensors, where tfjs has none or a slow one: Adam in place, seeded random numbers, any op. */
import * as tf from "@tensorflow/tfjs-core";
import type { NativeBackend, TensorEntry } from "./backend.js";
import type { Formula } from "../formula.js";
import type { Binding, OpAttribute, TensorMetadata } from "./binding.js";
import { functionDef } from "./functionDef.js";
import { withSilentStderr } from "./libc.js";
import { compilerProof, compilerProofInput, isProved } from "./proof.js";

/** An op's attribute: what it is and its value, e.g. `{ type: "float32" }`, `{ bool: true }`, `{ ints: [1, 2] }`. */
export type Attribute =
  | { type: tf.DataType }
  | { bool: boolean }
  | { int: number }
  | { ints: number[] }
  | { float: number }
  | { string: string }
  | { shape: number[] };

/** Adam's numbers for one update. */
export interface AdamOptions {
  lr: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  /** Number of this update, from 1: the bias corrections depend on it. */
  step: number;
}

/** What TensorFlow does at once that tfjs would do in several operations. */
export interface NativeOps {
  /**
   * One Adam update in place (PyTorch's formula: epsilon is added to the corrected root). m and v are this variable's running
   * means, zeros before the first update. All four have one shape; the three variables keep their identity and get new values.
   */
  adam(variable: tf.Variable, m: tf.Variable, v: tf.Variable, gradient: tf.Tensor, options: AdamOptions): void;
  /** Uniform numbers in [0, 1), a pure function of shape and seed (two 32-bit integers): the same on every run. */
  randomUniform(shape: number[], seed: [number, number]): tf.Tensor;
  /** a [M, K] x b [K, N] -> [M, N], float32, either one transposed on request. */
  matMul(a: tf.Tensor, b: tf.Tensor, transposeA: boolean, transposeB: boolean): tf.Tensor;
  /**
   * a [..., M, K] x b [..., K, N] -> float32 [..., M, N] with equal leading axes, either one transposed on request; both are rounded
   * to bfloat16 first, and so is the product.
   */
  matMulBfloat16(a: tf.Tensor, b: tf.Tensor, transposeA: boolean, transposeB: boolean): tf.Tensor;
  /** Half the sum of squares of a tensor, in one pass. */
  halfSquaredNorm(x: tf.Tensor): tf.Scalar;
  /** Whether formulas can be compiled: TensorFlow's compiler is there and the work is done on a CPU. */
  readonly compiles: boolean;
  /**
   * Runs a formula as one compiled function; every new combination of shapes is compiled once (some 50 ms, and 0.4 MB that TensorFlow
   * never frees). Undefined where it is a new one and there are too many already.
   */
  run(name: string, write: Formula, inputs: tf.Tensor[]): tf.Tensor[] | undefined;
  /** How many combinations of formula and shapes were compiled. */
  readonly compiled: number;
  /** See `Binding`: JavaScript ahead of TensorFlow. */
  readonly queue: Pick<Binding, "queued" | "settle" | "mark" | "giveUp">;
  /** Any TensorFlow op: `executeOp("Einsum", { equation: { string: "bid,bjd->bij" }, N: { int: 2 }, T: ... }, [a, b], 1)`. */
  executeOp(name: string, attributes: Record<string, Attribute>, inputs: tf.Tensor[], outputs: number): tf.Tensor[];
}

/** A tensor's entry, with the resource variable that owns its memory after an update in place. */
interface OwnedEntry extends TensorEntry {
  /** TensorFlow's resource variable (a tensor number), and the number of the tensor read from it last. */
  resource?: { id: number; read: number };
}

/** @param mostCompiled combinations of formula and shapes that are compiled at most: some 200 MB that are never freed */
export function createNativeOps(backend: NativeBackend, mostCompiled = 512): NativeOps {
  const { binding } = backend;
  const { TF_FLOAT, TF_ATTR_TYPE, TF_ATTR_STRING, TF_ATTR_SHAPE, TF_ATTR_BOOL, TF_ATTR_INT, TF_ATTR_FLOAT } = binding;
  const floatT: OpAttribute = { name: "T", type: TF_ATTR_TYPE, value: TF_FLOAT };
  const floatDtype: OpAttribute = { name: "dtype", type: TF_ATTR_TYPE, value: TF_FLOAT };

  // A resource variable lives as long as the data it holds: whoever disposes the tensor ends both.
  const disposeData = backend.disposeData.bind(backend);
  backend.disposeData = (dataId: object, force?: boolean): boolean => {
    const resource = backend.tensorMap.has(dataId) ? (backend.tensorMap.get(dataId) as OwnedEntry).resource : undefined;
    const gone = disposeData(dataId, force);
    if (gone && resource !== undefined) {
      binding.executeOp("DestroyResourceOp", [], [resource.id], 0);
      binding.deleteTensor(resource.id);
    }
    return gone;
  };

  /** Puts a tensor's memory under a resource variable and lets go of the tensor: updates can then be made in place. */
  function own(variable: tf.Variable): OwnedEntry {
    const [id] = backend.getInputTensorIds([variable]) as [number];
    const entry = backend.tensorMap.get(variable.dataId) as OwnedEntry;
    if (entry.resource?.read !== id) {
      if (entry.resource === undefined) {
        const attributes: OpAttribute[] = [
          floatDtype,
          { name: "shape", type: TF_ATTR_SHAPE, value: entry.shape },
          // TensorFlow's own mark of a variable that nobody else can name.
          { name: "shared_name", type: TF_ATTR_STRING, value: "cd2c89b7-88b7-44c8-ad83-06c2a9158347" },
        ];
        const [handle] = binding.executeOp("VarHandleOp", attributes, [], 1);
        entry.resource = { id: handle!.id, read: -1 };
      }
      binding.executeOp("AssignVariableOp", [floatDtype], [entry.resource.id, id], 0);
    }
    // While a second reference to the memory is held, TensorFlow copies it before it writes.
    binding.deleteTensor(id);
    entry.id = -1;
    return entry;
  }

  /** Gives the tensor back what its resource variable holds now. */
  function giveBack(entry: OwnedEntry): void {
    const resource = entry.resource!;
    const [read] = binding.executeOp("ReadVariableOp", [floatDtype], [resource.id], 1);
    entry.id = resource.read = read!.id;
  }

  let scalars: { key: string; ids: number[] } = { key: "", ids: [] };

  /** Adam's seven scalars as tensors, made once for all variables of a step. */
  function adamScalars({ lr, beta1, beta2, epsilon, step }: AdamOptions): number[] {
    const key = [lr, beta1, beta2, epsilon, step].join(" ");
    if (scalars.key !== key) {
      for (const id of scalars.ids) binding.deleteTensor(id);
      // TensorFlow's kernel computes 1 - beta in float32, which is off by 1e-5 for 0.999. The bias is corrected here instead, in
      // float64, for the betas that the kernel really uses; powers of 0 make it correct nothing itself.
      const correction = Math.sqrt(1 - Math.fround(beta2) ** step);
      const rate = (lr * correction) / (1 - Math.fround(beta1) ** step);
      const values = [0, 0, rate, beta1, beta2, epsilon * correction];
      scalars = { key, ids: values.map((value) => binding.createTensor([], TF_FLOAT, Float32Array.of(value))) };
    }
    return scalars.ids;
  }

  const lockAttributes: OpAttribute[] = [
    floatT,
    { name: "use_locking", type: TF_ATTR_BOOL, value: false },
    { name: "use_nesterov", type: TF_ATTR_BOOL, value: false },
  ];

  function adam(
    variable: tf.Variable,
    m: tf.Variable,
    v: tf.Variable,
    gradient: tf.Tensor,
    options: AdamOptions,
  ): void {
    tf.util.assertShapesMatch(variable.shape, gradient.shape, "adam: variable and gradient: ");
    tf.util.assertShapesMatch(variable.shape, m.shape, "adam: variable and m: ");
    tf.util.assertShapesMatch(variable.shape, v.shape, "adam: variable and v: ");
    const [gradientId] = backend.getInputTensorIds([gradient]) as [number];
    const constants = adamScalars(options);
    const entries = [variable, m, v].map(own);
    try {
      const resources = entries.map((entry) => entry.resource!.id);
      binding.executeOp("ResourceApplyAdam", lockAttributes, [...resources, ...constants, gradientId], 0);
    } finally {
      entries.forEach(giveBack);
    }
  }

  function executeOp(
    name: string,
    attributes: Record<string, Attribute>,
    inputs: tf.Tensor[],
    outputs: number,
  ): tf.Tensor[] {
    const list = Object.entries(attributes).map(([key, attribute]): OpAttribute => {
      if ("type" in attribute) return { name: key, type: TF_ATTR_TYPE, value: typeNumber(attribute.type) };
      if ("bool" in attribute) return { name: key, type: TF_ATTR_BOOL, value: attribute.bool };
      if ("int" in attribute) return { name: key, type: TF_ATTR_INT, value: attribute.int };
      if ("ints" in attribute) return { name: key, type: TF_ATTR_INT, value: attribute.ints };
      if ("float" in attribute) return { name: key, type: TF_ATTR_FLOAT, value: attribute.float };
      if ("shape" in attribute) return { name: key, type: TF_ATTR_SHAPE, value: attribute.shape };
      return { name: key, type: TF_ATTR_STRING, value: attribute.string };
    });
    return binding
      .executeOp(name, list, backend.getInputTensorIds(inputs), outputs)
      .map((metadata) => backend.createOutputTensor(metadata));
  }

  function typeNumber(type: tf.DataType): number {
    const numbers: Record<tf.DataType, number> = {
      float32: binding.TF_FLOAT,
      int32: binding.TF_INT32,
      bool: binding.TF_BOOL,
      complex64: binding.TF_COMPLEX64,
      string: binding.TF_STRING,
    };
    return numbers[type];
  }

  /** tfjs has no bfloat16: its tensors live below tfjs, and only the float32 result gets a name there. */
  function matMulBfloat16(a: tf.Tensor, b: tf.Tensor, transposeA: boolean, transposeB: boolean): tf.Tensor {
    const { TF_BFLOAT16 } = binding;
    const below: number[] = [];
    const one = (name: string, attributes: OpAttribute[], inputs: number[]): TensorMetadata =>
      binding.executeOp(name, attributes, inputs, 1)[0]!;
    const type = (name: string, value: number): OpAttribute => ({ name, type: TF_ATTR_TYPE, value });
    const flag = (name: string, value: boolean): OpAttribute => ({ name, type: TF_ATTR_BOOL, value });
    const cast = (id: number, from: number, to: number): TensorMetadata =>
      one("Cast", [type("SrcT", from), type("DstT", to), flag("Truncate", false)], [id]);
    try {
      for (const id of backend.getInputTensorIds([a, b])) below.push(cast(id, TF_FLOAT, TF_BFLOAT16).id);
      const [op, x, y] =
        a.rank > 2
          ? (["BatchMatMulV2", "adj_x", "adj_y"] as const)
          : (["MatMul", "transpose_a", "transpose_b"] as const);
      const attributes = [type("T", TF_BFLOAT16), flag(x, transposeA), flag(y, transposeB)];
      below.push(one(op, attributes, below.slice()).id);
      return backend.createOutputTensor(cast(below[2]!, TF_BFLOAT16, TF_FLOAT));
    } finally {
      for (const id of below) binding.deleteTensor(id);
    }
  }

  function randomUniform(shape: number[], seed: [number, number]): tf.Tensor {
    const attributes = { dtype: { type: "float32" }, T: { type: "int32" }, Tseed: { type: "int32" } } as const;
    return tf.tidy(() => {
      const inputs = [tf.tensor1d(shape, "int32"), tf.tensor1d(Int32Array.from(seed), "int32")];
      return executeOp("StatelessRandomUniform", attributes, inputs, 1)[0] as tf.Tensor;
    });
  }

  /** Outputs of the functions that TensorFlow knows, by name. */
  const functions = new Map<string, number>();

  const compiled = new Set<string>();

  function run(name: string, write: Formula, inputs: tf.Tensor[]): tf.Tensor[] | undefined {
    const key = `${name} ${inputs.map(({ shape }) => shape.join("x")).join(" ")}`;
    if (!compiled.has(key) && compiled.size >= mostCompiled) return undefined;
    compiled.add(key);
    let outputs = functions.get(name);
    if (outputs === undefined) {
      const made = functionDef(name, write, inputs.length);
      binding.addFunction(name, made.proto);
      outputs = made.outputs;
      functions.set(name, outputs);
    }
    return executeOp(name, { _XlaMustCompile: { bool: true } }, inputs, outputs);
  }

  /** A build of TensorFlow may lack its compiler; on a GPU it needs CUDA's own, which is not installed with it. */
  let compiler: boolean | undefined;
  const hasCompiler = (): boolean =>
    tf.tidy(() => {
      try {
        // The compiler greets on stderr, once.
        const input = tf.tensor2d(compilerProofInput);
        return isProved(withSilentStderr(() => run("proof", compilerProof, [input])) ?? []);
      } catch {
        return false;
      }
    });

  return {
    adam,
    matMul: (a, b, transposeA, transposeB) =>
      executeOp(
        "MatMul",
        { T: { type: "float32" }, transpose_a: { bool: transposeA }, transpose_b: { bool: transposeB } },
        [a, b],
        1,
      )[0] as tf.Tensor,
    matMulBfloat16,
    randomUniform,
    get compiles() {
      if (binding.isUsingGpuDevice()) return false;
      return (compiler ??= hasCompiler());
    },
    run,
    get compiled() {
      return compiled.size;
    },
    queue: binding,
    halfSquaredNorm: (x) => executeOp("L2Loss", { T: { type: "float32" } }, [x], 1)[0] as tf.Scalar,
    executeOp,
  };
}
