/** Tab completion of an argument line: verbs, options, their values, free words. */
import { readdirSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import type { Command, Source } from "./command.js";
import { camel, optionInfos, type OptionInfo } from "./optionInfo.js";
import { quoteWord, splitWords } from "./split.js";

export interface Match {
  text: string;
  type?: string;
  help?: string;
}

export interface Completions {
  matches: Match[];
  /** The part of the line that a match replaces. */
  start: number;
  end: number;
}

/** What the surroundings know: names of runs, splits, models, encoders in the hub's cache; the folder of relative paths. */
export interface Surroundings {
  cwd: string;
  names(source: "run" | "split" | "model" | "encoder" | "index"): string[];
}

/** Completes the word of `line` that ends at `cursor` (UTF-16 units). Never throws: a broken line has no matches. */
export function complete(line: string, cursor: number, commands: Command[], around: Surroundings): Completions {
  const words = splitWords(line.slice(0, cursor), { open: true });
  const last = words.at(-1);
  const typing = last !== undefined && last.end === cursor ? last : { text: "", start: cursor, end: cursor };
  const before = words.filter((word) => word !== typing).map((word) => word.text);
  const answer = (matches: Match[], start = typing.start): Completions => ({ matches, start, end: cursor });

  const name = before[0];
  if (name === undefined) {
    return answer(
      commands
        .filter((command) => command.name.startsWith(typing.text))
        .map((command) => ({ text: command.name, type: "function", help: command.summary })),
    );
  }
  const command = commands.find((c) => c.name === name || c.alias === name);
  if (command === undefined) return answer([]);
  const infos = optionInfos(command).filter((info) => info.codeOnly !== true);
  const named = (flag: string): OptionInfo | undefined => {
    const key = camel(flag);
    return infos.find((info) => info.key === (command.aliases[key] ?? key));
  };

  const equals = typing.text.startsWith("--") ? typing.text.indexOf("=") : -1;
  if (equals >= 0) {
    const info = named(typing.text.slice(0, equals));
    const value = typing.text.slice(equals + 1);
    const flag = typing.text.slice(0, equals + 1);
    const matches = info === undefined ? [] : values(info, value, around);
    return answer(matches.map((match) => ({ ...match, text: flag + match.text })));
  }
  if (typing.text.startsWith("-")) return answer(flags(infos, before, typing.text));
  const previous = before.length > 1 ? before.at(-1) : undefined;
  const waiting = previous?.startsWith("--") === true && !previous.includes("=") ? named(previous) : undefined;
  if (waiting !== undefined && !(waiting.kinds.length === 1 && waiting.kinds[0] === "boolean"))
    return answer(values(waiting, typing.text, around));
  const free = infos.find(({ key }) => key === command.positional?.option);
  const rest = infos.find(({ key }) => key === command.positional?.rest);
  const later = rest !== undefined && before.length > 1;
  const offered = [...(free === undefined || later ? [] : [free]), ...(later ? [rest] : [])].flatMap((info) =>
    values(info, typing.text, around),
  );
  return answer(offered.length > 0 ? offered : typing.text === "" ? flags(infos, before, "") : []);
}

/** The flags that begin so and are not there yet (lists may come again); other spellings only once one is begun. */
function flags(infos: OptionInfo[], before: string[], typed: string): Match[] {
  const given = new Set(before.filter((word) => word.startsWith("--")).map((word) => word.replace(/=.*/, "")));
  return infos
    .filter((info) => info.list || ![info.flag, ...info.otherFlags].some((flag) => given.has(flag)))
    .flatMap((info) => {
      const off = info.kinds[0] === "boolean" && info.default === true ? [`--no-${info.flag.slice(2)}`] : [];
      const names = [info.flag, ...off, ...(typed.length > 2 ? info.otherFlags : [])];
      return names
        .filter((flag) => flag.startsWith(typed))
        .map((text) => ({ text, type: "property", help: info.help }));
    });
}

function values(info: OptionInfo, typed: string, around: Surroundings): Match[] {
  const source = info.complete;
  const fixed = [...info.choices, ...(info.suggest ?? [])];
  const known = source === undefined || source === "file" || source === "folder" ? [] : around.names(source);
  const named = [...new Set([...fixed, ...known])]
    .filter((name) => name.startsWith(typed))
    .map((name) => ({ text: quoteWord(name), type: "value", help: info.help }));
  const nameOrPath = source === "model" || source === "encoder" || source === "index";
  const looksLikePath = source === "file" || source === "folder" || (nameOrPath && /[/\\.~]/.test(typed));
  return looksLikePath ? [...named, ...paths(typed, source, around.cwd)] : named;
}

/** Files and folders that begin so; folders end with a slash, so that Tab goes on inside. */
function paths(typed: string, source: Source, cwd: string): Match[] {
  const slash = Math.max(typed.lastIndexOf("/"), path.sep === "\\" ? typed.lastIndexOf("\\") : -1);
  const folder = typed.slice(0, slash + 1);
  const begin = typed.slice(slash + 1);
  let entries;
  try {
    entries = readdirSync(path.resolve(cwd, folder.replace(/^~(?=\/)/, homedir())), { withFileTypes: true });
  } catch {
    return []; // the folder being typed does not exist (yet)
  }
  return entries
    .filter((entry) => entry.name.startsWith(begin) && (begin !== "" || !entry.name.startsWith(".")))
    .filter((entry) => source !== "folder" || entry.isDirectory())
    .sort((a, b) => a.name.localeCompare(b.name))
    .map((entry) => ({ text: quoteWord(folder + entry.name + (entry.isDirectory() ? "/" : "")), type: "path" }));
}
