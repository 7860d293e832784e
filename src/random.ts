/** Seeded random numbers (mulberry32): named streams, whose state can be saved with a checkpoint. */

/** FNV-1a over the UTF-8 bytes of a text -> unsigned 32-bit number; the seed of the stream with that name. */
export function hash32(text: string): number {
  let h = 0x811c9dc5;
  for (const byte of Buffer.from(text, "utf8")) h = Math.imul(h ^ byte, 0x01000193);
  return h >>> 0;
}

export class Random {
  /** The whole state: save it, and `new Random(state)` goes on where this one is. */
  state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** The stream of a seed and a name (such as "train/epoch-3"): independent of how much others were used. */
  static stream(seed: number, name: string): Random {
    return new Random(hash32(`${String(seed)}/${name}`));
  }

  /** A float in [0, 1). */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  uniform(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  /** A whole number in 0 .. n-1. */
  int(n: number): number {
    return Math.floor(this.next() * n);
  }

  /** A standard normal number (Box-Muller). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
  }

  choice<T>(list: readonly T[]): T {
    return list[this.int(list.length)] as T;
  }

  /** Shuffles in place (Fisher-Yates) and returns the same array. */
  shuffle<T>(list: T[]): T[] {
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.int(i + 1);
      [list[i], list[j]] = [list[j] as T, list[i] as T];
    }
    return list;
  }
}
