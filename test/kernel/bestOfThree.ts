import assert from "node:assert/strict";

/** Within so many ms, by the best of three: other work on the machine is none of the kernel's. */
export async function bestOfThree(limit: number, attempt: () => Promise<number>): Promise<void> {
  const times: number[] = [];
  while (times.length < 3 && !times.some((ms) => ms < limit)) times.push(await attempt());
  assert.ok(Math.min(...times) < limit, `${times.map(Math.round).join(", ")} ms`);
}
