/** From written words to a command's checked options; the same checks serve typed calls. Every refusal names the nearest valid names. */
import { inspect } from "node:util";
import { z } from "zod";
import { AmsError } from "../errors.js";
import type { Command } from "./command.js";
import { nearest, suggestion } from "./nearest.js";
import { camel, kebab, optionInfos, type OptionInfo } from "./optionInfo.js";

export type Options = Record<string, unknown>;

export interface Parsed {
  command: Command;
  options: Options;
  /** `--help` was among the words: nothing was checked. */
  help: boolean;
}

/** The command of that name, in any case, by its other name too. */
export function findCommand(name: string, commands: Command[]): Command {
  const wanted = name.toLowerCase();
  const found = commands.find((command) => command.name === wanted || command.alias === wanted);
  if (found !== undefined) return found;
  const names = commands.flatMap((c) => [c.name, ...(c.alias === undefined ? [] : [c.alias])]);
  throw new AmsError(`there is no command "${name}"`, {
    where: `ams ${name}`,
    hint: suggestion(name, names, `the commands are ${commands.map((c) => c.name).join(", ")}`),
  });
}

/** Reads `verb --flag value ... free words`. Throws an AmsError for an unknown verb, option or value. */
export function parseWords(words: string[], commands: Command[]): Parsed {
  const command = findCommand(words[0] ?? "", commands);
  const rest = words.slice(1);
  if (rest.some((word) => word === "--help" || word === "-h")) return { command, options: {}, help: true };
  const redirect = command.redirect;
  const flagged =
    redirect === undefined ? -1 : rest.findIndex((word) => camel(word) === redirect.flag && /^--/.test(word));
  if (redirect !== undefined && flagged >= 0) {
    rest.splice(flagged, 1);
    const { kept, left } = wordsOfTarget(command, findCommand(redirect.verb, commands), rest);
    checkOptions(command, readOptions(command, left));
    if (left[0] !== undefined && redirect.drops !== true) throw idleOption(command, left[0], redirect, words);
    return parseWords([redirect.verb, ...redirect.arguments, ...kept], commands);
  }
  return { command, options: checkOptions(command, readOptions(command, rest)), help: false };
}

/** An option that the command knows and the one that its flag stands for does not. */
function idleOption(
  { name }: Command,
  word: string,
  { flag, verb }: NonNullable<Command["redirect"]>,
  words: string[],
): AmsError {
  const option = word.replace(/=[^]*/, "");
  return new AmsError(`${option} does nothing together with --${kebab(flag)}`, {
    where: `ams ${words.join(" ")}`,
    hint: `leave out one of them: \`ams ${name} --${kebab(flag)}\` is \`ams ${verb}\`, which has no ${option}`,
  });
}

/** Written words -> the options that they give, by their own names and in their kinds, unchecked. */
export function readOptions(command: Command, words: string[]): Options {
  const infos = optionInfos(command).filter((info) => info.codeOnly !== true);
  const where = `ams ${[command.name, ...words].join(" ")}`;
  const options: Options = {};
  const free: string[] = [];
  const set = (info: OptionInfo, value: unknown): void => {
    if (info.list) options[info.key] = [...((options[info.key] as unknown[] | undefined) ?? []), value];
    else if (options[info.key] !== undefined)
      throw new AmsError(`${info.flag} is given twice`, { where, hint: "give it once" });
    else options[info.key] = value;
  };
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === "--") {
      free.push(...words.slice(i + 1));
      break;
    }
    if (!isFlag(word)) {
      free.push(word);
      continue;
    }
    const equals = word.indexOf("=");
    const flag = equals < 0 ? word : word.slice(0, equals);
    const { info, negated } = findOption(command, infos, flag, where);
    const next = words[i + 1];
    if (negated) {
      if (equals >= 0) throw new AmsError(`${flag} takes no value`, { where, hint: `write ${flag} or ${info.flag}` });
      set(info, false);
    } else if (equals >= 0) set(info, readValue(info, word.slice(equals + 1)));
    else if (info.kinds.includes("boolean") && (info.kinds.length === 1 || next === undefined || isFlag(next))) {
      set(info, true);
    } else if (next === undefined || isFlag(next)) {
      const value = info.value ?? "VALUE";
      throw new AmsError(`${flag} needs a value`, { where, hint: `write ${flag} ${value}: ${info.help}` });
    } else {
      set(info, readValue(info, next));
      i += 1;
    }
  }
  placeFreeWords(command, infos, free, options, where, set);
  return options;
}

/**
 * The words of a command that stands for another (`train --test`) -> those for the other, and those that only the first one knows: a
 * training's own flags, which say nothing of an evaluation.
 */
function wordsOfTarget(command: Command, target: Command, words: string[]): { kept: string[]; left: string[] } {
  const optionIn = (one: Command, flag: string): NamedOption | undefined =>
    namedOption(
      one,
      optionInfos(one).filter(({ codeOnly }) => codeOnly !== true),
      flag,
    );
  const kept: string[] = [];
  const left: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const flag = word.replace(/=[^]*/, "");
    const found = isFlag(word) && optionIn(target, flag) === undefined ? optionIn(command, flag) : undefined;
    if (found === undefined) {
      kept.push(word);
      continue;
    }
    left.push(word);
    const next = words[i + 1];
    const alone = flag !== word || found.negated || found.info.kinds.includes("boolean");
    if (!alone && next !== undefined && !isFlag(next)) {
      left.push(next);
      i += 1;
    }
  }
  return { kept, left };
}

function placeFreeWords(
  command: Command,
  infos: OptionInfo[],
  free: string[],
  options: Options,
  where: string,
  set: (info: OptionInfo, value: unknown) => void,
): void {
  const { positional } = command;
  if (free.length === 0) return;
  const values = positional?.joined === true ? [free.join(" ")] : free;
  const info = infos.find(({ key }) => key === positional?.option);
  const rest = infos.find(({ key }) => key === positional?.rest);
  const room = info === undefined || options[info.key] !== undefined ? 0 : info.list ? Infinity : 1;
  if (values.length > room && rest === undefined) {
    const extra = values[room] ?? "";
    // Compared without its dashes, which a value does not have in common with a flag.
    const flags = infos.flatMap((i) => [i.flag, ...i.otherFlags]);
    const near = nearest(extra, flags.map((flag) => flag.replace(/^-+/, ""))).map((name) => `--${name}`); // prettier-ignore
    const guess = near.length === 0 ? "" : `did you mean ${near.join(" or ")}? `;
    throw new AmsError(`"${extra}" is one word too many`, {
      where,
      hint: `${guess}\`ams ${command.name} --help\` shows the options; quote a text with blanks`,
    });
  }
  values.forEach((value, i) => {
    const target = i < room ? info : rest;
    if (target !== undefined) set(target, readValue(target, value));
  });
}

/** `-3` and `-` are values. */
function isFlag(word: string): boolean {
  return /^--?[a-zA-Z]/.test(word);
}

interface NamedOption {
  info: OptionInfo;
  /** Written as --no-NAME. */
  negated: boolean;
}

function findOption(command: Command, infos: OptionInfo[], flag: string, where: string): NamedOption {
  const found = namedOption(command, infos, flag);
  if (found === undefined) throw unknownOption(command, infos, flag, where);
  return found;
}

function namedOption(command: Command, infos: OptionInfo[], flag: string): NamedOption | undefined {
  const named = (name: string): OptionInfo | undefined =>
    infos.find(({ key }) => key === (command.aliases[name] ?? name));
  const name = camel(flag);
  const info = named(name);
  if (info !== undefined) return { info, negated: false };
  const positive = /^no[A-Z]/.test(name) ? named(name.charAt(2).toLowerCase() + name.slice(3)) : undefined;
  return positive?.kinds.includes("boolean") === true ? { info: positive, negated: true } : undefined;
}

function unknownOption(command: Command, infos: OptionInfo[], flag: string, where: string): AmsError {
  const flags = infos.flatMap((info) => [info.flag, ...info.otherFlags]);
  return new AmsError(`${command.name} has no option ${flag}`, {
    where,
    hint: suggestion(flag, flags, `\`ams ${command.name} --help\` shows all options`),
  });
}

/** The written value in the option's kind; what does not fit stays text, for the schema to refuse. */
function readValue(info: OptionInfo, text: string): unknown {
  const { kinds } = info;
  if (kinds.includes("boolean") && /^(true|false)$/.test(text)) return text === "true";
  if ((kinds.includes("number") || kinds.includes("integer")) && text.trim() !== "" && !Number.isNaN(Number(text)))
    return Number(text);
  return text;
}

/**
 * Options as written in code or read from words -> the command's options with defaults, other names resolved.
 * Throws an AmsError that names the option, the value and the nearest valid ones.
 */
export function checkOptions(command: Command, given: Options): Options {
  const infos = optionInfos(command);
  const where = `ams.${command.name}(${describe(given)})`;
  const named: Options = {};
  for (const [name, value] of Object.entries(given)) {
    const key = command.aliases[name] ?? name;
    const info = infos.find((i) => i.key === key);
    if (info === undefined) throw unknownOption(command, infos, `--${kebab(name)}`, where);
    if (value !== undefined) named[key] = inItsForm(info, respell(info, value));
  }
  const result = z.object(command.options).safeParse(named);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const info = infos.find(({ key }) => key === issue?.path[0]);
  if (issue === undefined || info === undefined) throw result.error;
  throw refusal(command, info, issue, named[info.key]);
}

/** A single value is a list of one where the option only takes lists, as on a command line. */
function inItsForm({ list, schema }: OptionInfo, value: unknown): unknown {
  return list && !Array.isArray(value) && !schema.safeParse(value).success ? [value] : value;
}

function respell(info: OptionInfo, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((v: unknown) => respell(info, v));
  return typeof value === "string" ? (info.spellings?.[value] ?? value) : value;
}

type Issue = z.core.$ZodIssue;

function refusal(command: Command, info: OptionInfo, issue: Issue, value: unknown): AmsError {
  const positional = command.positional?.option === info.key;
  const name = positional ? `${command.name} ${info.value ?? info.key.toUpperCase()}` : info.flag;
  const where =
    value === undefined
      ? `ams ${command.name}`
      : `ams ${command.name}: ${info.flag} ${[value].flat().map(show).join(" ")}`;
  const example = command.examples[0];
  if (value === undefined) {
    return new AmsError(`${command.name} needs ${positional ? (info.value ?? info.key) : info.flag}: ${info.help}`, {
      where,
      hint: [
        ...(info.choices.length > 0 ? [`give one of ${info.choices.join(", ")}`] : []),
        ...(example === undefined ? [] : [`for example: ams ${example}`]),
      ].join("; "),
    });
  }
  const wrong = Array.isArray(value) ? (value as unknown[])[Number(issue.path[1] ?? 0)] : value;
  if (info.choices.length > 0) {
    return new AmsError(`${name}: ${show(wrong)} is none of its values`, {
      where,
      hint: suggestion(String(wrong), info.choices, info.values ?? `use one of ${info.choices.join(", ")}`),
    });
  }
  const hint = `${remedy(issue, info) || `give ${info.flag} ${info.value ?? "VALUE"}: `}${info.help}`;
  return new AmsError(`${name}: ${show(wrong)} ${reason(issue, info)}`, { where, hint });
}

function reason(issue: Issue, info: OptionInfo): string {
  if (issue.code === "invalid_value") return `can only be ${issue.values.map(String).join(" or ")}`;
  if (issue.code === "too_small")
    return issue.inclusive === false
      ? `is not above ${String(issue.minimum)}`
      : `is below the least value ${String(issue.minimum)}`;
  if (issue.code === "too_big") return `is above the greatest value ${String(issue.maximum)}`;
  if (issue.code === "invalid_format") return `is not of the form ${info.value ?? "VALUE"}`;
  const kinds = { boolean: "true or false", integer: "a whole number", number: "a number", string: "a text" };
  const expected = info.kinds.map((kind) => kinds[kind]).join(" or ");
  return expected === "" ? issue.message : `is not ${expected}`;
}

/** What to give instead of a number that is out of range, or of a text in another form. */
function remedy(issue: Issue, { flag }: OptionInfo): string {
  if (issue.code === "invalid_format") return `${issue.message}: `;
  if (issue.code === "too_small")
    return issue.inclusive === false
      ? `give ${flag} more than ${String(issue.minimum)}: `
      : `give ${flag} ${String(issue.minimum)} or more: `;
  if (issue.code === "too_big") return `give ${flag} ${String(issue.maximum)} or less: `;
  return "";
}

function show(value: unknown): string {
  return typeof value === "string" ? `"${value}"` : inspect(value, { breakLength: Infinity, depth: 1 }).slice(0, 80);
}

function describe(given: Options): string {
  const parts = Object.entries(given).map(
    ([key, value]) =>
      `${key}: ${typeof value === "object" && value !== null && !Array.isArray(value) ? "..." : show(value)}`,
  );
  return parts.length === 0 ? "" : `{${parts.join(", ")}}`;
}
