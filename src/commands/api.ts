/** The functions behind the typed calls: every command of a table as `ams.verb(options)` or `ams.verb(value, options)`. */
import type { Context } from "../context.js";
import { AmsError } from "../errors.js";
import type { Command } from "./command.js";
import { codeExample } from "./help.js";
import { checkOptions, type Options } from "./parse.js";
import type { Session } from "./session.js";

/** Runs a call's work with a context of the host's choice (in a notebook: that of the cell that is running). */
export type Runner = <T>(work: (context: Context) => Promise<T>) => Promise<T>;

export function callsOf(
  commands: Command[],
  session: Session,
  runner: Runner,
): Record<string, (...given: unknown[]) => Promise<unknown>> {
  const entries = commands.flatMap((command) => {
    const call = async (...given: unknown[]): Promise<unknown> => {
      const options = checkOptions(command, optionsOf(command, given));
      return runner((context) => command.run(options, context, session));
    };
    return [command.name, ...(command.alias === undefined ? [] : [command.alias])].map((name) => [name, call] as const);
  });
  return Object.fromEntries(entries);
}

/** `("attention", {item: 3})`, `({figure: "attention", item: 3})`, `(dataset, {samples: 3})` and `()` -> options. */
function optionsOf(command: Command, [first, second]: unknown[]): Options {
  if (first === undefined) return {};
  const free = command.positional?.option;
  const named = typeof first === "object" && first !== null && !Array.isArray(first);
  if (free === undefined || (named && command.options[free]?.safeParse(first).success !== true)) {
    if (named) return first as Options;
    throw new AmsError(`${command.name} takes its options as one object`, {
      where: `ams.${command.name}(${JSON.stringify(first)})`,
      hint: `for example: ${codeExample(command)}`,
    });
  }
  return { ...(second as Options | undefined), [free]: first };
}
