/** %time, %%time and %timeit. */
import { userError } from "./plugins.js";

export interface Timing {
  __time: <T>(work: () => T) => Promise<Awaited<T>>;
  __timeStart: () => void;
  __timeEnd: () => void;
  __timeit: (options: string, work: () => unknown) => Promise<void>;
}

export function createTiming(signal: () => AbortSignal): Timing {
  const starts: { wall: number; cpu: NodeJS.CpuUsage }[] = [];
  const begin = (): void => {
    starts.push({ wall: performance.now(), cpu: process.cpuUsage() });
  };
  const end = (): void => {
    const start = starts.pop();
    if (start === undefined) return;
    const { user, system } = process.cpuUsage(start.cpu);
    process.stdout.write(
      `CPU: ${duration((user + system) / 1000)} (user ${duration(user / 1000)}, system ${duration(system / 1000)}), ` +
        `wall: ${duration(performance.now() - start.wall)}\n`,
    );
  };
  return {
    __timeStart: begin,
    __timeEnd: end,
    async __time<T>(work: () => T): Promise<Awaited<T>> {
      begin();
      try {
        return await work();
      } finally {
        end();
      }
    },
    async __timeit(options, work) {
      const option = (letter: string): number | undefined => {
        const found = new RegExp(`-${letter}\\s*(\\d+)`).exec(options)?.[1];
        if (found === "0") throw userError(`%timeit: -${letter} must be at least 1, got 0`);
        return found === undefined ? undefined : Number(found);
      };
      const repeats = option("r") ?? 7;
      const loops = option("n") ?? (await chooseLoops(work, signal()));
      const times: number[] = [];
      for (let i = 0; i < repeats; i++) times.push((await measure(work, loops, signal())) / loops);
      const mean = times.reduce((sum, time) => sum + time, 0) / repeats;
      const deviation = Math.sqrt(times.reduce((sum, time) => sum + (time - mean) ** 2, 0) / repeats);
      process.stdout.write(
        `${duration(mean)} ± ${duration(deviation)} per loop (mean ± std. dev. of ${String(repeats)} runs, ` +
          `${loops.toLocaleString("en")} loops each)\n`,
      );
    },
  };
}

/** The power of ten that takes at least 0.2 s. */
async function chooseLoops(work: () => unknown, signal: AbortSignal): Promise<number> {
  for (let loops = 1; ; loops *= 10) if ((await measure(work, loops, signal)) >= 200 || loops >= 1e9) return loops;
}

/** Milliseconds for so many runs; what is no promise is not awaited, so that short work is timed rightly. */
async function measure(work: () => unknown, loops: number, signal: AbortSignal): Promise<number> {
  signal.throwIfAborted();
  const start = performance.now();
  for (let i = 0; i < loops; i++) {
    const result = work();
    if (result instanceof Promise) await result;
  }
  return performance.now() - start;
}

/** Milliseconds as text with three digits: `1.23 s`, `45.6 ms`, `789 µs`, `12.3 ns`. */
export function duration(ms: number): string {
  if (ms >= 60_000) return `${String(Math.floor(ms / 60_000))} min ${((ms % 60_000) / 1000).toFixed(0)} s`;
  for (const [unit, size] of [
    ["s", 1000],
    ["ms", 1],
    ["µs", 1e-3],
  ] as const)
    if (ms >= size) return `${(ms / size).toPrecision(3)} ${unit}`;
  return `${(ms * 1e6).toPrecision(3)} ns`;
}
