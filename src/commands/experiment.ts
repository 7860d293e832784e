/** A whole experiment as YAML: verbs in the order in which they are written, each with its options; checked whole before any runs. */
import { isMap, LineCounter, parseDocument, type ParsedNode } from "yaml";
import type { Context } from "../context.js";
import { displaySymbol, escapeHtml, isDisplayable, type MimeBundle } from "../display.js";
import { AmsError } from "../errors.js";
import type { Command } from "./command.js";
import { camel } from "./optionInfo.js";
import { checkOptions, findCommand, type Options } from "./parse.js";
import type { Experiment } from "./results.js";
import type { Session } from "./session.js";
import { shown } from "./show/shown.js";

/** One call of a verb, with its options checked. */
export interface ExperimentStep {
  command: Command;
  options: Options;
  /** 1-based line of the file. */
  line: number;
}

/**
 * Reads the steps. `source` names the file in errors.
 * @throws AmsError with the line, for YAML that cannot be read and for an unknown verb, option or value.
 */
export function readExperiment(text: string, source: string, commands: Command[]): ExperimentStep[] {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter });
  const at = (offset: number): number => lineCounter.linePos(offset).line;
  const broken = document.errors[0];
  if (broken !== undefined) {
    throw new AmsError(`the experiment is no YAML: ${broken.message.split("\n")[0] ?? ""}`, {
      where: `${source}, line ${at(broken.pos[0])}`,
      hint: "write a verb a line with its options, for example: train: { epochs: 5 }",
    });
  }
  const entries = mappingOf(document.contents, source);
  return entries.flatMap(({ key, value, offset }) => {
    const line = at(offset);
    try {
      const command = findCommand(key, commands);
      return callsOf(command, value).map((given) => ({ command, options: checkOptions(command, given), line }));
    } catch (error) {
      if (!(error instanceof AmsError)) throw error;
      const where = `${source}, line ${line}`;
      throw new AmsError(error.message, {
        where,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
        cause: error,
      });
    }
  });
}

/**
 * Runs the steps of `text` one after the other in one session; an error or an interrupt ends it, with what was reached kept in the
 * session. Trainings keep the text in their folder.
 */
export async function runExperiment(
  steps: ExperimentStep[],
  text: string,
  context: Context,
  session: Session,
): Promise<Experiment> {
  const done: { verb: string; result: unknown; json: unknown }[] = [];
  session.experiment = text;
  try {
    for (const { command, options } of steps) {
      if (context.signal.aborted) break;
      context.note(`${command.name}:`);
      const result = await command.run(options, context, session);
      done.push({ verb: command.name, result, json: command.json(result) });
    }
  } finally {
    delete session.experiment;
  }
  return shown({ steps: done }, async () => {
    const bundles: [string, MimeBundle][] = [];
    for (const { verb, result } of done) if (isDisplayable(result)) bundles.push([verb, await result[displaySymbol]()]);
    return {
      "text/plain": bundles.map(([verb, bundle]) => `${verb}\n\n${bundle["text/plain"]}`).join("\n\n"),
      "text/html": bundles.map(([verb, bundle]) => `<h4>${escapeHtml(verb)}</h4>${htmlOf(bundle)}`).join(""),
    };
  });
}

function htmlOf(bundle: MimeBundle): string {
  const html = bundle["text/html"] ?? bundle["image/svg+xml"];
  return typeof html === "string" ? html : `<pre>${escapeHtml(bundle["text/plain"])}</pre>`;
}

interface Entry {
  key: string;
  value: unknown;
  offset: number;
}

function mappingOf(contents: ParsedNode | null, source: string): Entry[] {
  if (isMap<ParsedNode, ParsedNode | null>(contents)) {
    return contents.items.map(({ key, value }) => ({
      key: String(key.toJSON()),
      value: value?.toJSON() as unknown,
      offset: key.range[0],
    }));
  }
  throw new AmsError("the experiment has no verbs", {
    where: source,
    hint: "write verbs with their options, for example: train: { data: scenes, steps: 100 }",
  });
}

/** `verb:` -> one call without options; a mapping -> one with these; a value -> the free word; a list -> a call for each. */
function callsOf(command: Command, value: unknown): Options[] {
  if (value === null || value === undefined) return [{}];
  if (Array.isArray(value) && !isListOfFree(command)) return value.flatMap((one: unknown) => callsOf(command, one));
  if (typeof value === "object" && !Array.isArray(value))
    return [Object.fromEntries(Object.entries(value).map(([key, given]) => [camel(key), given as unknown]))];
  const free = command.positional?.option;
  if (free !== undefined) return [{ [free]: value }];
  throw new AmsError(`${command.name} takes options, not ${JSON.stringify(value)}`, {
    hint: `write them as a mapping, for example: ${command.name}: { ... }; ams ${command.name} --help lists them`,
  });
}

/** The free word is itself a list (`compare: [a, b]`). */
function isListOfFree(command: Command): boolean {
  const free = command.positional?.option;
  return free !== undefined && command.options[free]?.safeParse(["a", "b"]).success === true;
}
