/** The sum of the scales, in a page as in Node. */

/** sum over k of s_k * M_k for maps (or scores) of equal length; a scale without a weight counts once. */
export function scaleSum(maps: readonly ArrayLike<number>[], weights: readonly (number | undefined)[]): Float32Array {
  const sum = new Float32Array(maps[0]?.length ?? 0);
  maps.forEach((map, k) => {
    for (let i = 0; i < sum.length; i++) sum[i]! += (weights[k] ?? 1) * map[i]!;
  });
  return sum;
}
