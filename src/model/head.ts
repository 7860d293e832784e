/** What a model makes of its encoders' outputs and how it scores a pair: AMS's way, or that of one of its relatives. */
import * as tf from "@tensorflow/tfjs-core";
import { plainCaptions } from "../data/plainCaptions.js";
import { AmsError } from "../errors.js";
import type { Model } from "./ams.js";
import { scalesOf, type ModelConfig } from "./config.js";
import { parameterSpecs, randomStart, type Parameters } from "./parameters.js";

/** What a model makes of its encoders' outputs. */
export interface ModelHead {
  /** The attention score with its three branches; the one over relevant words and regions alone; cosine of mean vectors. */
  score: "attention" | "relevant" | "pooled";
  /** Which layer the one scale looks at: the deepest that AMS looks at too, or the encoder's last (of the ViT with its final norm). */
  layer: "deepest scale" | "last";
  /** The L2 norm of tokens: of the hidden states before the projection (AMS), of the features after it, or none. */
  norm: "before" | "after" | "none";
  /** Into a common space by a linear layer; without, both encoders must be of one width. */
  projection: boolean;
  /** `plain`: captions lose their punctuation before they are cut into word pieces. */
  captions: "as written" | "plain";
}

/** The sizes of a model with this head. `layers`: how many layers of each encoder there are to use. */
export function withHead(
  config: ModelConfig,
  head: ModelHead | undefined,
  layers = { image: config.image.layers, text: config.text.layers },
): ModelConfig {
  if (head === undefined) return config;
  const { textScales: _, ...rest } = config;
  if (!head.projection && config.image.width !== config.text.width) {
    throw new AmsError("without a projection both encoders must be of one width", {
      where: `image ${config.image.width}, text ${config.text.width}`,
      hint: "choose encoders of one width, or a recipe with projections (naaf, uarda, vse, ams-corrected)",
    });
  }
  const layer = (side: "image" | "text"): number =>
    head.layer === "last" ? layers[side] : Math.max(...scalesOf(config, side));
  const [image, text] = [layer("image"), layer("text")];
  return {
    ...rest,
    embed: head.projection ? config.embed : config.image.width,
    scales: [image],
    ...(image === text ? {} : { textScales: [text] }),
    head,
  };
}

/**
 * The model with another head: its encoders are copied, of its projections the deepest scale's. The same model where the head is
 * its own already. The encoders' last layers and final norm, which AMS does not use, come from the files that the encoders came
 * from; where those are not there, "last" means the deepest layer that is. Throws an AmsError where a model with one scale should get
 * back the scales of AMS.
 */
export function shapeModel(model: Model, head: ModelHead | undefined, recipe: string): Model {
  const own = model.config.head;
  if (sameHead(own, head)) return model;
  if (own !== undefined) {
    throw new AmsError(`the model was made for another recipe (${model.recipe}) and lacks what ${recipe} needs`, {
      where: `--recipe ${recipe}`,
      hint: "start from encoders or from a model of the AMS recipes: --checkpoint scenes-encoders",
    });
  }
  const { config, parameters, spare } = model;
  const shaped = withHead(config, head, { image: layersIn(model, "img"), text: layersIn(model, "txt") });
  const deepest = config.scales.length;
  const made: Parameters = new Map();
  models++;
  for (const spec of parameterSpecs(shaped)) {
    const { name, shape } = spec;
    const before = name.replace(/\.fc1\./, `.fc${deepest}.`);
    // b1 weighs the scales of AMS; one scale needs no weight and keeps 1.
    const found = name === "b1" ? undefined : (parameters.get(before)?.dataSync() ?? spare?.get(before)?.data);
    const start = found === undefined ? randomStart(spec, 0) : Float32Array.from(found);
    made.set(
      name,
      tf.tidy(() => tf.variable(tf.tensor(start, shape, "float32"), true, `shaped${models}/${name}`)),
    );
  }
  const tokenizer = head?.captions === "plain" ? plainCaptions(model.tokenizer) : model.tokenizer;
  return { ...model, config: shaped, parameters: made, tokenizer, thresholds: { mined: 0, safe: 0 } };
}

let models = 0;

function sameHead(a: ModelHead | undefined, b: ModelHead | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (Object.keys(a) as (keyof ModelHead)[]).every((key) => a[key] === b[key]);
}

/** Layers of an encoder whose weights are there, in the model or beside it. */
function layersIn({ parameters, spare, config }: Model, part: "img" | "txt"): number {
  const most = part === "img" ? config.image.layers : config.text.layers;
  const encoder = part === "img" ? "visual_encoder" : "text_encoder";
  const has = (layer: number): boolean => {
    const name = `${part}.${encoder}.encoder.layer.${layer}.output.dense.weight`;
    return parameters.has(name) || (spare?.has(name) ?? false);
  };
  let layers = 0;
  while (layers < most && has(layers)) layers++;
  return layers;
}
