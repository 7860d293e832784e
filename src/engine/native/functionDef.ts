/** A formula as a TensorFlow function (`tensorflow/core/framework/function.proto`), which its compiler takes as a whole. */
import type { Formula, Maths } from "../formula.js";

const [FLOAT, INT32, BOOL] = [1, 3, 10];

// ---- protocol buffers ----

function varint(n: number): number[] {
  return n < 128 ? [n] : [(n & 127) | 128, ...varint(Math.floor(n / 128))];
}

/** A field with a number in it. */
function number(field: number, value: number): number[] {
  return [...varint(field * 8), ...varint(value)];
}

/** A field with bytes, a text or another message in it. */
function bytes(field: number, value: number[] | string): number[] {
  const content = typeof value === "string" ? [...Buffer.from(value)] : value;
  return [...varint(field * 8 + 2), ...varint(content.length), ...content];
}

/** An entry of a map from texts to messages or texts. */
function entry(field: number, key: string, value: number[] | string): number[] {
  return bytes(field, [...bytes(1, key), ...bytes(2, value)]);
}

const floatBytes = (value: number): number[] => [...new Uint8Array(Float32Array.of(value).buffer)];
const ofType = (type: number): number[] => number(6, type);
const yes = number(5, 1);
/** A constant's attributes: its type and a TensorProto of the shape [] or [1]. */
const constant = (type: number, shape: number[], value: number[]): Record<string, number[]> => ({
  dtype: ofType(type),
  value: bytes(8, [...number(1, type), ...bytes(2, shape), ...value]),
});

// ---- formulas ----

/**
 * Records a formula of `inputs` tensors as a FunctionDef called `name`.
 * @returns the message's bytes and how many tensors the function returns
 */
export function functionDef(name: string, write: Formula, inputs: number): { proto: Uint8Array; outputs: number } {
  const nodes: number[] = [];
  let count = 0;
  /** Adds a node; a node's output is named "node:output argument:0" inside a function. */
  const node = (op: string, output: string, from: string[], attributes: Record<string, number[]>): string => {
    const own = `n${String(count++)}`;
    const content = [...bytes(1, own), ...bytes(2, op), ...from.flatMap((input) => bytes(3, input))];
    for (const [key, value] of Object.entries(attributes)) content.push(...entry(5, key, value));
    nodes.push(...bytes(3, content));
    return `${own}:${output}:0`;
  };
  const constants = new Map<string, string>();
  const once = (key: string, make: () => string): string => {
    const made = constants.get(key) ?? make();
    constants.set(key, made);
    return made;
  };
  const value = (x: string | number): string =>
    typeof x === "string"
      ? x
      : once(`float ${String(x)}`, () => node("Const", "output", [], constant(FLOAT, [], bytes(5, floatBytes(x)))));
  const axisOf = (axis: number): string =>
    once(`axis ${String(axis)}`, () => {
      // A negative int32 is ten bytes in a varint: axes are given as 32 bits of content instead.
      const content = bytes(4, [...new Uint8Array(Int32Array.of(axis).buffer)]);
      return node("Const", "output", [], constant(INT32, bytes(2, number(1, 1)), content));
    });
  const T = { T: ofType(FLOAT) };
  const two =
    (op: string) =>
    (a: string | number, b: string | number): string =>
      node(op, "z", [value(a), value(b)], T);
  const one =
    (op: string) =>
    (x: string): string =>
      node(op, "y", [x], T);
  const reduced =
    (op: string) =>
    (x: string, axis: number): string =>
      node(op, "output", [x, axisOf(axis)], { ...T, Tidx: ofType(INT32), keep_dims: yes });
  const maths: Maths<string> = {
    add: two("AddV2"),
    sub: two("Sub"),
    mul: two("Mul"),
    div: two("RealDiv"),
    maximum: two("Maximum"),
    above: (a, b) =>
      node("Cast", "y", [two("Greater")(a, b)], { SrcT: ofType(BOOL), DstT: ofType(FLOAT), Truncate: number(5, 0) }),
    exp: one("Exp"),
    erf: one("Erf"),
    square: one("Square"),
    sqrt: one("Sqrt"),
    rsqrt: one("Rsqrt"),
    sum: reduced("Sum"),
    mean: reduced("Mean"),
    max: reduced("Max"),
    softmax: (x) => node("Softmax", "softmax", [x], T),
  };
  const parameters = Array.from({ length: inputs }, (_, i) => `x${String(i)}`);
  const results = write(maths, ...parameters);
  const argument = (field: number, own: string): number[] => bytes(field, [...bytes(1, own), ...number(3, FLOAT)]);
  const signature = [
    ...bytes(1, name),
    ...parameters.flatMap((own) => argument(2, own)),
    ...results.flatMap((_, i) => argument(3, `y${String(i)}`)),
  ];
  const returned = results.flatMap((result, i) => entry(4, `y${String(i)}`, result));
  return { proto: Uint8Array.from([...bytes(1, signature), ...nodes, ...returned]), outputs: results.length };
}
