/** What a command is: one record from which its magic, command line, typed function, completion and help all come. */
import { z } from "zod";
import type { Context } from "../context.js";
import type { Session } from "./session.js";

/** Where Tab finds values of an option. */
export type Source = "file" | "folder" | "run" | "split" | "model";

/** What the schema of an option does not say. */
export interface OptionDetails {
  /** One line for help and completion. */
  help: string;
  /** Placeholder of the value in help, e.g. `N`, `DIR`. */
  value?: string;
  complete?: Source;
  /** Values worth offering where the schema leaves the value open. */
  suggest?: string[];
  /** Other spellings of values, e.g. the published `--dataset flickr` for `flickr30k`. */
  spellings?: Record<string, string>;
  /** Only for typed calls: the value (a model, a data set) cannot be written on a command line. */
  codeOnly?: boolean;
}

const details = z.registry<OptionDetails>();

/** Attaches help and completion to an option's schema; call it last, since zod's methods make new schemas. */
export function option<T extends z.ZodType>(schema: T, about: OptionDetails): T {
  details.add(schema, about);
  return schema;
}

export function optionDetails(schema: z.ZodType): OptionDetails {
  const about = details.get(schema);
  if (about === undefined) throw new Error("an option without help: wrap its schema in option()");
  return about;
}

export type Shape = Record<string, z.ZodType>;

/** A command with options of shape S, other option names A, result R and the option P that may be given without its name. */
export interface Command<
  S extends Shape = Shape,
  A extends Record<string, string> = Record<string, string>,
  R = unknown,
  P extends string = string,
> {
  name: string;
  /** Another name of the same verb. */
  alias?: string;
  /** One line. */
  summary: string;
  /** What a newcomer needs to know beyond the options; a few sentences. */
  about: string;
  options: S;
  /** The option that may be given without its name; `joined`: all free words together, separated by spaces. */
  positional?: { option: P; joined?: boolean };
  /** Other names of options, in camelCase: the short ones and those of the published code. */
  aliases: A;
  /** A flag that turns the line into another command's: the published `train --test` is `eval --split test`. */
  redirect?: { flag: string; verb: string; arguments: string[] };
  /** Argument lines, the most useful first, e.g. `train --epochs 5 --lr 2e-5`. */
  examples: string[];
  /** The name under which src/index.ts exports the result's type. */
  resultType: string;
  run(options: z.output<z.ZodObject<S>>, context: Context, session: Session): Promise<R>;
  /** The result as the one object that `--json` prints. */
  json(result: R): unknown;
}

/** Keeps the exact types of a command's options and result, for the typed function that comes from it. */
export function defineCommand<
  S extends Shape,
  const A extends Record<string, keyof S & string>,
  R,
  const P extends keyof S & string = never,
>(command: Command<S, A, R, P>): Command<S, A, R, P> {
  return command;
}
