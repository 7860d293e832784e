/** The attention figure of AMS and its relatives shows the score that the model is evaluated with. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { drawAttention } from "../../src/commands/attention.js";
import { silentContext } from "../../src/context.js";
import { closeImageWorkers } from "../../src/data/index.js";
import type { Item } from "../../src/data/dataset.js";
import { startEngine } from "../../src/engine/index.js";
import { tokenise } from "../../src/evaluate/encode.js";
import { scoreSource } from "../../src/evaluate/evaluate.js";
import { scoreAll } from "../../src/evaluate/scorer.js";
import { disposeModel, scaleWeights } from "../../src/model/ams.js";
import { buildModel } from "../../src/model/build.js";
import { recipeOf } from "../../src/train/recipe.js";
import type { ExplorerSpec } from "../../src/plot/explorerMaps.js";
import { fixture } from "../fixtures.js";

describe("the attention figure", () => {
  before(() => startEngine("auto"));
  after(closeImageWorkers);

  const caption = "A flamingo by a cake and a bus.";
  const item: Item = { id: "bus", image: fixture("plot/bus.png"), captions: [{ text: caption }] };
  const maps: Record<string, string[] | undefined> = {
    "ams-corrected": undefined,
    naaf: ["match", "mismatch", "relevance", "similarity"],
    uarda: ["match", "similarity"],
    vse: ["similarity"],
    fne: ["similarity"],
  };
  for (const [recipe, branches] of Object.entries(maps)) {
    test(`of ${recipe} has the model's score, and the maps that are a part of it`, async () => {
      const model = await buildModel({ size: "tiny", recipe: recipeOf(recipe) });
      const { config, thresholds, tokenizer } = model;
      const source = scoreSource(model, [item], tokenise(tokenizer, [caption], config.maxLength), silentContext);
      const [score] = await scoreAll(source, { threshold: thresholds.safe }, silentContext);
      const figure = await drawAttention(model, { image: item.image, caption, item });
      const { scores, show } = figure.json as { scores: number[]; show: string };
      const weights = scaleWeights(model);
      const sum = scores.reduce((total, one, k) => total + one * weights[k]!, 0);
      assert.ok(Math.abs(sum - score!) < 1e-5, `${String(sum)} is not ${String(score)}`);
      assert.equal(show, config.head?.score === "pooled" ? "relevance" : "weights");
      assert.deepEqual((figure.explorer as ExplorerSpec).views[0]!.branches, branches);
      const pooled = config.head?.score === "pooled";
      const relevant = config.head?.score === "relevant";
      assert.equal(
        figure.title,
        pooled ? "Products of every word and patch" : "Attention of every word at every scale",
      );
      const still = figure.html!.replace(/<(script|style)\b[^]*?<\/\1>/g, "");
      for (const shown of [figure.svg, still]) {
        // What is drawn may break a sentence into lines.
        assert.equal(/Blue words match|struck-through|line-through|<s |no match/.test(shown), !pooled);
        assert.equal(shown.includes("by the cosine of mean features"), pooled);
        assert.equal(shown.includes("irrelevant to the word"), relevant);
      }
      disposeModel(model);
    });
  }
});
