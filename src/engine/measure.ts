/** How fast the engine in use multiplies matrices. */
import { performance } from "node:perf_hooks";
import * as tf from "@tensorflow/tfjs-core";
import { startEngine } from "./start.js";

/**
 * float32 matrix product of two square matrices -> GFLOP/s, the best of several rounds. Slow engines get smaller matrices, so
 * that it takes about a second.
 */
export async function measureMatmul(): Promise<number> {
  await startEngine();
  const rate = (n: number): number => {
    const [a, b] = [tf.ones([n, n]), tf.ones([n, n])];
    const started = performance.now();
    const product = tf.matMul(a, b);
    product.dataSync();
    const seconds = (performance.now() - started) / 1000;
    tf.dispose([a, b, product]);
    return (2 * n ** 3) / seconds / 1e9;
  };
  rate(128);
  const size = rate(256) > 15 ? 1024 : 256;
  return Math.max(...Array.from({ length: 8 }, () => rate(size)));
}
