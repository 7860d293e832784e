/**
 * Measures the embedded scenes and writes the numbers into docs/data-card.md: sizes, words, boxes, what is shared between splits, and two
 * baselines of text-to-image search, a linear model on colour histograms and an oracle that knows classes, counts and place.
 *
 * node build/bench/dataCard.js [--folder SCENES]   (default: the set of the default options, drawn when it is not there)
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { silentContext } from "../src/context.js";
import { decodeImage } from "../src/data/decode.js";
import { openScenes, type SceneItem } from "../src/data/emojiScenes/index.js";
import { placeWords } from "../src/data/emojiScenes/places.js";
import { datasetSummary } from "../src/data/summary.js";
import { recalls } from "../src/evaluate/recall.js";
import { packageRoot } from "../src/paths.js";

const card = path.join(packageRoot(), "docs", "data-card.md");
const tests = ["test", "test-pairs", "test-style"];
const levels = 4; // a channel: 64 colours
const bins = levels ** 3;
const ridge = 10;

/** A markdown table. */
function table(columns: string[], rows: (string | number)[][]): string {
  const line = (cells: (string | number)[]): string => `| ${cells.join(" | ")} |`;
  return [line(columns), line(columns.map((_, i) => (i === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}

const whole = (n: number): string => n.toLocaleString("en");

/** Square roots of the shares of 64 colours: [items, 64]. */
async function histograms(items: SceneItem[]): Promise<Float64Array[]> {
  const found: Float64Array[] = [];
  for (let start = 0; start < items.length; start += 8) {
    const part = await Promise.all(items.slice(start, start + 8).map(({ image }) => decodeImage(image)));
    for (const { data } of part) {
      const counts = new Float64Array(bins);
      for (let i = 0; i < data.length; i += 3) {
        const [r, g, b] = [0, 1, 2].map((c) => (data[i + c]! * levels) >> 8) as [number, number, number];
        counts[(r * levels + g) * levels + b]! += 1;
      }
      found.push(counts.map((count) => Math.sqrt((3 * count) / data.length)));
    }
  }
  return found;
}

const wordsOf = (text: string): string[] => [...new Set(text.toLowerCase().match(/[a-z]+/g) ?? [])];

/** Lower triangle L of a positive definite matrix A = L L^T, both [n, n] row-major. */
function cholesky(a: Float64Array, n: number): Float64Array {
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= l[i * n + k]! * l[j * n + k]!;
      l[i * n + j] = i === j ? Math.sqrt(sum) : sum / l[j * n + j]!;
    }
  }
  return l;
}

/** x of L x = b, in place. */
function forward(l: Float64Array, n: number, b: Float64Array): Float64Array {
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) b[i]! -= l[i * n + k]! * b[k]!;
    b[i]! /= l[i * n + i]!;
  }
  return b;
}

/** x of L^T x = b, in place. */
function backward(l: Float64Array, n: number, b: Float64Array): Float64Array {
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) b[i]! -= l[k * n + i]! * b[k]!;
    b[i]! /= l[i * n + i]!;
  }
  return b;
}

/**
 * Histograms from the words of a caption by ridge regression. The score of an image is the cosine between its histogram and the
 * predicted one, both less the mean and whitened by the covariance of what the regression misses. (The Gaussian likelihood in
 * its place prefers the same few images for all captions.) Returns the scores [images, captions] of other items.
 */
async function colourModel(train: SceneItem[]): Promise<(items: SceneItem[]) => Promise<Float64Array>> {
  const images = await histograms(train);
  const captions = train.flatMap((item, i) =>
    item.captions.map(({ text }) => ({ words: wordsOf(text), y: images[i]! })),
  );
  const vocabulary = new Map([...new Set(captions.flatMap(({ words }) => words))].map((word, i) => [word, i + 1]));
  const n = vocabulary.size + 1; // the first is the constant
  const numbers = (words: string[]): number[] => [0, ...words.flatMap((word) => vocabulary.get(word) ?? [])];
  const products = new Float64Array(n * n);
  const targets = Array.from({ length: bins }, () => new Float64Array(n));
  for (const { words, y } of captions) {
    const own = numbers(words);
    for (const i of own) {
      for (const j of own) products[i * n + j]! += 1;
      for (let c = 0; c < bins; c++) targets[c]![i]! += y[c]!;
    }
  }
  for (let i = 0; i < n; i++) products[i * n + i]! += ridge;
  const l = cholesky(products, n);
  const weights = targets.map((target) => backward(l, n, forward(l, n, target)));
  const predict = (words: string[]): Float64Array => {
    const own = numbers(words);
    return Float64Array.from({ length: bins }, (_, c) => own.reduce((sum, i) => sum + weights[c]![i]!, 0));
  };
  const covariance = new Float64Array(bins * bins);
  for (const { words, y } of captions) {
    const miss = predict(words).map((value, c) => y[c]! - value);
    for (let a = 0; a < bins; a++)
      for (let b = 0; b < bins; b++) covariance[a * bins + b]! += (miss[a]! * miss[b]!) / captions.length;
  }
  for (let a = 0; a < bins; a++) covariance[a * bins + a]! += 1e-6;
  const root = cholesky(covariance, bins);
  const mean = new Float64Array(bins);
  for (const { y } of captions) y.forEach((value, c) => (mean[c]! += value / captions.length));
  const direction = (histogram: Float64Array): Float64Array => {
    const whitened = forward(root, bins, histogram.map((value, c) => value - mean[c]!)); // prettier-ignore
    const length = Math.hypot(...whitened);
    return whitened.map((value) => value / length);
  };
  return async (items) => {
    const seen = (await histograms(items)).map(direction);
    const asked = items.flatMap((item) => item.captions.map(({ text }) => direction(predict(wordsOf(text)))));
    const scores = new Float64Array(items.length * asked.length);
    seen.forEach((y, i) => {
      asked.forEach((x, c) => {
        scores[i * asked.length + c] = y.reduce((sum, value, k) => sum + value * x[k]!, 0);
      });
    });
    return scores;
  };
}

interface Wanted {
  things: Map<string, number>;
  place: string | undefined;
}

/** What a caption tells the oracle: the true class and number of every phrase, and the place where its words name it. */
function wanted(item: SceneItem, caption: SceneItem["captions"][number]): Wanted {
  const things = new Map(
    (caption.phrases ?? []).map(({ objects }) => [item.objects[objects[0]!]!.label, objects.length]),
  );
  const words = Object.values(placeWords[item.place]).flat() as string[];
  return { things, place: words.some((text) => caption.text.includes(text)) ? item.place : undefined };
}

/** Expected text-to-image R@1, 5, 10 in percent when all images that fit a caption equally well come in a random order. */
function oracle(items: SceneItem[]): number[] {
  const counts = items.map(({ objects }) => {
    const found = new Map<string, number>();
    for (const { label } of objects) found.set(label, (found.get(label) ?? 0) + 1);
    return found;
  });
  const hits = [0, 0, 0];
  let captions = 0;
  items.forEach((item, own) => {
    for (const caption of item.captions) {
      captions++;
      const { things, place } = wanted(item, caption);
      const fit = counts.map((found, i) => {
        let score = place !== undefined && items[i]!.place === place ? 1 : 0;
        for (const [label, count] of things) score += (found.has(label) ? 1 : 0) + (found.get(label) === count ? 1 : 0);
        return score;
      });
      const better = fit.filter((score) => score > fit[own]!).length;
      const equal = fit.filter((score) => score === fit[own]!).length;
      [1, 5, 10].forEach((k, i) => (hits[i]! += Math.min(1, Math.max(0, (k - better) / equal))));
    }
  });
  return hits.map((sum) => (100 * sum) / captions);
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { folder: { type: "string" } } });
  const options = values.folder === undefined ? {} : { folder: values.folder };
  const scenes = await openScenes(options, silentContext);
  const { manifest, splits, root } = scenes;
  const all = Object.entries(splits);
  const summary = await datasetSummary(scenes);
  const bytes = readdirSync(root).reduce((sum, name) => sum + statSync(path.join(root, name)).size, 0);
  const mean = (values: number[]): string => (values.reduce((a, b) => a + b, 0) / values.length).toFixed(2);
  const everything = all.flatMap(([, items]) => items);
  const vocabulary = new Set(everything.flatMap(({ captions }) => captions.flatMap(({ text }) => wordsOf(text))));
  const trainCaptions = new Set(splits["train"]!.flatMap(({ captions }) => captions.map(({ text }) => text)));

  const sizes = table(
    [
      "split",
      "images",
      "captions",
      "words each",
      "pieces each",
      "longest",
      "boxes an image",
      "phrases a caption",
      "captions also in train",
    ],
    summary.map(({ split, images, captions, words, pieces, longest }) => {
      const items = splits[split]!;
      const texts = items.flatMap(({ captions: own }) => own);
      const shared =
        split === "train"
          ? ""
          : `${((100 * texts.filter(({ text }) => trainCaptions.has(text)).length) / texts.length).toFixed(1)} %`;
      return [
        `\`${split}\``,
        whole(images),
        whole(captions),
        words.toFixed(1),
        pieces.toFixed(1),
        longest,
        mean(items.map(({ objects }) => objects.length)),
        mean(texts.map(({ phrases = [] }) => phrases.length)),
        shared,
      ];
    }),
  );
  const count = (names: string[]): (string | number)[][] => {
    const found = new Map<string, number>();
    for (const name of names) found.set(name, (found.get(name) ?? 0) + 1);
    const share = (n: number): string => `${((100 * n) / names.length).toFixed(1)} %`;
    return [...found].sort((a, b) => b[1] - a[1]).map(([name, n]) => [name, whole(n), share(n)]);
  };
  const scores = await colourModel(splits["train"]!);
  const baselines: (string | number)[][] = [];
  for (const split of tests) {
    const items = splits[split]!;
    const owner = Int32Array.from(items.flatMap(({ captions }, i) => captions.map(() => i)));
    const { t2i, i2t } = recalls(await scores(items), items.length, owner);
    const best = oracle(items).map((value) => value.toFixed(1));
    const cells = ({ r1, r5, r10 }: typeof t2i): string[] => [r1, r5, r10].map((value) => value.toFixed(1));
    baselines.push(
      [`\`${split}\``, "colours, linear", ...cells(t2i), ...cells(i2t)],
      [`\`${split}\``, "oracle", ...best, "", "", ""],
    );
  }
  const sections: Record<string, string> = {
    sizes: `${sizes}\n\n${whole(everything.length)} images of ${String(manifest.recipe.pixels)} x ${String(manifest.recipe.pixels)} pixels, ${(bytes / 1e6).toFixed(0)} MB; ${whole(vocabulary.size)} distinct words. Seed ${String(manifest.recipe.seed)}, generator ${String(manifest.recipe.generator)}, sha256 of the annotations \`${manifest.hash.slice(0, 16)}...\`.`,
    baselines: table(["split", "model", "t2i R@1", "R@5", "R@10", "i2t R@1", "R@5", "R@10"], baselines),
    places: table(["place", "scenes", "share"], count(everything.map(({ place }) => place))),
    kinds: table(
      ["kind of phrase", "phrases", "share"],
      count(
        everything.flatMap(({ captions }) =>
          captions.flatMap(({ phrases = [] }) => phrases.map(({ type = "" }) => type)),
        ),
      ),
    ),
    artists: table(
      ["artist", "things", "share"],
      count(everything.flatMap(({ objects }) => objects.map(({ artist }) => artist))),
    ),
  };
  let text = readFileSync(card, "utf8");
  for (const [name, content] of Object.entries(sections)) {
    const block = new RegExp(`(<!-- measured: ${name} -->)[^]*?(<!-- end -->)`);
    if (!block.test(text)) throw new Error(`docs/data-card.md has no block "measured: ${name}"`);
    text = text.replace(block, (_, start: string, end: string) => `${start}\n\n${content}\n\n${end}`);
  }
  writeFileSync(card, text);
  console.log(sections["baselines"]);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
