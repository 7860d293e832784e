/** The parameters of a model by name: shapes and random starts. Names are those of the published code's state. */
import * as tf from "@tensorflow/tfjs-core";
import { Random } from "../random.js";
import { regions, scalesOf, type ModelConfig } from "./config.js";

/** The trainable tensors by the published code's names. */
export type Parameters = Map<string, tf.Variable>;

/** How a parameter starts: zeros, ones, normal with a deviation, Xavier-uniform, or uniform to 0.1. */
type Start = "zeros" | "ones" | "normal" | "xavier" | "uniform";

export interface ParameterSpec {
  name: string;
  shape: number[];
  start: Start;
}

/**
 * Every parameter of a model, in order (that of the published code's states). `img.*` is the image encoder with its projections, `txt.*` the text encoder with
 * its own, `b1..` the scale weights s_k (the published code's names). The parts of the encoders that AMS never reads
 * (last layer when no scale uses it, final norm, poolers) are left out, unless `complete` asks for them.
 */
export function parameterSpecs(config: ModelConfig, { complete = false } = {}): ParameterSpec[] {
  const { image, text, embed, scales, head } = config;
  const used = {
    image: complete ? image.layers : Math.max(...scalesOf(config, "image")),
    text: complete ? text.layers : Math.max(...scalesOf(config, "text")),
  };
  const specs: ParameterSpec[] = [];
  const add = (name: string, shape: number[], start: Start): void => void specs.push({ name, shape, start });
  const dense = (name: string, out: number, width: number, start: Start = "normal"): void => {
    add(`${name}.weight`, [out, width], start);
    add(`${name}.bias`, [out], "zeros");
  };
  const norm = (name: string, width: number): void => {
    add(`${name}.weight`, [width], "ones");
    add(`${name}.bias`, [width], "zeros");
  };

  if (image.regions === undefined) {
    const vit = "img.visual_encoder";
    add(`${vit}.embeddings.cls_token`, [1, 1, image.width], "normal");
    add(`${vit}.embeddings.position_embeddings`, [1, regions(config), image.width], "normal");
    add(`${vit}.embeddings.patch_embeddings.projection.weight`, [image.width, 3, image.patch, image.patch], "xavier");
    add(`${vit}.embeddings.patch_embeddings.projection.bias`, [image.width], "zeros");
    for (let l = 0; l < used.image; l++) {
      const layer = `${vit}.encoder.layer.${l}`;
      for (const part of ["query", "key", "value"]) {
        dense(`${layer}.attention.attention.${part}`, image.width, image.width);
      }
      dense(`${layer}.attention.output.dense`, image.width, image.width);
      dense(`${layer}.intermediate.dense`, image.hidden, image.width);
      dense(`${layer}.output.dense`, image.width, image.hidden);
      norm(`${layer}.layernorm_before`, image.width);
      norm(`${layer}.layernorm_after`, image.width);
    }
    if (complete || head?.layer === "last") norm(`${vit}.layernorm`, image.width);
    if (complete) dense(`${vit}.pooler.dense`, image.width, image.width);
  }
  const projected = head?.projection === false ? [] : scales;
  projected.forEach((_, k) => {
    dense(`img.fc${k + 1}`, embed, image.width, "xavier");
  });

  if (text.recurrent === true) {
    add("txt.embed.weight", [text.vocabulary, text.width], "uniform");
    for (const suffix of ["", "_reverse"]) {
      for (const [part, width] of [
        ["ih", text.width],
        ["hh", embed],
      ] as const) {
        add(`txt.rnn.weight_${part}_l0${suffix}`, [3 * embed, width], "xavier");
        add(`txt.rnn.bias_${part}_l0${suffix}`, [3 * embed], "zeros");
      }
    }
  } else {
    const bert = "txt.text_encoder";
    add(`${bert}.embeddings.word_embeddings.weight`, [text.vocabulary, text.width], "normal");
    add(`${bert}.embeddings.position_embeddings.weight`, [text.positions, text.width], "normal");
    add(`${bert}.embeddings.token_type_embeddings.weight`, [2, text.width], "normal");
    norm(`${bert}.embeddings.LayerNorm`, text.width);
    for (let l = 0; l < used.text; l++) {
      const layer = `${bert}.encoder.layer.${l}`;
      for (const part of ["query", "key", "value"]) dense(`${layer}.attention.self.${part}`, text.width, text.width);
      dense(`${layer}.attention.output.dense`, text.width, text.width);
      norm(`${layer}.attention.output.LayerNorm`, text.width);
      dense(`${layer}.intermediate.dense`, text.hidden, text.width);
      dense(`${layer}.output.dense`, text.width, text.hidden);
      norm(`${layer}.output.LayerNorm`, text.width);
    }
    if (complete) dense(`${bert}.pooler.dense`, text.width, text.width);
  }
  (text.recurrent === true ? [] : projected).forEach((_, k) => {
    dense(`txt.fc${k + 1}`, embed, text.width, "xavier");
  });
  scales.forEach((_, k) => {
    add(`b${k + 1}`, [1], "ones");
  });
  return specs;
}

let models = 0;

/** New parameters: normal weights have deviation 0.02 (as both published encoders start), the rest as `parameterSpecs` says. */
export function createParameters(config: ModelConfig, seed: number): Parameters {
  return parametersOf(config, (spec) => randomStart(spec, seed));
}

/** Parameters with the given values; `valueOf` is asked for one at a time, so that none has to be there twice. */
export function parametersOf(
  config: ModelConfig,
  valueOf: (spec: ParameterSpec) => Float32Array | Int32Array | Uint8Array,
): Parameters {
  models++;
  return new Map(
    parameterSpecs(config).map((spec) => {
      const values = tf.tidy(() =>
        tf.variable(tf.tensor(valueOf(spec), spec.shape, "float32"), true, `model${models}/${spec.name}`),
      );
      // TensorFlow takes the numbers over at their first use: at once, so that not all of them are there twice at the end.
      tf.tidy(() => {
        tf.slice(tf.reshape(values, [-1]), 0, 1);
      });
      return [spec.name, values];
    }),
  );
}

/** The random start of a parameter; every parameter has a stream of its own. */
export function randomStart({ name, shape, start }: ParameterSpec, seed: number): Float32Array {
  const size = shape.reduce((a, b) => a * b, 1);
  const values = new Float32Array(size);
  if (start === "ones") return values.fill(1);
  if (start === "zeros") return values;
  const random = Random.stream(seed, `parameters/${name}`);
  const out = shape[0] as number;
  const bound = start === "uniform" ? 0.1 : Math.sqrt(6 / (out + size / out));
  for (let i = 0; i < size; i++)
    values[i] = start === "normal" ? 0.02 * random.normal() : random.uniform(-bound, bound);
  return values;
}

/** The parameter of a name; a programming error when there is none. */
export function parameter(parameters: Parameters, name: string): tf.Variable {
  const found = parameters.get(name);
  if (found === undefined) throw new Error(`no parameter ${name}`);
  return found;
}
