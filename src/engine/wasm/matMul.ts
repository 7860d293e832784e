/** The WASM backend's matrix product made fast for batches and transposed operands. */
import * as tf from "@tensorflow/tfjs-core";

/** backend.wasm's C function: a, its shape, rank, b, its shape, rank, transposeA, transposeB, out (tensors by number). */
type Product = (...args: [number, Uint8Array, number, number, Uint8Array, number, number, number, number]) => void;

/** The parts of tfjs-backend-wasm's BackendWasm that are used here; the package's types hide some of them. */
interface Backend {
  dataIdMap: { get(dataId: object): { id: number; memoryOffset: number } };
  dataIdNextNumber: number;
  wasm: {
    cwrap(name: string, result: null, types: string[]): Product;
    tfjs: { registerTensor(id: number, size: number, offset: number): void; disposeData(id: number): void };
  };
  makeOutput(shape: number[], dtype: tf.DataType): tf.TensorInfo;
  disposeData(dataId: object): boolean;
}

/**
 * The stock kernel uses XNNPACK only for one product of untransposed matrices and a naive loop for everything else (10 to 80
 * times slower). Here operands are transposed first (a cheap kernel), and every entry of the batch is one XNNPACK product over
 * a window of the batch's memory.
 */
export function registerMatMul(): void {
  let product: Product;
  tf.unregisterKernel(tf.BatchMatMul, "wasm");
  tf.registerKernel({
    kernelName: tf.BatchMatMul,
    backendName: "wasm",
    setupFunc: (backend) => {
      const types = ["number", "array", "number", "number", "array", "number", "number", "number", "number"];
      product = (backend as Backend).wasm.cwrap(tf.BatchMatMul, null, types);
    },
    kernelFunc: ({ inputs, backend, attrs }) => {
      const { a, b } = inputs as { a: tf.TensorInfo; b: tf.TensorInfo };
      const { transposeA, transposeB } = attrs as unknown as tf.BatchMatMulAttrs;
      return matMul(a, b, transposeA, transposeB, backend as Backend, product);
    },
  });
}

/** a [..., m, k], b [..., k, n] (after their transpositions) -> [..., m, n]; the leading dimensions broadcast. */
function matMul(
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  transposeA: boolean,
  transposeB: boolean,
  backend: Backend,
  product: Product,
): tf.TensorInfo {
  if (a.dtype !== "float32" || b.dtype !== "float32") {
    throw new Error(`matMul on WASM takes float32 matrices, got ${a.dtype} and ${b.dtype}`);
  }
  const left = transposeA ? transposeMatrices(a, backend) : a;
  const right = transposeB ? transposeMatrices(b, backend) : b;
  const [m, k] = left.shape.slice(-2) as [number, number];
  const n = right.shape.at(-1) as number;
  const [leftBatch, rightBatch] = [left, right].map(({ shape }) => shape.slice(0, -2)) as [number[], number[]];
  const batchShape = tf.broadcast_util.assertAndGetBroadcastShape(leftBatch, rightBatch);
  const [leftCount, rightCount, count] = [leftBatch, rightBatch, batchShape].map(tf.util.sizeFromShape) as [
    number,
    number,
    number,
  ];
  const out = backend.makeOutput([...batchShape, m, n], "float32");
  const view = windows(backend);
  if (rightCount === 1 && leftCount === count) {
    // One matrix on the right: the batch is only more rows on the left. The real tensor is named, because XNNPACK keeps its
    // packed form with it, for the next product with the same weights.
    run(product, view.whole(left), view.whole(right), view.whole(out), leftCount * m, k, n);
  } else {
    const leftIndex = batchIndexes(leftBatch, batchShape);
    const rightIndex = batchIndexes(rightBatch, batchShape);
    for (let i = 0; i < count; i++) {
      const entries = [
        view.part(left, leftIndex(i) * m * k, m * k),
        view.part(right, rightIndex(i) * k * n, k * n),
        view.part(out, i * m * n, m * n),
      ] as const;
      run(product, ...entries, m, k, n);
      entries.forEach(view.close);
    }
  }
  if (left !== a) backend.disposeData(left.dataId);
  if (right !== b) backend.disposeData(right.dataId);
  return out;
}

function run(product: Product, a: number, b: number, out: number, m: number, k: number, n: number): void {
  const shape = (...dims: number[]): Uint8Array => new Uint8Array(Int32Array.from(dims).buffer);
  product(a, shape(1, m, k), 3, b, shape(1, k, n), 3, 0, 0, out);
}

/** The backend's tensors by number, whole or a part: a part shares the memory under a number of its own until closed. */
function windows(backend: Backend) {
  const { dataIdMap, wasm } = backend;
  return {
    whole: (tensor: tf.TensorInfo): number => dataIdMap.get(tensor.dataId).id,
    part: (tensor: tf.TensorInfo, start: number, size: number): number => {
      const id = backend.dataIdNextNumber++;
      wasm.tfjs.registerTensor(id, size, dataIdMap.get(tensor.dataId).memoryOffset + start * 4);
      return id;
    },
    close: (id: number): void => {
      wasm.tfjs.disposeData(id);
    },
  };
}

/** Position in the whole batch -> position in an operand's own, where dimensions of 1 repeat. */
function batchIndexes(own: number[], whole: number[]): (position: number) => number {
  if (tf.util.arraysEqual(own, whole)) return (position) => position;
  const ownStrides = tf.util.computeStrides([...own, 1]);
  return (position) => {
    let index = 0;
    for (let axis = whole.length - 1, rest = position; axis >= 0; axis--) {
      const coordinate = rest % whole[axis]!;
      rest = Math.floor(rest / whole[axis]!);
      const ownAxis = axis - (whole.length - own.length);
      if (ownAxis >= 0 && own[ownAxis] !== 1) index += coordinate * ownStrides[ownAxis]!;
    }
    return index;
  };
}

function transposeMatrices(x: tf.TensorInfo, backend: Backend): tf.TensorInfo {
  const rank = x.shape.length;
  const perm = [...Array(rank - 2).keys(), rank - 1, rank - 2];
  const { kernelFunc } = tf.getKernel(tf.Transpose, "wasm");
  return kernelFunc({ inputs: { x }, backend, attrs: { perm } }) as tf.TensorInfo;
}
