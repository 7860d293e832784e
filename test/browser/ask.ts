/** What several browser tests do: ask an explorer, and wait for what comes of it. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Locator } from "playwright-core";

/** Chooses the second word and the second scale: each click again until its effect shows, since what is redrawn loses it. */
export async function askExplorer(explorer: Locator): Promise<void> {
  const word = explorer.locator(".caption button").nth(1);
  const name = (await word.textContent()) ?? "";
  const said = explorer.locator(".said").first();
  const scale = explorer.locator(".scales button").nth(1);
  const says = async (text: string): Promise<boolean> => ((await said.textContent()) ?? "").includes(text);
  await until(async () => {
    await word.click();
    return says(`“${name}”`);
  }, `the explorer shows “${name}”`);
  await until(async () => {
    await scale.click();
    return says("at scale 2");
  }, "the explorer shows scale 2");
}

/** Tries until it holds, for two minutes. */
export async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  for (const end = Date.now() + 120_000; Date.now() < end;) {
    if (await holds()) return;
    await sleep(200);
  }
  assert.fail(`not within two minutes: ${what}`);
}
