/** How fast the engine in use multiplies matrices. */
import { performance } from "node:perf_hooks";
import * as tf from "@tensorflow/tfjs-core";
import { startEngine } from "./start.js";

/**
 * float32 product of two square matrices -> GFLOP/s, the best of several rounds. The matrices grow until one product takes
 * 20 ms (256 to 8192 rows), so that it takes about a second on every engine.
 */
export async function measureMatmul(): Promise<number> {
  await startEngine();
  const time = (n: number): number => {
    const [a, b] = [tf.ones([n, n]), tf.ones([n, n])];
    const started = performance.now();
    const product = tf.matMul(a, b);
    // One number is fetched: the product must be there, and its way from a GPU does not count.
    const corner = tf.slice(product, [n - 1, n - 1], [1, 1]);
    const [value] = corner.dataSync();
    const seconds = (performance.now() - started) / 1000;
    tf.dispose([a, b, product, corner]);
    if (value !== n) throw new Error(`a product of ones of ${n} rows is ${String(value)}`);
    return seconds;
  };
  let n = 256;
  time(n); // the first product of a size also compiles and allocates
  while (n < 8192 && time(n) < 0.02) {
    n *= 2;
    time(n);
  }
  const seconds = Math.min(...Array.from({ length: 8 }, () => time(n)));
  return (2 * n ** 3) / seconds / 1e9;
}
