/** The indexes that are there: what each holds, and how one goes. */
import { readdirSync, rmdirSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { AmsError } from "../errors.js";
import { writing } from "../writing.js";
import { indexNames } from "./places.js";
import type { Precision } from "./packedFeatures.js";
import { lockIndex, openStore, tables } from "./store.js";

/** An index as its folder keeps it. */
export interface StoredIndex {
  name: string;
  folder: string;
  /** Of all its files. */
  bytes: number;
  /** Why it cannot be read; what follows is then unknown. */
  problem?: string;
  /** Name or folder of the model that made it. */
  model?: string;
  features?: Precision;
  images?: number;
  captions?: number;
  /** When it was made, as ISO 8601. */
  made?: string;
}

/** All indexes below a folder, by name. One that cannot be read is among them, with the reason. */
export async function listIndexes(home: string): Promise<StoredIndex[]> {
  const found: StoredIndex[] = [];
  for (const name of indexNames(home)) found.push(await describeIndex(name, path.join(home, name)));
  return found;
}

async function describeIndex(name: string, folder: string): Promise<StoredIndex> {
  const about = { name, folder, bytes: bytesBelow(folder) };
  try {
    const store = await openStore(folder);
    try {
      const { model, features, made } = store.record;
      return { ...about, model, features, ...(await store.counts()), made };
    } finally {
      store.close();
    }
  } catch (error) {
    if (!(error instanceof AmsError)) throw error;
    return { ...about, problem: error.message };
  }
}

function bytesBelow(folder: string): number {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const size = (file: string): number => statSync(path.join(folder, file), { throwIfNoEntry: false })?.size ?? 0;
  return files.reduce((sum, file) => sum + size(file), 0);
}

/**
 * Removes an index, and its folder where nothing else is in it. The caller has made sure that there is one. Throws AmsError while another process
 * writes it, and where its files cannot be removed.
 */
export function removeIndex(folder: string): void {
  const unlock = lockIndex(folder);
  try {
    writing(folder, () => {
      rmSync(path.join(folder, "index.json")); // first: without it the rest is no index
      rmSync(path.join(folder, tables), { recursive: true, force: true });
    });
  } finally {
    unlock();
  }
  if (readdirSync(folder).length === 0) writing(folder, () => { rmdirSync(folder); }); // prettier-ignore
}
