/** Where a name such as google/vit-base-patch16-384 lies on this machine: the cache of the Hugging Face hub, read only. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { AmsError } from "../../errors.js";

const repository = /^[\w.-]+(\/[\w.-]+)?(@[\w./-]+)?$/;

/** The cache's folder, as huggingface_hub chooses it. */
export function hubCache(env: NodeJS.ProcessEnv = process.env): string {
  const set = (name: string): string | undefined => (env[name] === "" ? undefined : env[name]);
  const named = set("HF_HUB_CACHE") ?? set("HUGGINGFACE_HUB_CACHE");
  if (named !== undefined) return path.resolve(named);
  const home = set("HF_HOME") ?? path.join(set("XDG_CACHE_HOME") ?? path.join(homedir(), ".cache"), "huggingface");
  return path.join(path.resolve(home), "hub");
}

/** Names of the models in the cache, e.g. `google/vit-base-patch16-384`. */
export function hubModels(cache = hubCache()): string[] {
  if (!existsSync(cache)) return [];
  return readdirSync(cache)
    .filter((name) => name.startsWith("models--"))
    .map((name) => name.slice("models--".length).replaceAll("--", "/"))
    .sort();
}

/**
 * A path stays itself; a name (`owner/name`, `name`, either with `@revision`) becomes its snapshot's folder. Nothing is
 * downloaded. Errors: neither a path nor in the cache, a revision that is not there.
 */
export function findWeights(text: string, option: string, cache = hubCache()): string {
  if (existsSync(text)) return path.resolve(text);
  const [name, revision] = text.split("@") as [string, string | undefined];
  const missing = (what: string, hint: string): never => {
    throw new AmsError(what, { where: `${option} ${text} (looked for a path and in ${cache})`, hint });
  };
  const download = `give a folder with config.json and model.safetensors, or fetch it once: hf download ${name}`;
  if (!repository.test(text) || /^\.|^.*\/.*\//.test(text)) {
    throw new AmsError(`there is no file or folder ${text}`, {
      where: `${option} ${text}`,
      hint: "check the path, or give the name of a model in the hub's cache, such as bert-base-uncased",
    });
  }
  // The hub files bert-base-uncased under google-bert/ today; a cache has it under the name that was asked for.
  const found = hubModels(cache).filter(
    (model) => model === name || (!name.includes("/") && model.endsWith(`/${name}`)),
  );
  const exact = found.includes(name) ? name : found.length === 1 ? found[0] : undefined;
  if (exact === undefined) {
    return found.length === 0
      ? missing(`there is no model "${name}" on this machine`, download)
      : missing(`several models are called ${name}`, `choose one of ${found.join(", ")}`);
  }
  return snapshot(path.join(cache, `models--${exact.replaceAll("/", "--")}`), revision, missing, download);
}

/** The folder of a revision: what refs/ says it is, or a commit itself; without refs/main the only (or newest) snapshot. */
function snapshot(
  folder: string,
  revision: string | undefined,
  missing: (what: string, hint: string) => never,
  download: string,
): string {
  const snapshots = path.join(folder, "snapshots");
  const all = existsSync(snapshots) ? readdirSync(snapshots) : [];
  if (all.length === 0) missing("the hub's cache holds this model without its files", download);
  const ref = path.join(folder, "refs", revision ?? "main");
  const commit = existsSync(ref) && statSync(ref).isFile() ? readFileSync(ref, "utf8").trim() : revision;
  if (commit === undefined) {
    const age = (name: string): number => statSync(path.join(snapshots, name)).mtimeMs;
    return path.join(snapshots, all.sort((a, b) => age(b) - age(a))[0] as string);
  }
  const matches = all.filter((name) => name === commit || (commit.length >= 7 && name.startsWith(commit)));
  if (matches.length === 1) return path.join(snapshots, matches[0] as string);
  return missing(
    `the hub's cache holds this model, but not its revision ${revision ?? "main"}`,
    `it has ${all.join(", ")}; choose one with NAME@REVISION, or ${download}`,
  );
}
