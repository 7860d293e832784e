/** Which model this is, as a hash: what was computed with one model is not mixed with another's. */
import { createHash } from "node:crypto";
import type { Model } from "./ams.js";
import { parameter, type Parameters } from "./parameters.js";

/** SHA-256 over all weights, by name, as 64 hexadecimal digits. Reads every weight: two seconds at the published size. */
function weightsHash({ parameters }: Model): string {
  return hashOf(parameters, [...parameters.keys()]);
}

/**
 * SHA-256 over all biases: every training step moves some of them, whichever parts a recipe has or trains, and reading them costs little (a few
 * hundred thousand numbers at the published size).
 */
export function biasesHash({ parameters }: Model): string {
  return hashOf(
    parameters,
    [...parameters.keys()].filter((name) => name.includes("bias")),
  );
}

function hashOf(parameters: Parameters, names: string[]): string {
  const hash = createHash("sha256");
  for (const name of names.sort()) {
    const values = parameter(parameters, name).dataSync<"float32">();
    hash.update(name).update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return hash.digest("hex");
}

const known = new WeakMap<Model, { moved: string; fingerprint: string }>();

/**
 * Everything that features and scores depend on: weights, sizes, the meaning of pads, and the tokenizer (by its pieces). The hash of the
 * weights is remembered until a training moves them.
 */
export function modelFingerprint(model: Model): string {
  const moved = biasesHash(model);
  const before = known.get(model);
  if (before?.moved === moved) return before.fingerprint;
  const { config, quirks, tokenizer } = model;
  const parts = [weightsHash(model), JSON.stringify(config), quirks.padWords, tokenizer.words.join("\n")];
  const fingerprint = createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 32);
  known.set(model, { moved, fingerprint });
  return fingerprint;
}
