/**
 * The toy training to its end against the published code's runs: `node build/bench/toytrain.js [VARIANT:SEED ...]` (default: those of
 * bench/results/toytrain.json that are missing; a named run is done again). The statistic and its test are in test/train/toyStatistic.ts;
 * test/train/toytrain.test.ts applies them to the saved runs. `dropout_0.3` is wrong on purpose: it shows what the test finds.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { renderTable } from "../src/display.js";
import { startEngine } from "../src/engine/index.js";
import { packageRoot } from "../src/paths.js";
import { publishedRuns, testRsum, toyTraining, type Variant } from "../test/train/toy.js";
import { agreement, lateLoss, mean } from "../test/train/toyStatistic.js";

export interface ToyResult {
  engine: string;
  variant: Variant;
  seed: number;
  /** Of every step. */
  loss: number[];
  /** Of the pictures that were not trained on. */
  rsum: number;
}

const file = path.join(packageRoot(), "bench", "results", "toytrain.json");
const variants: Variant[] = ["nodropout", "dropout", "nodropout_fixed", "dropout_0.3"];

async function main(): Promise<void> {
  const { name: engine } = await startEngine("auto", { threads: 1 });
  let results = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as ToyResult[]) : [];
  const nameOf = ({ variant, seed }: ToyResult): string => `${variant}:${seed}`;
  const missing = variants
    .flatMap((variant) => [1, 2, 3].map((seed) => `${variant}:${seed}`))
    .filter((name) => !results.some((result) => nameOf(result) === name));
  for (const name of process.argv.length > 2 ? process.argv.slice(2) : missing) {
    const [variant, seed] = [name.replace(/:.*/, "") as Variant, Number(name.replace(/.*:/, ""))];
    const start = performance.now();
    const { model, losses } = toyTraining(variant, seed);
    const loss = [...losses].map((value) => Number(value.toPrecision(7)));
    const result = { engine, variant, seed, loss, rsum: await testRsum(model) };
    console.log(
      `${name}: ${epochsOf(loss)}, rSum ${result.rsum}, ${((performance.now() - start) / 1000).toFixed(0)} s`,
    );
    results = [...results.filter((old) => nameOf(old) !== name), result];
    results.sort((a, b) => variants.indexOf(a.variant) - variants.indexOf(b.variant) || a.seed - b.seed);
    writeFileSync(file, `${JSON.stringify(results)}\n`); // after every run, so that a bench that is ended early leaves what it found
  }
  report(results);
}

function report(results: readonly ToyResult[]): void {
  const published = publishedRuns().runs;
  const runRows = (who: string, runs: readonly Omit<ToyResult, "engine">[]): string[][] =>
    runs.map(({ variant, seed, loss, rsum }) => [
      `${variant}, seed ${seed}`,
      who,
      epochsOf(loss),
      lateLoss(loss).toFixed(3),
      rsum.toFixed(1),
    ]);
  const theirs = published.map((run) => ({ ...run, rsum: run.final_test.rsum }));
  const columns = ["run", "by", "mean loss of each epoch", "ln(mean of steps 81-400)", "test rSum"];
  console.log(renderTable({ columns, rows: [...runRows("here", results), ...runRows("published", theirs)] }).text);

  const group = (runs: readonly { variant: Variant; loss: number[] }[], wanted: Variant): number[] =>
    runs.filter(({ variant }) => variant === wanted).map(({ loss }) => lateLoss(loss));
  const rows = variants.flatMap((ours) =>
    variants.slice(0, 3).flatMap((other) => {
      const [here, there] = [group(results, ours), group(published, other)];
      if (here.length < 2) return [];
      const { difference, t, agree } = agreement(here, there);
      return [[ours, other, difference.toFixed(3), t.toFixed(2), agree ? "yes" : "no"]];
    }),
  );
  console.log(renderTable({ columns: ["here", "published", "difference", "t", "agree"], rows }).text);
}

function epochsOf(loss: readonly number[]): string {
  return [0, 1, 2, 3, 4].map((e) => mean(loss.slice(80 * e, 80 * e + 80)).toFixed(2)).join(" ");
}

void main();
