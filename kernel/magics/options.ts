/** The words of a built-in magic's line: options with and without values, and the rest. */
import { nearest } from "./nearest.js";
import { userError } from "./plugins.js";

/** `a "b c" 'd'` -> a, b c, d. */
export function splitWords(args: string): string[] {
  return [...args.matchAll(/"((?:\\.|[^"\\])*)"|'((?:\\.|[^'\\])*)'|(\S+)/g)].map(([, double, single, plain]) =>
    plain !== undefined ? plain : (double ?? single ?? "").replace(/\\(["'\\])/g, "$1"),
  );
}

export interface Options {
  /** Options without a value that are given, e.g. `-n`. */
  given: Set<string>;
  /** Option -> value, e.g. `-l` -> `10`. */
  values: Map<string, string>;
  /** The other words. */
  words: string[];
}

/**
 * @param usage the magic's own line of help: what an error says to do
 * @param flags options without a value
 * @param valued options with one, behind a blank or `=`
 */
export function readOptions(args: string, usage: string, flags: string[] = [], valued: string[] = []): Options {
  const [name = ""] = usage.split(/[ :]/);
  const result: Options = { given: new Set(), values: new Map(), words: [] };
  const words = splitWords(args);
  for (let word; (word = words.shift()) !== undefined;) {
    const [, option = word, value] = /^(--?[A-Za-z][\w-]*)=(.*)$/.exec(word) ?? [];
    if (flags.includes(option) && value === undefined) result.given.add(option);
    else if (valued.includes(option)) {
      const given = value ?? words.shift();
      if (given === undefined) throw userError(`${name}: ${option} needs a value`, usage, `${name} ${args}`);
      result.values.set(option, given);
    } else if (/^--?[A-Za-z]/.test(word)) {
      const near = nearest(option, [...flags, ...valued]);
      const hint = near.length > 0 ? `did you mean ${near.join(" or ")}? ${usage}` : usage;
      throw userError(`${name} has no option ${option}`, hint, `${name} ${args}`);
    } else result.words.push(word);
  }
  return result;
}

/** A value that must be a whole number from 1 on. */
export function positive(value: string, option: string, usage: string): number {
  if (!/^[1-9]\d*$/.test(value))
    throw userError(`${option} must be a whole number from 1 on, got ${value}`, usage, `${option} ${value}`);
  return Number(value);
}
