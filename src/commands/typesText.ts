/**
 * The TypeScript of the typed functions, written from the table: plain interfaces with a comment on every option, because types
 * derived from the schemas show as nested generics in a notebook's hovers and errors, and load zod's own types into every cell.
 */
import type { Command } from "./command.js";
import { optionInfos, type OptionInfo } from "./optionInfo.js";

/** Where the types that signatures name come from. */
const sources: Record<string, string> = {
  Dataset: "../data/dataset.js",
  Model: "../model/ams.js",
  Recipe: "../train/recipe.js",
  Run: "../train/trainer.js",
  Evaluation: "../evaluate/index.js",
  Compared: "./results.js",
  Figure: "../plot/figure.js",
  Hits: "../search/index.js",
  OpenedDataset: "./results.js",
  Report: "./results.js",
  Engine: "./results.js",
  RunList: "./results.js",
  Experiment: "./results.js",
  Exported: "./results.js",
  IndexReport: "./results.js",
  IndexList: "./results.js",
  Inspection: "./results.js",
  Helpers: "./helpers.js",
};

/** The text of src/commands/apiTypes.ts. */
export function typesText(commands: Command[]): string {
  const withOptions = commands.filter((command) => Object.keys(command.options).length > 0);
  const body = [...withOptions.map(argumentsText), apiText(commands)].join("\n\n");
  const used = Object.entries(sources).filter(([name]) => new RegExp(`\\b${name}\\b`).test(body));
  const imports = [...new Set(used.map(([, from]) => from))].map((from) => {
    const names = used.filter(([, source]) => source === from).map(([name]) => name);
    return `import type { ${names.join(", ")} } from "${from}";`;
  });
  return [
    "/** The verbs as typed functions. Written from the table of commands by typesText.ts; a test keeps it so. */",
    ...imports,
    "",
    body,
    "",
  ].join("\n");
}

function argumentsText(command: Command): string {
  const infos = optionInfos(command);
  const lines = infos.flatMap((info) => [
    `  /** ${sentence(info)} */`,
    `  ${info.key}${info.required ? "" : "?"}: ${typeOf(info)};`,
  ]);
  const aliases = Object.entries(command.aliases).flatMap(([alias, key]) => [
    `  /** The same as \`${key}\`. */`,
    `  ${alias}?: ${interfaceName(command)}["${key}"];`,
  ]);
  return `/** Options of \`ams.${command.name}\`. */\nexport interface ${interfaceName(command)} {\n${[...lines, ...aliases].join("\n")}\n}`;
}

function apiText(commands: Command[]): string {
  const methods = commands.flatMap((command) => {
    const names = [command.name, ...(command.alias === undefined ? [] : [command.alias])];
    return names.flatMap((name) => signatures(command, name));
  });
  return `/** The verbs, and what helps with their results. */\nexport interface Api extends Helpers {\n${methods.join("\n")}\n}`;
}

function signatures(command: Command, name: string): string[] {
  const options = interfaceName(command);
  const infos = optionInfos(command);
  const free = infos.find(({ key }) => key === command.positional?.option);
  const comment = `  /** ${capital(command.summary)}. */`;
  const result = `Promise<${command.resultType}>`;
  if (infos.length === 0) return [comment, `  ${name}(): ${result};`];
  const optional = infos.some((info) => info.required) ? "" : "?";
  const whole = [comment, `  ${name}(options${optional}: ${options}): ${result};`];
  if (free === undefined) return whole;
  return [
    comment,
    `  ${name}(${free.key}: ${typeOf(free)}, options?: Omit<${options}, "${free.key}">): ${result};`,
    ...whole,
  ];
}

function interfaceName({ name }: Command): string {
  return `${capital(name)}Arguments`;
}

function typeOf(info: OptionInfo): string {
  const choices = info.choices.map((choice) => JSON.stringify(choice));
  const kinds = choices.length > 0 ? choices : info.kinds.map((kind) => (kind === "integer" ? "number" : kind));
  const single = [...kinds, ...(info.type === undefined ? [] : [info.type])];
  const lists = info.list ? [`${single.length > 1 ? `(${single.join(" | ")})` : single.join("")}[]`] : [];
  return [...single, ...lists].join(" | ");
}

function sentence(info: OptionInfo): string {
  const fallback = info.default === undefined ? "" : ` Default: ${JSON.stringify(info.default)}.`;
  return `${capital(info.help)}.${fallback}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
