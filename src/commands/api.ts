/** The typed functions: every command of a table as `ams.verb(options)` or `ams.verb(value, options)`. */
import type { z } from "zod";
import type { Context } from "../context.js";
import type { Command, Shape } from "./command.js";
import { checkOptions, type Options } from "./parse.js";
import type { Session } from "./session.js";

/** A command's options as written in code: defaults may be left out, short and published names are known. */
type Written<S extends Shape, A extends Record<string, string>> = z.input<z.ZodObject<S>> & {
  [K in keyof A]?: z.input<z.ZodObject<S>>[A[K] & keyof z.input<z.ZodObject<S>>];
};

/** The function that a command becomes. */
export type Call<C> =
  C extends Command<infer S, infer A, infer R, infer P>
    ? [P] extends [never]
      ? (options?: Written<S, A>) => Promise<R>
      : {
          (value: Written<S, A>[P & keyof Written<S, A>], options?: Omit<Written<S, A>, P>): Promise<R>;
          (options?: Written<S, A>): Promise<R>;
        }
    : never;

/** `contextNow` is asked at every call, so that progress appears under the cell that is running. */
export function callsOf(
  commands: Command[],
  session: Session,
  contextNow: () => Context,
): Record<string, (...given: unknown[]) => Promise<unknown>> {
  const entries = commands.flatMap((command) => {
    const call = async (...given: unknown[]): Promise<unknown> =>
      command.run(checkOptions(command, optionsOf(command, given)), contextNow(), session);
    return [command.name, ...(command.alias === undefined ? [] : [command.alias])].map((name) => [name, call] as const);
  });
  return Object.fromEntries(entries);
}

/** `("attention", {item: 3})`, `({figure: "attention", item: 3})` and `()` -> options. */
function optionsOf(command: Command, [first, second]: unknown[]): Options {
  const isOptions = (value: unknown): value is Options => typeof value === "object" && value !== null;
  if (first === undefined || (isOptions(first) && !Array.isArray(first))) return first ?? {};
  return { ...(isOptions(second) ? second : {}), [command.positional?.option ?? "value"]: first };
}
