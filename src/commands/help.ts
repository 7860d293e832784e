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
    : "ams train --help shows the options of a verb. --json prints the result as one JSON object.";
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
  const positional = infos.find(({ key }) => key === command.positional?.option);
  const free =
    positional === undefined
      ? ""
      : positional.required
        ? ` ${placeholder(positional)}`
        : ` [${placeholder(positional)}]`;
  const examples = command.examples.map((example) => prefix + example);
  return page([
    { line: `${prefix}${command.name}: ${command.summary}` },
    { line: command.about },
    { line: `usage: ${prefix}${command.name}${free}${infos.length > (free === "" ? 0 : 1) ? " [options]" : ""}` },
    ...(infos.length === 0
      ? []
      : [
          {
            table: {
              columns: ["option", "value", "default", "meaning"],
              rows: infos.map((info) => [
                optionName(info, info === positional),
                valueText(info),
                info.default === undefined ? (info.required ? "required" : null) : defaultText(info.default),
                info.help,
              ]),
            },
          },
        ]),
    { line: "for example", list: examples },
    ...(magic ? [{ line: `in code: ${codeExample(command)}` }] : []),
  ]);
}

function optionName(info: OptionInfo, positional: boolean): string {
  if (info.codeOnly === true) return `${info.key} (in code)`;
  return [positional && info.required ? placeholder(info) : info.flag, ...info.otherFlags].join(", ");
}

function placeholder(info: OptionInfo): string {
  return info.value ?? info.key.toUpperCase();
}

/** A boolean needs no value; `[NAME]` when the value may be left out. */
function valueText(info: OptionInfo): string | null {
  if (info.codeOnly === true) return info.value ?? null;
  if (info.kinds.length === 1 && info.kinds[0] === "boolean")
    return info.default === true ? "--no-... turns it off" : null;
  const text = info.choices.length > 0 ? info.choices.join("|") : placeholder(info);
  return (info.kinds.includes("boolean") ? `[${text}]` : text) + (info.list ? " ..." : "");
}

function defaultText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
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

type Block = { line: string; list?: string[] } | { table: Table };

function page(blocks: Block[]): MimeBundle {
  const text = blocks.map((block) => {
    if ("table" in block) return renderTable(block.table).text;
    return [block.line, ...(block.list ?? []).map((item) => `  ${item}`)].join("\n");
  });
  const html = blocks.map((block) => {
    if ("table" in block) return renderTable(block.table).html;
    const list = block.list === undefined ? "" : `<pre>${block.list.map(escapeHtml).join("\n")}</pre>`;
    return `<p>${escapeHtml(block.line)}</p>${list}`;
  });
  return { "text/plain": text.join("\n\n"), "text/html": html.join("") };
}
