/** AMS as the kernel's plugin: `%ams VERB ...` and the typed global `ams`, over one session. */
import { readFileSync } from "node:fs";
import path from "node:path";
import type { KernelPlugin, MagicContext, PluginHost } from "../../kernel/plugin.js";
import { silentContext, type Context } from "../context.js";
import { displaySymbol, type Displayable, type MimeBundle } from "../display.js";
import { AmsError, asTyped, showCommandsAsMagics } from "../errors.js";
import { packageRoot } from "../paths.js";
import { callsOf, type Runner } from "./api.js";
import { complete } from "./complete.js";
import { commandHelp, overview } from "./help.js";
import { helpers } from "./helpers.js";
import { readExperiment, runExperiment } from "./experiment.js";
import { findCommand, parseWords } from "./parse.js";
import { serveRuns } from "./runsPanel.js";
import { createSession } from "./session.js";
import { splitWords } from "./split.js";
import { surroundings } from "./surroundings.js";
import { commands } from "./table.js";

const prefix = "%ams ";
const session = createSession(process.cwd());
let host: PluginHost | undefined;

/** `` -> all verbs; `train` or `help train` -> one verb. Throws an AmsError for an unknown verb. */
function helpFor(args: string): MimeBundle {
  const words = args
    .trim()
    .split(/\s+/)
    .filter((word) => word !== "" && !word.startsWith("-") && word !== "help");
  return words[0] === undefined ? overview(commands, prefix) : commandHelp(findCommand(words[0], commands), prefix);
}

/** The context of a cell, with the commands in notes as a cell takes them. */
function inCell<C extends Context>(context: C): C {
  return { ...context, note: (text) => context.note(asTyped(text)) };
}

async function line(args: string, context: MagicContext): Promise<unknown> {
  session.cwd = context.cwd;
  const words = splitWords(args).map((word) => word.text);
  if (isHelp(words)) return helpPage(args);
  const { command, options, help } = parseWords(words, commands);
  return help ? helpPage(command.name) : command.run(options, inCell(context), session);
}

/** `%%ams`: the cell is an experiment as YAML. */
async function cell(args: string, body: string, context: MagicContext): Promise<unknown> {
  session.cwd = context.cwd;
  if (args.trim() !== "")
    throw new AmsError("a cell of %%ams takes nothing on its first line", {
      where: `%%ams ${args}`,
      hint: "write one % for a single verb, or the verbs as YAML below: train: { steps: 100 }",
    });
  const verbs = commands.filter(({ name }) => name !== "run");
  return runExperiment(readExperiment(body, "%%ams", verbs), body, inCell(context), session);
}

function isHelp([first]: string[]): boolean {
  return first === undefined || first === "help" || first === "--help" || first === "-h";
}

/** Typed calls run like magics: under the running cell, with its interrupt and one progress display. */
const runInCell: Runner = (work) => {
  if (host === undefined) return work(silentContext);
  return host.run((context) => {
    session.cwd = context.cwd;
    return work(inCell(context));
  });
};

const widget: typeof helpers.widget = (options) =>
  host === undefined ? helpers.widget(options) : host.widgets.any(options);

/** Help as a value that shows itself, so that `%ams train --help` needs nothing of the kernel. */
function helpPage(args: string): Displayable {
  const bundle = helpFor(args);
  return { [displaySymbol]: () => bundle };
}

/** The type of what a line resolves to; for a line that cannot be read (yet), `unknown`. */
function returnType(args: string): string {
  const index = JSON.stringify(path.join(__dirname, "..", "index"));
  const first = /^\s*([\w-]+)/.exec(args)?.[1];
  if (first === undefined || isHelp([first]) || /(^|\s)(--help|-h)(\s|$)/.test(args))
    return `import(${index}).Displayable`;
  const command = commands.find(({ name, alias }) => name === first || alias === first);
  if (command === undefined) return "unknown";
  const { redirect } = command;
  const redirected = redirect !== undefined && new RegExp(`(^|\\s)--${redirect.flag}(\\s|$)`).test(args);
  const target = redirected ? commands.find(({ name }) => name === redirect.verb) : command;
  return `import(${index}).${(target ?? command).resultType}`;
}

export const plugin: KernelPlugin = {
  name: "ams",
  version: (JSON.parse(readFileSync(path.join(packageRoot(), "package.json"), "utf8")) as { version: string }).version,
  magics: [
    {
      name: "ams",
      summary: "train, measure and understand image-text matching: %ams shows the verbs",
      help: helpFor,
      line,
      cell,
      complete: (args, cursor) => Promise.resolve(complete(args, cursor, commands, surroundings(session))),
      returnType,
    },
  ],
  globals: [
    {
      name: "ams",
      value: { ...callsOf(commands, session, runInCell), ...helpers, widget },
      type: `import(${JSON.stringify(path.join(__dirname, "..", "index"))}).Api`,
    },
  ],
  start: (given: PluginHost) => {
    host = given;
    session.cwd = given.cwd;
    showCommandsAsMagics(commands.flatMap(({ name, alias }) => (alias === undefined ? name : [name, alias])));
    serveRuns(given.comms);
    return Promise.resolve();
  },
};
