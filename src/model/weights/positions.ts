/** Learned positions for another image size: the grid of patches is resized, [CLS] stays. */

export type Resize = "bicubic" | "bilinear";

/**
 * Positions [1 + from * from, D] -> [1 + to * to, D]. Equal to torch.nn.functional.interpolate(size=, align_corners=False,
 * no antialiasing), which the transformers library uses for ViT (bicubic, a = -0.75).
 */
export function resizePositions(
  values: Float32Array,
  width: number,
  from: number,
  to: number,
  mode: Resize,
): Float32Array {
  const weights = Array.from({ length: to }, (_, i) => (mode === "bicubic" ? cubic : linear)(i, from, to));
  const out = new Float32Array((1 + to * to) * width);
  out.set(values.subarray(0, width));
  const rows = new Float64Array(from * to * width); // columns resized: [from, to, D]
  for (let y = 0; y < from; y++) {
    weights.forEach((taps, x) => {
      for (const [source, weight] of taps) {
        const [at, place] = [(1 + y * from + source) * width, (y * to + x) * width];
        for (let d = 0; d < width; d++)
          rows[place + d] = (rows[place + d] as number) + weight * (values[at + d] as number);
      }
    });
  }
  const row = new Float64Array(width);
  weights.forEach((taps, y) => {
    for (let x = 0; x < to; x++) {
      row.fill(0);
      for (const [source, weight] of taps) {
        const at = (source * to + x) * width;
        for (let d = 0; d < width; d++) row[d] = (row[d] as number) + weight * (rows[at + d] as number);
      }
      out.set(row, (1 + y * to + x) * width);
    }
  });
  return out;
}

type Taps = [source: number, weight: number][];

/** Where pixel i of `to` lies among `from`, both grids covering the same square. */
function place(i: number, from: number, to: number): number {
  return ((i + 0.5) * from) / to - 0.5;
}

function cubic(i: number, from: number, to: number): Taps {
  const a = -0.75;
  const x = place(i, from, to);
  const first = Math.floor(x);
  const t = x - first;
  const near = (s: number): number => ((a + 2) * s - (a + 3)) * s * s + 1;
  const far = (s: number): number => ((a * s - 5 * a) * s + 8 * a) * s - 4 * a;
  return [far(t + 1), near(t), near(1 - t), far(2 - t)].map((weight, k) => [
    Math.min(from - 1, Math.max(0, first - 1 + k)),
    weight,
  ]);
}

function linear(i: number, from: number, to: number): Taps {
  const x = Math.max(0, place(i, from, to));
  const first = Math.min(from - 1, Math.floor(x));
  const t = x - first;
  return [
    [first, 1 - t],
    [Math.min(from - 1, first + 1), t],
  ];
}
