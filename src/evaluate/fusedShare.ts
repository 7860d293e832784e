/** One thread's share of a tile: image after image with all captions of the block, from similarities to scores. */
import { openKernels, rowsTogether, type SharedMemory } from "./wasmKernels.js";

/** The largest tile; memory is laid out for it once. */
export interface TileShape {
  images: number;
  captions: number;
  words: number;
  regions: number;
  threads: number;
  /** The engine computes the context norms between two stages. */
  engineNorms: boolean;
}

/** Where everything is in the shared memory, in 4-byte steps. `A` is [captions * words, images * columns]. */
export interface TileLayout extends TileShape {
  /** Regions filled up to a multiple of four; what is filled is zero in A and in U and masked. */
  columns: number;
  mask: number;
  A: number;
  /** Upper triangles [images, columns, columns] of the Gram matrices, doubled off the diagonal. */
  U: number;
  /** [captions, words, words] */
  propagation: number;
  /** Counted words of each caption, as whole numbers. */
  lengths: number;
  /** [images, captions] */
  scores: number;
  scratch: number;
  scratchEach: number;
  /** Attention weights [rows, columns] and records [rows, 4] of each image, for the engine, or of each thread. */
  weights: number;
  weightsEach: number;
  records: number;
  recordsEach: number;
  /** With `engineNorms`: squared context norms [rows] of each image. */
  norms: number;
  normsEach: number;
  total: number;
}

/** Whole numbers at the start of the memory: the handshake and the task. */
export const control = {
  generation: 0,
  /** Threads that have begun, and that have finished, a stage: counted on and on. A thread that is late takes part in none, or in the next one. */
  begun: 10,
  finished: 1,
  failed: 2,
  images: 3,
  captions: 4,
  words: 5,
  propagate: 6,
  threshold: 7,
  next: 8,
  stage: 9,
  length: 64,
};

/** The next image where there is none to take, between two stages. */
export const none = 2 ** 30;

/** A tile in one go, or up to the attention weights and from the context norms on. */
export const stages = { whole: 0, branches: 1, finish: 2 };

export function tileLayout(shape: TileShape): TileLayout {
  const { images, captions, words, regions, threads, engineNorms } = shape;
  const columns = Math.ceil(regions / 4) * 4;
  const rows = captions * words + rowsTogether; // rows are rounded up to whole groups
  const sizes = {
    mask: columns,
    A: captions * words * images * columns,
    U: engineNorms ? 0 : images * columns * columns,
    propagation: captions * words * words,
    lengths: captions,
    scores: images * captions,
  };
  const scratchEach = align(columns + words);
  const [recordsEach, weightsEach, normsEach] = [align(4 * rows), align(rows * columns), align(rows)];
  const holders = engineNorms ? images : threads;
  let next = control.length;
  const place = (size: number): number => {
    const at = next;
    next += align(size);
    return at;
  };
  const [mask, A, U] = [place(sizes.mask), place(sizes.A), place(sizes.U)];
  const [propagation, lengths, scores] = [place(sizes.propagation), place(sizes.lengths), place(sizes.scores)];
  const scratch = place(scratchEach * threads);
  const [records, weights] = [place(recordsEach * holders), place(weightsEach * holders)];
  const norms = place(engineNorms ? normsEach * images : 0);
  return {
    ...shape,
    ...{ columns, mask, A, U, propagation, lengths, scores, scratch, scratchEach },
    ...{ weights, weightsEach, records, recordsEach, norms, normsEach },
    total: next,
  };
}

/** Cache lines of 64 bytes, so that threads do not share one. */
const align = (size: number): number => Math.ceil(size / 16) * 16;

/** The function with which thread `index` works on the task that the memory describes. */
export function shareOf(memory: SharedMemory, layout: TileLayout, index: number): () => void {
  const { branches, contextNorms } = openKernels(memory);
  const floats = new Float32Array(memory.buffer);
  const whole = new Int32Array(memory.buffer);
  const { columns } = layout;
  const norm = layout.scratch + index * layout.scratchEach;
  const best = norm + columns;
  return () => {
    // Threads take the next image when they are ready: on a busy machine equal shares would wait for the slowest.
    for (;;) {
      const image = Atomics.add(whole, control.next, 1);
      // After the image: what it is taken from stays as it is until its thread has finished.
      const stage = whole[control.stage]!;
      const images = whole[control.images]!;
      if (image >= images) break;
      const captions = whole[control.captions]!;
      const words = whole[control.words]!;
      const threshold = floats[control.threshold]!;
      const propagate = whole[control.propagate] === 1;
      const stride = images * columns;
      const holder = layout.engineNorms ? image : index;
      const [records, weights] = [
        layout.records + holder * layout.recordsEach,
        layout.weights + holder * layout.weightsEach,
      ];
      let rows = 0;
      for (let c = 0; c < captions; c++) {
        const length = whole[layout.lengths + c]!;
        const similarities = layout.A + c * words * stride + image * columns;
        if (stage !== stages.finish) branches(4 * similarities, 4 * stride, 4 * (weights + rows * columns), 4 * columns, 4 * layout.mask, 4 * norm, 4 * (records + 4 * rows), length, 4 * columns, threshold); // prettier-ignore
        rows += length;
      }
      if (stage === stages.branches) continue;
      if (stage === stages.whole) {
        contextNorms(
          4 * weights,
          4 * (layout.U + image * columns * columns),
          4 * records,
          Math.ceil(rows / rowsTogether) * rowsTogether,
          4 * columns,
        );
      } else {
        const norms = layout.norms + image * layout.normsEach;
        for (let r = 0; r < rows; r++) floats[records + 4 * r + 3] = floats[norms + r]!;
      }
      let record = records;
      for (let c = 0; c < captions; c++) {
        const length = whole[layout.lengths + c]!;
        const propagation = layout.propagation + c * words * words;
        for (let w = 0; w < length; w++) floats[best + w] = floats[record + 4 * w]! - threshold;
        let sum = 0;
        for (let w = 0; w < length; w++, record += 4) {
          const squared = floats[record + 3]!;
          sum += floats[record + 2]! + (squared > 0 ? floats[record + 1]! / Math.sqrt(squared) : 0);
          let decisive = 0;
          if (propagate) {
            const row = propagation + w * words;
            for (let k = 0; k < length; k++) decisive += floats[row + k]! * floats[best + k]!;
          } else decisive = floats[best + w]!;
          if (decisive < 0) sum += floats[best + w]!;
        }
        floats[layout.scores + image * captions + c] = sum / length;
      }
    }
  };
}
