// `npm run train:small`: trains the models in models/ from nothing, as they were: first the encoders (pooled contrast and
// labels, at a quarter of the depth), grown to twelve layers; then the AMS score. Interrupted, it goes on where it was.
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { setUp } from "./setup/index.mjs";
import { root } from "./setup/paths.mjs";

await setUp();
const require = createRequire(import.meta.url);
const ams = require(path.join(root, "build/src/index.js"));

const plan = {
  seed: 3407,
  scenes: 24000,
  encoders: { name: "scenes-small-1", recipe: "scenes-pretrain", steps: 4000, epochs: 30 },
  contrast: { name: "scenes-small-2", recipe: "scenes-contrast", steps: 400, epochs: 4, validate: 100 },
  hinge: { name: "scenes-small-3", recipe: "scenes-hinge", steps: 100, epochs: 1, validate: 100 },
};

const stop = new AbortController();
process.on("SIGINT", () => {
  stop.abort();
});
const last = new Map();
const context = {
  signal: stop.signal,
  note: (line) => process.stdout.write(`${line}\n`),
  progress: ({ label, done, total, note = "" }) => {
    if (done < total && Date.now() - (last.get(label) ?? 0) < 20_000) return;
    last.set(label, Date.now());
    process.stdout.write(`${new Date().toISOString().slice(11, 19)}  ${label}  ${done}/${total}  ${note}\n`);
  },
};

/** Trains a stage, goes on with it, or reads what it ended with. */
async function stage(model, data, { name, ...options }) {
  const folder = path.join(ams.amsHome(), "runs", name);
  const checkpoints = ams.checkpointsIn(path.join(folder, "checkpoints"));
  const record = path.join(folder, "run.json");
  if (existsSync(record) && JSON.parse(readFileSync(record, "utf8")).status === "finished") {
    context.note(`${name} is finished: reading its last checkpoint`);
    return ams.loadModel(checkpoints.at(-1));
  }
  const run = await ams.train(model, data, { ...options, name, resume: checkpoints.length > 0 }, context);
  if (run.status === "stopped") {
    context.note(`stopped in ${name}; the same command goes on`);
    process.exit(130);
  }
  return run.model;
}

await ams.startEngine("auto");
const data = await ams.openScenes({ counts: { train: plan.scenes } }, context);
const recipe = ams.recipeOf(plan.encoders.recipe);
const start = await ams.buildModel({
  size: "small",
  recipe,
  vocabulary: path.join(root, "assets/scenes-vocab.txt"),
  seed: plan.seed,
});
const half = ams.halfDepth(start.config);
const quarter = ams.halfDepth(half);
const small = { ...start, config: quarter, parameters: ams.createParameters(quarter, plan.seed) };
ams.disposeModel(start);

const encoders = await stage(small, data, plan.encoders);
const grown = ams.grow(ams.grow(encoders, half), start.config);
publish(withFreshProjections(grown), "scenes-encoders");
keepLog(plan.encoders);

const scored = await stage(grown, data, plan.contrast);
const finished = await stage(scored, data, plan.hinge);
publish(finished, "scenes-small");
keepLog(plan.contrast);
keepLog(plan.hinge);

// What is shipped is measured: the 16-bit weights. Every caption of `test`; of the two hard splits the first of each image.
const shipped = await ams.loadModel(path.join(root, "models/scenes-small"));
const results = {};
for (const [split, captionsPerImage] of [
  ["test", 5],
  ["test-pairs", 1],
  ["test-style", 1],
]) {
  results[split] = JSON.parse(JSON.stringify(await ams.evaluate(shipped, data, { split, captionsPerImage }, context)));
  const { i2t, t2i, rsum } = results[split];
  context.note(`${split}: i2t R@1 ${i2t.r1.toFixed(1)}, t2i R@1 ${t2i.r1.toFixed(1)}, rSum ${rsum.toFixed(1)}`);
  writeFileSync(path.join(root, "models/scenes-small/results.json"), `${JSON.stringify(results, null, 2)}\n`);
}
process.exit(0);

/**
 * The pretrained encoders under random projections: where AMS starts, as from a pretrained ViT and BERT. From another seed
 * than the training's: the encoders still fit the projections that they began with.
 */
function withFreshProjections(model) {
  const fresh = ams.createParameters(model.config, plan.seed + 1);
  const parameters = [...model.parameters].map(([name, v]) => [name, /\.fc\d+\./.test(name) ? fresh.get(name) : v]);
  return { ...model, parameters: new Map(parameters) };
}

/** Writes a model with 16-bit weights, and how it was made. */
function publish(model, name) {
  const folder = path.join(root, "models", name);
  mkdirSync(folder, { recursive: true });
  ams.saveModel(model, folder, { half: true });
  writeFileSync(path.join(folder, "plan.json"), `${JSON.stringify(plan, null, 2)}\n`);
}

/** The log of a stage: every step as a line of JSON, and the run with the validation recalls of its epochs. */
function keepLog({ name }) {
  const folder = path.join(ams.amsHome(), "runs", name);
  const log = path.join(root, "models", "log");
  mkdirSync(log, { recursive: true });
  copyFileSync(path.join(folder, "steps.jsonl"), path.join(log, `${name}.jsonl`));
  const { options, ...run } = JSON.parse(readFileSync(path.join(folder, "run.json"), "utf8"));
  delete options.data; // a folder of this machine
  writeFileSync(path.join(log, `${name}.json`), `${JSON.stringify({ ...run, options }, null, 2)}\n`);
}
