/** UnsortedSegmentSum, the gradient of gather: missing in the WASM backend, and quadratic in the plain one. */
import * as tf from "@tensorflow/tfjs-core";

/** What the kernel needs of a backend: to read a tensor's values and to make a new tensor of some. */
type Memory = Pick<tf.KernelBackend, "readSync" | "write">;

/**
 * Registers the kernel for a backend: x [n..., inner...] and segmentIds [n...] -> [numSegments, inner...], each row of x added
 * to the segment that its id names; ids outside 0 .. numSegments - 1 are dropped, as in TensorFlow.
 */
export function registerSegmentSum(backendName: string): void {
  const existing = tf.getKernelsForBackend(backendName).some(({ kernelName }) => kernelName === tf.UnsortedSegmentSum);
  if (existing) tf.unregisterKernel(tf.UnsortedSegmentSum, backendName);
  tf.registerKernel({
    kernelName: tf.UnsortedSegmentSum,
    backendName,
    kernelFunc: ({ inputs, backend, attrs }) => {
      const { x, segmentIds } = inputs as { x: tf.TensorInfo; segmentIds: tf.TensorInfo };
      const { numSegments } = attrs as unknown as tf.UnsortedSegmentSumAttrs;
      const memory = backend as Memory;
      const values = memory.readSync(x.dataId) as Float32Array | Int32Array;
      const ids = memory.readSync(segmentIds.dataId) as Int32Array;
      const inner = x.shape.slice(segmentIds.shape.length);
      const width = tf.util.sizeFromShape(inner);
      const sums = x.dtype === "int32" ? new Int32Array(numSegments * width) : new Float32Array(numSegments * width);
      for (let row = 0; row < ids.length; row++) {
        const segment = ids[row]!;
        if (segment < 0 || segment >= numSegments) continue;
        const [from, to] = [row * width, segment * width];
        for (let i = 0; i < width; i++) sums[to + i]! += values[from + i]!;
      }
      const shape = [numSegments, ...inner];
      return { dataId: memory.write(sums, shape, x.dtype), shape, dtype: x.dtype };
    },
  });
}
