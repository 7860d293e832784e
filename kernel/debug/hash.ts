/** MurmurHash2 (Austin Appleby, public domain): JupyterLab names a cell by the hash of its source, and so must the kernel. */

const multiplier = 0x5bd1e995;

/** The 32-bit hash of a text's UTF-8 bytes. */
export function murmur2(text: string, seed: number): number {
  const data = Buffer.from(text, "utf8");
  const whole = data.length - (data.length % 4);
  let hash = seed ^ data.length;
  for (let i = 0; i < whole; i += 4) {
    let block = Math.imul(data.readInt32LE(i), multiplier);
    block = Math.imul(block ^ (block >>> 24), multiplier);
    hash = Math.imul(hash, multiplier) ^ block;
  }
  if (whole < data.length) {
    for (let i = data.length - 1; i >= whole; i--) hash ^= data.readUInt8(i) << (8 * (i - whole));
    hash = Math.imul(hash, multiplier);
  }
  hash = Math.imul(hash ^ (hash >>> 13), multiplier);
  return (hash ^ (hash >>> 15)) >>> 0;
}
