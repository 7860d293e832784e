/** Help texts, generated from the table of commands: aligned text for terminals, tables for notebooks. */
import { escapeHtml, renderTable, type MimeBundle, type Table } from "../display.js";
import type { Command } from "./command.js";
import { optionInfos, type OptionInfo } from "./optionInfo.js";
import { readOptions } from "./parse.js";
import { splitWords } from "./split.js";

/** How a verb is called where the help is shown: `%ams ` in a notebook, `ams ` on the command line. */
export type Prefix = "%ams " | "ams ";

export interface VerbLine {
  name: string;
  summary: string;
}

/** All verbs with one line each; `extra` are those that only this face has. */
export function overview(commands: Command[], prefix: Prefix, extra: VerbLine[] = []): MimeBundle {
  const magic = prefix === "%ams ";
  const verbs = [...commands, ...extra];
  const first = "AMS: train, measure and understand image-text matching. One verb a line:";
  const more = magic
    ? "%ams train? shows the options of a verb. In code: await ams.train({epochs: 5}). Tab completes verbs, options and values."
    : "ams train --help shows the options of a verb. --json prints the result as one JSON object. " +
      "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C.";
  return page([
    { line: first },
    { table: { columns: ["verb", "does"], rows: verbs.map(({ name, summary }) => [prefix + name, summary]) } },
    { line: more },
  ]);
}

/** One verb: what it does, its options with defaults, examples. */
export function commandHelp(command: Command, prefix: Prefix): MimeBundle {
  const magic = prefix === "%ams ";
  const infos = optionInfos(command).filter((info) => magic || info.codeOnly !== true);
  const free = infos.find(({ key }) => key === command.positional?.option);
  const freeWord = free === undefined ? "" : free.required ? ` ${valueWord(free)}` : ` [${valueWord(free)}]`;
  const rest = infos.find(({ key }) => key === command.positional?.rest);
  const restWord = rest === undefined ? "" : ` [${valueWord(rest)}...]`;
  const more = infos.length > (free === undefined ? 0 : 1) ? " [options]" : "";
  return page([
    { line: `${prefix}${command.name}: ${command.summary}` },
    { line: command.about },
    { line: `usage: ${prefix}${command.name}${freeWord}${restWord}${more}` },
    ...(infos.length === 0 ? [] : [{ entries: infos.map((info) => entryOf(info, info === free)) }]),
    { line: "for example", list: command.examples.map((example) => prefix + example) },
    ...(magic ? [{ line: `in code: ${codeExample(command)}` }] : []),
  ]);
}

/** One option in help. */
interface Entry {
  name: string;
  value: string;
  meaning: string;
  remarks: string[];
}

function entryOf(info: OptionInfo, free: boolean): Entry {
  const switched = info.kinds.length === 1 && info.kinds[0] === "boolean";
  return {
    name: info.codeOnly === true ? info.key : free && info.required ? valueWord(info) : info.flag,
    value:
      switched || (free && info.required)
        ? ""
        : info.kinds.includes("boolean")
          ? `[${valueWord(info)}]`
          : valueWord(info),
    meaning: info.help,
    remarks: [
      ...(info.codeOnly === true ? ["only in code"] : []),
      ...(info.choices.length > 0 ? [`one of ${info.choices.join(", ")}`] : []),
      ...(info.list ? ["may be given several times"] : []),
      ...(switched && info.default === true ? [`--no-${info.flag.slice(2)} turns it off`] : []),
      ...(info.default === undefined || switched
        ? []
        : [`default ${typeof info.default === "string" ? info.default : JSON.stringify(info.default)}`]),
      ...(info.otherFlags.length > 0 ? [`also ${info.otherFlags.join(", ")}`] : []),
    ],
  };
}

function valueWord(info: OptionInfo): string {
  return info.value ?? info.type ?? info.key.toUpperCase();
}

/** `train --epochs 5 --lr 2e-5` -> `await ams.train({epochs: 5, learningRate: 0.00002})`. */
export function codeExample(command: Command): string {
  const words = splitWords(command.examples[0] ?? command.name).slice(1);
  const options = readOptions(
    command,
    words.map((word) => word.text),
  );
  const free = command.positional === undefined ? undefined : options[command.positional.option];
  const rest = Object.entries(options).filter(([key]) => free === undefined || key !== command.positional?.option);
  const parts = [
    ...(free === undefined ? [] : [JSON.stringify(free)]),
    ...(rest.length === 0 ? [] : [`{${rest.map(([key, value]) => `${key}: ${JSON.stringify(value)}`).join(", ")}}`]),
  ];
  return `await ams.${command.name}(${parts.join(", ")})`;
}

type Block = { line: string; list?: string[] } | { table: Table } | { entries: Entry[] };

const textWidth = 100;

function page(blocks: Block[]): MimeBundle {
  const text = blocks.map((block) => {
    if ("table" in block) return renderTable(block.table).text;
    if ("entries" in block) return block.entries.map(entryText).join("\n");
    return [...wrap(block.line, textWidth), ...(block.list ?? []).map((item) => `  ${item}`)].join("\n");
  });
  const html = blocks.map((block) => {
    if ("table" in block) return renderTable(block.table).html;
    if ("entries" in block) {
      const rows = block.entries.map(({ name, value, meaning, remarks }) => [name, value, meaning, remarks.join("; ")]);
      return renderTable({ columns: ["option", "value", "meaning", ""], rows }).html;
    }
    const list = block.list === undefined ? "" : `<pre>${block.list.map(escapeHtml).join("\n")}</pre>`;
    return `<p>${escapeHtml(block.line)}</p>${list}`;
  });
  return { "text/plain": text.join("\n\n"), "text/html": html.join("") };
}

/** The name on the left, the meaning wrapped beside it. */
function entryText({ name, value, meaning, remarks }: Entry): string {
  const left = `  ${name}${value === "" ? "" : ` ${value}`}`;
  const indent = 26;
  const lines = wrap(meaning + (remarks.length > 0 ? ` (${remarks.join("; ")})` : ""), textWidth - indent);
  const beside = left.length <= indent - 2;
  return [
    ...(beside ? [] : [left]),
    ...lines.map((text, i) => (i === 0 && beside ? left : "").padEnd(indent) + text),
  ].join("\n");
}

/** Breaks a paragraph between words. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
