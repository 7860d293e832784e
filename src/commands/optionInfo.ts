/** What parser, help and completion need to know of a command's options, read from the schema itself. */
import { z } from "zod";
import { optionDetails, type Command, type OptionDetails } from "./command.js";

export type Kind = "boolean" | "integer" | "number" | "string";

export interface OptionInfo extends OptionDetails {
  /** camelCase name in code. */
  key: string;
  /** `--kebab-case` name on command lines. */
  flag: string;
  /** The kinds of value that it takes; two when the schema is a union, e.g. `--resume` alone or with a name. */
  kinds: Kind[];
  /** May be given several times; the values become a list. */
  list: boolean;
  /** The only values there are; empty when open. */
  choices: string[];
  default?: unknown;
  required: boolean;
  /** Other flags with the same meaning. */
  otherFlags: string[];
  schema: z.ZodType;
}

/** The part of JSON Schema that options use. */
interface JsonSchema {
  type?: string | string[];
  enum?: unknown[];
  default?: unknown;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
}

export function kebab(key: string): string {
  return key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
}

/** `--Learning_Rate` and `learning-rate` alike -> `learningRate`. */
export function camel(flag: string): string {
  return flag
    .replace(/^--?/, "")
    .replace(/[-_]+([a-zA-Z0-9])/g, (_, c: string) => c.toUpperCase())
    .replace(/^[A-Z]/, (c) => c.toLowerCase());
}

export function optionInfos(command: Command): OptionInfo[] {
  return Object.entries(command.options).map(([key, schema]) => {
    const json = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as JsonSchema;
    const all = alternatives(json);
    const lists = all.filter((form) => form.type === "array");
    const forms = [
      ...all.filter((form) => form.type !== "array"),
      ...lists.flatMap(({ items }) => alternatives(items ?? {})),
    ];
    const otherFlags = Object.entries(command.aliases)
      .filter(([, target]) => target === key)
      .map(([alias]) => `--${kebab(alias)}`);
    return {
      ...optionDetails(schema),
      key,
      flag: `--${kebab(key)}`,
      kinds: kindsOf(forms),
      list: lists.length > 0,
      choices: forms.some(isOpenString) ? [] : forms.flatMap((form) => form.enum ?? []).map(String),
      ...(json.default === undefined ? {} : { default: json.default }),
      required: !schema.safeParse(undefined).success,
      otherFlags,
      schema,
    };
  });
}

function isOpenString(form: JsonSchema): boolean {
  return form.enum === undefined && typesOf(form).includes("string");
}

function typesOf({ type }: JsonSchema): string[] {
  return Array.isArray(type) ? type : type === undefined ? [] : [type];
}

function alternatives(schema: JsonSchema): JsonSchema[] {
  return schema.anyOf === undefined ? [schema] : schema.anyOf.flatMap(alternatives);
}

function kindsOf(forms: JsonSchema[]): Kind[] {
  const known: string[] = ["boolean", "integer", "number", "string"] satisfies Kind[];
  return [...new Set(forms.flatMap(typesOf).filter((type) => known.includes(type)))] as Kind[];
}
